import ast
import re
import subprocess
import sys
from pathlib import Path

from benchmarks import expected_rates
from facemask_edge import __version__, errors
from tests import make_evaluation_figures, make_mqtt_reference
from tests.conftest import ROOT
from tests.make_config_reference import REFERENCE, reference
from tests.make_model_figures import CARD, card


def test_the_configuration_reference_is_generated_from_the_code() -> None:
    assert REFERENCE.read_text() == reference(), "run: make docs"


def test_the_form_of_health_is_generated_from_its_model() -> None:
    assert make_mqtt_reference.HEALTH.read_text() == make_mqtt_reference.health_schema(), "run: make docs"


def test_the_mqtt_reference_is_generated_from_the_schemas() -> None:
    assert make_mqtt_reference.PAGE.read_text() == make_mqtt_reference.page(), "run: make docs"


def test_the_model_card_holds_the_figures_of_the_manifest() -> None:
    assert CARD.read_text() == card(), "run: make docs"


def test_the_evaluation_is_of_the_shipped_models_and_stands_in_the_documents() -> None:
    evaluated = make_evaluation_figures.read_figures()["models"]
    shipped = make_evaluation_figures.shipped()
    assert len(evaluated) == 3
    assert evaluated == {name: shipped[name] for name in evaluated}, "run evaluate-model as docs/evaluation.md says"
    assert make_evaluation_figures.PAGE.read_text() == make_evaluation_figures.page(), "run: make docs"
    assert make_evaluation_figures.TUNING.read_text() == make_evaluation_figures.tuning(), "run: make docs"
    assert make_evaluation_figures.README.read_text() == make_evaluation_figures.readme(), "run: make docs"


def test_the_expected_rates_are_computed_from_the_shipped_models() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    assert expected_rates.table() in page, "run: python -m benchmarks.expected_rates"


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    codes = {each.exit_code for each in errors.FacemaskError.__subclasses__()} | {errors.FacemaskError.exit_code}
    for code in codes | {0, 64}:
        assert re.search(rf"^\| {code} \|", text, re.MULTILINE), code


def test_the_version_stands_in_the_changelog_and_the_package() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), CARD, *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r'(?:\]\(|src=")([^)"#:]+)[)"]', page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_is_built_without_a_broken_link_and_asks_no_other_host(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    for page in tmp_path.rglob("*.html"):
        assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//", page.read_text()), page


def said_in_the_source() -> set[str]:
    """All texts of the program, with an ellipsis for each value that is put in."""
    texts = set()
    for file in (ROOT / "facemask_edge").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                texts.add("".join(map(str, parts)).replace("……", "…"))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(re.sub(r"%[.\d]*[dfrs]", "…", node.value))
    return texts


def test_what_troubleshooting_quotes_is_what_the_program_says() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    quotes = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    assert len(quotes) == page.count("\n| `") > 50
    texts = said_in_the_source()
    for quote in quotes:
        assert any(quote.strip("…") in text for text in texts), quote
