import json
from pathlib import Path

import pytest

from facemask_edge.areas import MOST_AREAS, Areas, DrawnAreas
from facemask_edge.config import CameraConfig
from facemask_edge.errors import OutputError
from facemask_edge.kept_file import LARGEST_FILE
from facemask_edge.switches import RefusedError

LEFT, RIGHT, TOP, BOTTOM = (
    [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)],
    [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)],
    [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)],
    [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)],
)
DOOR = CameraConfig.model_validate(
    {"name": "door", "source": "x", "zones": [LEFT], "ignore_zones": [TOP], "privacy_masks": [BOTTOM]}
)
YARD = CameraConfig.model_validate({"name": "yard", "source": "x"})
DRAWN = DrawnAreas(zones=[RIGHT], privacy_masks=[TOP])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "areas.json"


def new(file: Path) -> Areas:
    return Areas([DOOR, YARD], file)


def test_as_long_as_nothing_is_drawn_the_configuration_holds(file: Path) -> None:
    areas = new(file)
    assert (areas.of("door"), areas.of("yard")) == (DOOR, YARD)
    assert not areas.is_drawn("door")
    assert not file.exists()


def test_drawing_begins_with_the_configured_zones_and_no_mask_of_the_configuration(file: Path) -> None:
    begin = new(file).drawn("door")
    assert (begin.zones, begin.ignore_zones, begin.privacy_masks) == ([LEFT], [TOP], [])
    assert new(file).fixed_masks("door") == [BOTTOM]


def test_zones_that_are_drawn_stand_for_the_configured_ones_and_masks_are_added(file: Path) -> None:
    areas = new(file)
    areas.draw("door", DRAWN)
    for each in (areas, new(file)):
        camera = each.of("door")
        assert (camera.zones, camera.ignore_zones) == ([RIGHT], [])
        assert camera.privacy_masks == [BOTTOM, TOP]
        assert (each.drawn("door"), each.is_drawn("door")) == (DRAWN, True)
        assert camera.model_copy(update=DOOR.model_dump(include={"zones", "ignore_zones", "privacy_masks"})) == DOOR
        assert (each.of("yard"), each.is_drawn("yard")) == (YARD, False)


def test_nothing_that_is_drawn_uncovers_what_the_configuration_hides(file: Path) -> None:
    areas = new(file)
    for drawn in (DrawnAreas(), DrawnAreas(privacy_masks=[LEFT]), None):
        areas.draw("door", drawn)
        for each in (areas, new(file)):
            assert BOTTOM in each.of("door").privacy_masks


def test_reset_they_are_as_configured_again(file: Path) -> None:
    areas = new(file)
    areas.draw("yard", DRAWN)
    areas.draw("door", DRAWN)
    areas.draw("door", None)
    for each in (areas, new(file)):
        assert (each.of("door"), each.is_drawn("door")) == (DOOR, False)
        assert each.is_drawn("yard")


def test_to_draw_nothing_is_to_have_none(file: Path) -> None:
    areas = new(file)
    areas.draw("door", DrawnAreas())
    for each in (areas, new(file)):
        assert each.is_drawn("door")
        assert (each.of("door").zones, each.of("door").ignore_zones) == ([], [])


def test_what_was_drawn_for_a_camera_that_is_away_is_there_when_it_is_back(file: Path) -> None:
    new(file).draw("yard", DRAWN)
    Areas([DOOR], file).draw("door", DRAWN)
    assert new(file).drawn("yard") == DRAWN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 9_000,
        '{"zones": 7}',
        '{"zones": [[[0, 0], [1, 0]]]}',
        '{"zones": [[[0, 0], [1, 0], [0, 2]]]}',
        '{"privacy_masks": [[[0, 0], [1, 0], [NaN, 0]]]}',
        '{"of_another_version": []}',
        json.dumps({"zones": [LEFT] * (MOST_AREAS + 1)}),
    ],
    ids=lambda text: f"{text:.40}",
)
def test_what_is_damaged_for_one_camera_is_said_and_holds_for_no_other(
    text: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"door": text, "yard": DRAWN.model_dump_json()}))
    areas = new(file)
    assert areas.of("door") == DOOR
    assert areas.drawn("yard") == DRAWN
    assert "what was drawn for camera door is damaged; its configuration holds" in caplog.text


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"door": 7}', b"[" * 9_000, b"\xff", b"\0" * LARGEST_FILE])
def test_a_damaged_file_is_no_reason_not_to_start(content: bytes, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    areas = new(file)
    assert areas.of("door") == DOOR
    areas.draw("door", DRAWN)
    assert new(file).drawn("door") == DRAWN


def test_a_card_that_forgets_uncovers_nothing(file: Path) -> None:
    new(file).draw("door", DRAWN)
    file.write_bytes(b"")
    assert new(file).of("door").privacy_masks == [*DOOR.privacy_masks, *DRAWN.privacy_masks]


def test_more_corners_than_can_be_kept_are_refused_and_nothing_is_changed(file: Path) -> None:
    areas = new(file)
    areas.draw("yard", DRAWN)
    before = file.read_bytes()
    corners = [(number / 49.123456789, 0.123456789012345) for number in range(49)]
    many = [corners] * MOST_AREAS
    too_many = DrawnAreas(zones=many, ignore_zones=many, privacy_masks=many)
    with pytest.raises(RefusedError, match="these are more corners than can be kept; draw fewer"):
        areas.draw("door", too_many)
    assert file.read_bytes() == before
    assert (areas.of("door"), areas.drawn("yard")) == (DOOR, DRAWN)


def test_as_many_as_are_taken_are_kept(file: Path) -> None:
    areas = new(file)
    largest = None
    for count in range(1, MOST_AREAS + 1):
        drawn = DrawnAreas(zones=[[(number / 50, 1 / 3) for number in range(50)]] * count)
        try:
            areas.draw("door", drawn)
        except RefusedError:
            break
        largest = drawn
    assert largest is not None
    assert file.stat().st_size <= LARGEST_FILE
    assert new(file).drawn("door") == largest


def test_what_cannot_be_kept_holds_until_the_end(tmp_path: Path) -> None:
    in_the_way = tmp_path / "state"
    in_the_way.write_text("")
    areas = new(in_the_way / "areas.json")
    with pytest.raises(OutputError, match=r"areas\.json: .*; it holds until the daemon ends"):
        areas.draw("door", DRAWN)
    assert areas.drawn("door") == DRAWN
    assert areas.of("door").privacy_masks == [BOTTOM, TOP]


def test_there_is_nothing_of_a_camera_that_is_not_there(file: Path) -> None:
    areas = new(file)
    for asks in (areas.of, areas.drawn, areas.fixed_masks):
        with pytest.raises(KeyError):
            asks("nowhere")
    assert not areas.is_drawn("nowhere")


def test_nobody_else_may_read_it(file: Path) -> None:
    new(file).draw("door", DRAWN)
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in file.parent.iterdir()}
    assert modes == {"areas.json": 0o600, "areas.json.copy": 0o600}
