"""One target in a process of its own: ``python -m tests.fuzz.mutate NAME CORPUS INPUTS SEED``.

Each input that reaches code which none has reached stays in the corpus. Ends with another code than 0 at the first
crash, hang, too large memory or unexpected exception, and leaves that input in the corpus' folder as ``crash-…``.
"""

import logging
import resource
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["facemask_edge", "converter"]):
    from tests.fuzz.targets import target_of

LONGEST = 10
"""Seconds that an input may take."""
MOST_MEMORY = 1_500_000_000
"""Bytes that the process may take for itself."""


def main() -> None:
    name, corpus, inputs, seed = sys.argv[1:]
    target = target_of(name)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    logging.disable(logging.CRITICAL)
    folder = Path(corpus, "scratch")
    folder.mkdir()
    inputs_folder = Path(corpus, "inputs")
    inputs_folder.mkdir()
    for number, content in enumerate(target.valid(folder)):
        (inputs_folder / f"valid-{number}").write_bytes(content)
    options = [
        f"-runs={inputs}",
        f"-seed={seed}",
        f"-timeout={LONGEST}",
        # libFuzzer's own limit counts what the process had that started this one.
        "-rss_limit_mb=0",
        f"-max_len={target.largest}",
        f"-artifact_prefix={corpus}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], str(inputs_folder), *options], lambda content: target.read(content, folder))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
