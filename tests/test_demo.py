import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from facemask_edge.cameras.recording import Recording, read_picture
from facemask_edge.demo import SAMPLE
from facemask_edge.messages import SCHEMA_FILE
from facemask_edge.video import CAPTION, MARGIN

COMMAND = [sys.executable, "-m", "facemask_edge", "demo"]
PEOPLE = json.loads(SAMPLE.with_suffix(".json").read_text())["people"]
BARE = sum(not person["mask"] for person in PEOPLE)
Played = tuple[Path, "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The demo, run once: its output folder and how it ended."""
    output = tmp_path_factory.mktemp("demo") / "new" / "output"
    command = [*COMMAND, "--output", str(output)]
    return output, subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)


def test_the_demo_succeeds_and_has_nothing_to_complain_of(played: Played) -> None:
    _, ended = played
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_demo_prints_the_violations_of_the_ground_truth(played: Played) -> None:
    _, ended = played
    rows = [line.split() for line in ended.stdout.splitlines() if " violation_" in line]
    starts = [row[3] for row in rows if row[1] == "violation_start"]
    ends = [row[3] for row in rows if row[1] == "violation_end"]
    assert len(starts) == len(set(starts)) == BARE
    assert sorted(ends) == sorted(starts)
    assert all(row[2] == "door" for row in rows)
    summary = f"{len(PEOPLE)} people walked through, {BARE} without a mask; {BARE} violations started and {BARE} ended."
    assert summary in ended.stdout


def test_the_demo_prints_the_first_message_as_it_was_received(played: Played) -> None:
    _, ended = played
    text = ended.stdout.partition("The first one as it was received:")[2]
    event, _ = json.JSONDecoder().raw_decode(text.lstrip())
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(event)
    assert (event["event_type"], event["sequence"]) == ("violation_start", 1)
    assert event["id"][-8:] in ended.stdout.partition("The first one")[0]


def test_the_demo_leaves_an_annotated_video_and_a_contact_sheet(played: Played) -> None:
    output, _ = played
    assert {path.name for path in output.iterdir()} == {"sample.webm", "contact-sheet.png", "results.jsonl"}
    frames = sum(1 for _ in Recording(output / "sample.webm"))
    assert frames == sum(1 for _ in Recording(SAMPLE))
    assert len((output / "results.jsonl").read_text().splitlines()) == frames
    sheet = read_picture(output / "contact-sheet.png")
    columns, rows = sheet.shape[1] / (320 + 2 * MARGIN), sheet.shape[0] / (240 + MARGIN + CAPTION)
    assert (columns, rows) == (4, 3)


def test_an_output_that_is_a_file_is_explained_before_anything_is_played(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("in its place")
    command = [*COMMAND, "--output", str(output)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (73, "")
    assert ended.stderr == f"facemask-edge: {output}: File exists; choose another --output\n"
