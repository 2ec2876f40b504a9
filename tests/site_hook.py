"""What MkDocs calls while it builds the site: documents link to files beside docs/, and these links hold there, too.

A copy of each such file stands in the site under ``repository/``.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
DOCS, REPOSITORY = "docs/", "repository/"
OUTSIDE = (
    "CHANGELOG.md",
    "SECURITY.md",
    "config.yaml",
    "facemask_edge/schemas/health-1.json",
    "facemask_edge/schemas/violation-1.json",
    "models/MODEL_CARD.md",
    "models/manifest.json",
    "systemd/facemask-edge.service",
)
"""Files beside docs/ that are in the site; a link to any other one ends the build."""
LINK = re.compile(r"\]\(([^)#:]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files."""
    for path in OUTSIDE:
        files.append(File.generated(config, REPOSITORY + path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Have a page's links lead to where in the site their targets are."""
    uri = page.file.src_uri
    source = posixpath.dirname(uri.removeprefix(REPOSITORY) if uri.startswith(REPOSITORY) else DOCS + uri)

    def in_site(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(source, link[1]))
        target = path.removeprefix(DOCS) if path.startswith(DOCS) else REPOSITORY + path
        return f"]({posixpath.relpath(target, posixpath.dirname(uri) or '.')}"

    return LINK.sub(in_site, markdown)
