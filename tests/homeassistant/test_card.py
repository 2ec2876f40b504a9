"""The card that docs/homeassistant.md gives to copy, in the real Home Assistant's front end and a real browser."""

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Page, expect

from facemask_edge.cameras.recording import Recording
from tests.conftest import ROOT, Mosquitto
from tests.homeassistant.conftest import MARKS
from tests.homeassistant.home_assistant import PERSON, HomeAssistant
from tests.motion_jpeg import encoded, part
from tests.page.browser import browser, keep
from tests.subscriber import Subscriber, wait_until
from tests.test_daemon import RECORDINGS
from tests.test_remote_control import Stream, running

pytestmark = MARKS

SETTINGS = ("device.name=entrance-pi", "snapshots.enabled=true", "outbox.min_free_bytes=0", "health.interval=1")
VIOLATIONS = 5
"""The sample's, and then one that does not end."""


def people_come_and_two_stay() -> Iterator[bytes]:
    """The sample as a camera sends it, which ends with two people before the camera, one of them without a mask."""
    with closing(Recording(RECORDINGS[0])) as sample:
        frames = [encoded(frame.image) for frame in sample]
    for frame in itertools.chain(frames, itertools.cycle(frames[282:292] + frames[292:282:-1])):
        yield part(frame)
        time.sleep(1 / 25)


@pytest.fixture
def device() -> str:
    """As the document has it."""
    return "entrance-pi"


@pytest.fixture
def subscriber(broker: Mosquitto, stream: Stream, tmp_path: Path) -> Iterator[Subscriber]:
    """Hears what the daemon sends that watches them."""
    stream[1].stream = staticmethod(people_come_and_two_stay)
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    with running(broker, tmp_path, stream[0], *settings), closing(Subscriber(broker.port)) as subscriber:
        yield subscriber


@pytest.fixture
def page() -> Iterator[Page]:
    with browser() as chromium:
        context = chromium.new_context(
            viewport={"width": 1280, "height": 1600}, device_scale_factor=1.5, locale="en-GB", color_scheme="light"
        )
        context.set_default_timeout(60_000)
        yield context.new_page()
        context.close()


def documented_card() -> dict[str, Any]:
    text = (ROOT / "docs" / "homeassistant.md").read_text()
    (card,) = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(type: .*?)```", text, re.DOTALL))
    return dict(card)


def log_in(page: Page) -> None:
    """As somebody who lives there."""
    page.get_by_label("Username").fill(PERSON["username"])
    page.get_by_role("textbox", name="Password").fill(PERSON["password"])
    page.get_by_role("button", name="Log in").click()


def test_the_documented_card_shows_what_is_and_changes_it(
    page: Page, home: HomeAssistant, subscriber: Subscriber, tmp_path: Path
) -> None:
    def pictures() -> list[bytes]:
        return [bytes(each.payload) for each in subscriber.messages if each.topic.endswith("/snapshot")]

    assert wait_until(lambda: len(pictures()) == VIOLATIONS, 90)
    assert wait_until(lambda: home.picture("camera.entrance_pi_door_snapshot") == pictures()[-1])
    home.wait_for("sensor.entrance_pi_door_people_with_mask", "1")
    page.goto(home.dashboard(documented_card()))
    log_in(page)
    card = page.locator("hui-vertical-stack-card")
    seen = ["Violation Problem", "Without mask 1", "With mask 1", "Undetermined 0"]
    expect(card.locator("hui-glance-card .entity")).to_have_text(seen, timeout=60_000)
    image = card.locator("hui-image img")
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    assert page.request.get(str(image.get_attribute("src"))).body() == pictures()[-1]
    expect(card.locator("hui-logbook-card")).to_contain_text("detected problem", timeout=30_000)
    expect(card.locator("hui-logbook-card")).to_contain_text("cleared (no problem detected)")
    settings = card.locator("hui-entities-card")
    for name in ("Watching", "Snapshots"):
        expect(settings.get_by_role("switch", name=name)).to_be_checked()
    expect(settings).to_contain_text("0.5")
    smallest = settings.get_by_role("spinbutton")
    expect(smallest).to_have_value("32")
    keep(card.screenshot(), "homeassistant", tmp_path)
    settings.get_by_role("switch", name="Snapshots").click()
    home.wait_for("switch.entrance_pi_snapshots", "off")
    smallest.fill("48")
    smallest.press("Enter")
    home.wait_for("number.entrance_pi_smallest_face", "48")
    assert home.complaints() == []
