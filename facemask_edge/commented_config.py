"""The configuration that an installation begins with: the packaged one, in which what is the default is commented out.

As in sshd_config, what is no comment is the owner's own choice: layers below the file count, and a default that gets
better with an upgrade does so here, too.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

HEADER = [
    "# The configuration of facemask-edge with every key. What is commented out is the default, or what config.d says:",
    "# remove the # before a key to set it; a wrong one ends the daemon with a sentence that names the line.",
]
"""Instead of the packaged one's, which is as long: line numbers are the same."""
SECTION = re.compile(r"(\w+):$")
KEY = re.compile(r"( +)(\w+): ")


def packaged_config() -> str:
    """The commented default that comes with this package: in the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    inside = package / "config.yaml"
    return (inside if inside.exists() else package.parent / "config.yaml").read_text()


def commented_config(known: Mapping[str, object] | None = None) -> str:
    """All keys, those but the known ones as comments; line by line as the packaged one.

    Args:
        known: Values by ``section.key``, of the first camera ``cameras.key``.
    """
    section = ""
    lines = list(HEADER)
    for line in packaged_config().splitlines()[len(HEADER) :]:
        if match := SECTION.match(line):
            section = match[1]
        lines.append(_commented(line, section, known or {}))
    return "\n".join([*lines, ""])


def _commented(line: str, section: str, known: Mapping[str, object]) -> str:
    match = KEY.match(line)
    if match is None:
        return line
    indent, key = match.groups()
    name = f"{section}.{key}"
    return f"{indent}{key}: {json.dumps(known[name])}" if name in known else f"{indent}#{line.lstrip()}"
