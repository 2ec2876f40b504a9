"""A conversion as one HTML page that needs nothing else: the verdict, what it rests on, and the recipe."""

from pathlib import Path

from converter.check_model import Check
from converter.gates import Gate
from converter.pages import page_template
from facemask_edge.manifest import ModelEntry


def write_conversion_report(target: Path, entry: ModelEntry, check: Check, gates: list[Gate], verdict: str) -> None:
    """Write the page.

    Args:
        target: The .html file.
        entry: The int8 model's, with its recipe.
        check: What the int8 file is.
        gates: What it had to prove.
        verdict: One sentence.
    """
    page = page_template("conversion.html.j2").render(entry=entry, check=check, gates=gates, verdict=verdict)
    target.write_text(page, encoding="utf-8")
