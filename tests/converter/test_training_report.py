from pathlib import Path

import cv2
import pytest

pytest.importorskip("matplotlib", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter.figures import share
from converter.recipes import DEFAULT, PAPER
from converter.training_report import table, write_report
from facemask_edge.errors import OutputError

pytestmark = pytest.mark.converter
HISTORY = [
    {"epoch": 1, "training_loss": 0.4, "training_accuracy": 0.8, "loss": 0.3, "accuracy": share(90, 100)},
    {"epoch": 2, "training_loss": 0.2, "training_accuracy": 0.9, "loss": 0.1, "accuracy": share(95, 100)},
]


def test_the_table_has_a_line_an_epoch_and_the_papers_values_beside_the_papers_recipe() -> None:
    lines = table(HISTORY, beside_paper=True).splitlines()
    assert lines[2] == "| 1 | 0.4000 | 0.8000 | 0.3000 | 0.9000 |"
    assert len(lines) == 5
    assert "0.035" in lines[-1]
    assert "0.989" in lines[-1]
    assert len(table(HISTORY, beside_paper=False).splitlines()) == 4


def test_the_table_tells_means_of_several_epochs_apart() -> None:
    mean = {"averaged": 2, "loss": 0.05, "accuracy": share(96, 100)}
    lines = table([HISTORY[0], HISTORY[1] | {"mean": mean}], beside_paper=False).splitlines()
    assert lines[-1] == "| mean of 2 | | | 0.0500 | 0.9600 |"


@pytest.mark.parametrize("recipe", [DEFAULT, PAPER])
def test_the_curves_are_a_picture(tmp_path: Path, recipe: object) -> None:
    write_report(tmp_path / "report", HISTORY, recipe)  # type: ignore[arg-type]
    image = cv2.imread(str(tmp_path / "report" / "curves.png"))
    assert image is not None
    assert image.shape[1] > image.shape[0] > 200
    assert image.std() > 5


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_report(tmp_path / "file" / "report", HISTORY, DEFAULT)
