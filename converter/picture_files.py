"""Finds the files of a folder of pictures."""

from pathlib import Path


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, in a fixed order; what is hidden is left out."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
