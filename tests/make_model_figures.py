"""Writes the figures of models/manifest.json into models/MODEL_CARD.md: ``python -m tests.make_model_figures``."""

from collections.abc import Iterator
from typing import Any

from facemask_edge.manifest import packaged_models, read_manifest

CARD = packaged_models() / "MODEL_CARD.md"
BEGIN, END = "<!-- figures from manifest.json: make docs -->\n", "<!-- end of the figures -->\n"


def filled(page: str, begin: str, figures: str) -> str:
    """A page's text with figures between the line ``begin`` and ``END``."""
    before, _, rest = page.partition(begin)
    return before + begin + figures + END + rest.partition(END)[2]


def card() -> str:
    """The card with the figures of the manifest."""
    return filled(CARD.read_text(), BEGIN, "".join(_tables()))


def _tables() -> Iterator[str]:
    for model in read_manifest(packaged_models()).models:
        shares = list(_shares(model.figures))
        if not shares:
            continue
        yield f"\n### `{model.file}`\n\n| | value | count | 95 % interval |\n| --- | --- | --- | --- |\n"
        for name, share in shares:
            low, high = share["interval_95"]
            yield f"| {name} | {share['value']:.3f} | {share['count']} | {low:.3f} to {high:.3f} |\n"
        yield f"\nMade by `{model.command}`\n"
    yield "\n"


def _shares(figures: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All shares in nested figures, each with its path as its name."""
    for name, figure in figures.items():
        if not isinstance(figure, dict):
            continue
        path = f"{above} {name.replace('_', ' ')}".strip()
        if "interval_95" in figure:
            yield path, figure
        else:
            yield from _shares(figure, path)


if __name__ == "__main__":
    CARD.write_text(card())
