"""Reads all inputs of a folder, for coverage: ``python -m coverage run --branch -m tests.fuzz.replay NAME CORPUS``."""

import logging
import sys
import tempfile
from pathlib import Path

from facemask_edge.native import native_stderr_hidden
from tests.fuzz.targets import target_of


def main() -> None:
    name, corpus = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    with native_stderr_hidden(), tempfile.TemporaryDirectory() as folder:
        for file in sorted(Path(corpus).iterdir()):
            target_of(name).read(file.read_bytes(), Path(folder))


if __name__ == "__main__":
    main()
