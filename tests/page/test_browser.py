"""The page in a real browser: what somebody does there, and what comes of it."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, expect

from tests.conftest import MOSQUITTO, NO_MOSQUITTO, Mosquitto
from tests.motion_jpeg import MotionJpeg, motion_jpeg_server
from tests.page.browser import browser, daemon, keep, log_in, people_walk_by
from tests.subscriber import Subscriber, wait_until
from tests.test_remote_control import people, refused, somebody_stays, state

# Where the TFLite runtime is a slow one, Chromium waits with all else for a processor.
expect.set_options(timeout=20_000)


class Site(NamedTuple):
    """A daemon with its page."""

    address: str
    subscriber: Subscriber
    camera: type[MotionJpeg]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if not MOSQUITTO:
        pytest.skip(NO_MOSQUITTO)
    folder, broker = tmp_path_factory.mktemp("daemon"), Mosquitto(tmp_path_factory.mktemp("broker")).start()
    subscriber = Subscriber(broker.port)
    with motion_jpeg_server() as (url, camera):
        camera.stream = staticmethod(people_walk_by)
        with daemon(broker, folder, url, "snapshots.enabled=true") as (address, _):
            assert wait_until(lambda: bool(subscriber.payloads("facemask/pi/door/people")), 30)
            yield Site(address, subscriber, camera)
    subscriber.close()
    broker.stop()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    opened = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", color_scheme="light")
    opened.set_default_timeout(20_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, site: Site) -> Iterator[Page]:
    """Logged in; whatever the browser complains of fails the test."""
    opened = context.new_page()
    complaints: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith(("blob:", site.address)):
            complaints.append(request.url)

    def said(message: ConsoleMessage) -> None:
        # Who logs out may have asked for something just before.
        if message.type == "error" and "401 (Unauthorized)" not in message.text:
            complaints.append(message.text)

    opened.on("pageerror", lambda error: complaints.append(f"{error}"))
    opened.on("console", said)
    opened.on("request", asked)
    log_in(opened, site.address)
    expect(opened.locator("#picture")).to_be_visible()
    yield opened
    assert complaints == []


def number(page: Page) -> int:
    return int(page.locator("#picture").get_attribute("data-number") or 0)


def stage(page: Page) -> tuple[float, float, float, float]:
    """Left, top, width and height of the picture."""
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#stage").bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Over the picture, by shares of it."""
    left, top, width, height = stage(page)
    page.mouse.move(left + start[0] * width, top + start[1] * height)
    page.mouse.down()
    page.mouse.move(left + end[0] * width, top + end[1] * height, steps=4)
    page.mouse.up()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. It holds from now on.")).to_be_visible()


def reset(page: Page) -> None:
    page.get_by_role("button", name="Draw zones and privacy masks").click()
    page.locator("#reset").click()
    expect(page.locator("#editor")).to_be_hidden()


def darkness(page: Page, at: tuple[float, float]) -> float:
    """Mean grey value of the live picture around a place."""
    shown = page.evaluate(
        """async ([x, y]) => {
          const image = document.getElementById("picture");
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(x * canvas.width - 5, y * canvas.height - 5, 10, 10);
          return data.reduce((sum, value, index) => sum + (index % 4 < 3 ? value : 0), 0) / 300;
        }""",
        list(at),
    )
    return float(shown)


def judged_rates(page: Page, site: Site) -> list[float]:
    """Frames judged a second, in each of the seconds that the page's own rate is of."""
    rates = []
    for _ in range(6):
        before, begin = judged(page, site), time.monotonic()
        page.wait_for_timeout(1000)
        rates.append((judged(page, site) - before) / (time.monotonic() - begin))
    return rates


def judged(page: Page, site: Site) -> int:
    return int(page.request.get(f"{site.address}/api/state").json()["cameras"]["door"]["judged"])


def test_the_live_picture_moves_and_says_whom_it_sees(page: Page, site: Site, tmp_path: Path) -> None:
    first = number(page)
    seen: set[str] = set()
    looks: set[int] = set()
    # A picture takes seconds where the TFLite runtime is a slow one, and its thread gives way to all else.
    give_up = time.monotonic() + 200
    # For the sample once at the least.
    enough = time.monotonic() + 8
    while time.monotonic() < enough or (
        (number(page) < first + 10 or len(looks) <= 3 or len(seen) <= 1) and time.monotonic() < give_up
    ):
        seen.add(page.locator("#seen").inner_text())
        looks.add(round(darkness(page, (0.5, 0.4))))
        page.wait_for_timeout(100)
    assert number(page) >= first + 10
    assert len(seen) > 1
    assert len(looks) > 3
    rates = judged_rates(page, site)
    rate = float(page.locator("#rate").inner_text().partition(" ")[0])
    # Of the last seconds, in which others may use the processor, too.
    assert 0.65 * min(rates) <= rate <= 1.35 * max(rates), rates
    assert page.title() == "pi · facemask-edge"
    expect(page.locator("#standing")).to_have_text("all is well")
    # Violations with what of each face decided.
    expect(page.locator("#list li").nth(1)).to_be_visible(timeout=20_000)
    expect(page.locator("#list li").last).to_contain_text("No mask: ")
    expect(page.locator("#list li").last).to_contain_text("Most of it by the ")
    # Looked for at each turn: a new violation makes the list anew.
    page.wait_for_function("""() => {
        const thumb = [...document.querySelectorAll("#list li:last-child img")].pop();
        thumb?.scrollIntoView();
        return thumb?.complete && thumb.naturalWidth > 0;
    }""")
    starts = [event for event in site.subscriber.events() if event["event_type"] == "violation_start"]
    assert page.locator("#list li").count() <= len(starts)
    hour = page.locator("#plot g[role=button]").first
    hour.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#filter")).to_be_visible()
    page.get_by_role("button", name="Show all hours").click()
    page.evaluate("scrollTo(0, 0)")
    expect(page.locator("#seen")).to_contain_text("1 with a mask, 1 without", timeout=30_000)
    keep(page.screenshot(full_page=True), "page", tmp_path)


def test_a_zone_drawn_by_mouse_takes_effect_and_is_kept(page: Page, site: Site, tmp_path: Path) -> None:
    site.camera.stream = staticmethod(somebody_stays)
    page.get_by_role("button", name="Draw zones and privacy masks").click()
    # Where nobody is: along the top.
    drag(page, (0.02, 0.01), (0.98, 0.06))
    expect(page.locator("#areas li")).to_have_count(1)
    page.get_by_role("radio", name="Privacy mask").check()
    left, top, width, height = stage(page)
    for x, y in ((0.7, 0.7), (0.95, 0.7), (0.95, 0.95), (0.7, 0.95), (0.7, 0.7)):
        page.mouse.click(left + x * width, top + y * height)
    expect(page.locator("#areas li")).to_contain_text(["Zone 1 with 4 corners", "Privacy mask 1 with 4 corners"])
    keep(page.screenshot(full_page=True), "page-zones", tmp_path)
    save(page)
    assert wait_until(lambda: sum(people(site.subscriber).values()) == 0, 30)
    time.sleep(1)
    assert sum(people(site.subscriber).values()) == 0
    assert wait_until(lambda: darkness(page, (0.82, 0.82)) < 3, 30)
    assert darkness(page, (0.2, 0.5)) > 30
    # Who comes again finds them.
    page.reload()
    page.get_by_role("button", name="Draw zones and privacy masks").click()
    expect(page.locator("#areas li")).to_have_count(2)
    page.locator("#reset").click()
    assert wait_until(lambda: sum(people(site.subscriber).values()) > 0, 30)
    assert wait_until(lambda: darkness(page, (0.82, 0.82)) > 3, 30)


def test_areas_are_drawn_with_the_keyboard_alone(page: Page, site: Site) -> None:
    page.locator("#edit").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Add a rectangle").press("Enter")
    corner = page.get_by_role("button", name="Zone 1, corner 1:")
    corner.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    expect(page.get_by_role("button", name="Zone 1, corner 1: 34 % from the left, 30 % from the top")).to_be_focused()
    page.keyboard.press("Insert")
    expect(page.get_by_role("button", name="Zone 1, corner 2: 50 % from the left, 33 % from the top")).to_be_focused()
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Zone 1, corner 1:").press("Delete")
    expect(page.locator("#areas li")).to_contain_text("3 corners")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_text("Saved. It holds from now on.")).to_be_visible()
    answer = page.request.get(f"{site.address}/api/areas/door")
    assert answer.json()["zones"] == [[[0.65, 0.35], [0.65, 0.65], [0.35, 0.65]]]
    reset(page)
    assert page.request.get(f"{site.address}/api/areas/door").json()["is_drawn"] is False


def test_the_threshold_moves_at_once_and_what_is_refused_is_said(page: Page, site: Site) -> None:
    slider = page.get_by_label("Threshold")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert wait_until(lambda: state(site.subscriber, "threshold") == "0.51")
    page.locator(".control", has=slider).get_by_role("button", name="As configured").click()
    assert wait_until(lambda: state(site.subscriber, "threshold") == "0.5")
    page.get_by_label("Watching").uncheck()
    assert wait_until(lambda: state(site.subscriber, "enabled") == "OFF")
    expect(page.locator("#blind")).to_have_text("The cameras are switched off. ")
    expect(page.locator("#standing")).to_have_text("not watching")
    # What it gave last may show what is masked by now.
    expect(page.locator("#picture")).to_be_hidden(timeout=15_000)
    # As another client would see it.
    site.subscriber.publish("facemask/pi/enabled/set", "ON")
    expect(page.get_by_label("Watching")).to_be_checked()
    expect(page.locator("#blind")).to_be_hidden()
    assert refused(site.subscriber) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(scheme: str, page: Page, site: Site) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of its literals
    page.get_by_role("button", name="Draw zones and privacy masks").click()
    for _ in range(2):
        page.get_by_role("button", name="Add a rectangle").click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_focused()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.goto(f"{site.address}/")
    expect(page).to_have_url(f"{site.address}/login")


def test_who_logs_out_of_a_device_that_does_not_answer_leaves_nothing_on_the_screen(page: Page) -> None:
    page.route("**/logout", lambda _: None)  # never answered
    page.get_by_role("button", name="Log out").click()
    for place in ("#picture", "#settings", "#list"):
        expect(page.locator(place)).to_be_hidden()
    # Meanwhile the page's own loops go on, and must not fail.
    for _ in range(2):
        with page.expect_response("**/api/state"), page.expect_response("**/api/live/**"):
            pass


def test_a_finger_draws_on_a_phone(chromium: Browser, site: Site, tmp_path: Path) -> None:
    phone = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=1.5, locale="en-GB"
    )
    page = phone.new_page()
    log_in(page, site.address)
    expect(page.locator("#picture")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    keep(page.screenshot(), "page-phone", tmp_path)
    page.get_by_role("button", name="Draw zones and privacy masks").tap()
    left, top, width, height = stage(page)
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.5, 0.8), (0.2, 0.2)):
        page.touchscreen.tap(left + x * width, top + y * height)
    expect(page.locator("#areas li")).to_have_count(1)
    expect(page.locator("#areas li")).to_contain_text("3 corners")
    expect(page.locator("#areas li")).not_to_contain_text("not closed")
    save(page)
    (corners,) = page.request.get(f"{site.address}/api/areas/door").json()["zones"]
    assert np.allclose(corners, [(0.2, 0.2), (0.8, 0.2), (0.5, 0.8)], atol=0.01)
    # The finger moves a corner, and the page does not scroll away under it.
    page.get_by_role("button", name="Draw zones and privacy masks").tap()
    before = page.evaluate("scrollY")
    drag_by_finger(page, (0.5, 0.8), (0.6, 0.6))
    # And draws a rectangle.
    drag_by_finger(page, (0.05, 0.85), (0.15, 0.95))
    expect(page.locator("#areas li")).to_have_count(2)
    assert page.evaluate("scrollY") == before
    page.get_by_role("button", name="Save").click()

    def zones() -> list[list[tuple[float, float]]]:
        kept: list[list[tuple[float, float]]] = page.request.get(f"{site.address}/api/areas/door").json()["zones"]
        return kept

    # That it is saved was said before already.
    assert wait_until(lambda: len(zones()) == 2, 20)
    moved, drawn = zones()
    assert np.allclose(moved, [(0.2, 0.2), (0.8, 0.2), (0.6, 0.6)], atol=0.01)
    assert np.allclose(drawn, [(0.05, 0.85), (0.15, 0.85), (0.15, 0.95), (0.05, 0.95)], atol=0.01)
    reset(page)
    phone.close()


def drag_by_finger(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Playwright's own fingers only tap."""
    left, top, width, height = stage(page)
    session = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.0), *(("touchMove", step / 5) for step in range(1, 6)), ("touchEnd", 1.0)):
        x, y = (one + share * (other - one) for one, other in zip(begin, end, strict=True))
        points = [] if kind == "touchEnd" else [{"x": left + x * width, "y": top + y * height}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.detach()


def test_a_wrong_password_is_locked_out(context: BrowserContext, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with motion_jpeg_server() as (url, _), daemon(mosquitto, tmp_path, url) as (address, _process):
        page = context.new_page()
        assert wait_until(lambda: is_there(page, address), 20)
        for _ in range(5):
            log_in(page, address, "not this one")
            expect(page.locator("#trouble")).to_have_text("This is not the password.")
        # Not even the right one is looked at.
        log_in(page, address)
        expect(page.locator("#trouble")).to_have_text("Too many wrong passwords. Try again in 5 min.")
        expect(page).to_have_url(f"{address}/login")


def test_a_device_that_does_not_answer_looks_so(context: BrowserContext, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with motion_jpeg_server() as (url, _), daemon(mosquitto, tmp_path, url) as (address, process):
        page = context.new_page()
        assert wait_until(lambda: is_there(page, address), 20)
        log_in(page, address)
        expect(page.locator("#standing")).to_have_text("all is well")
        expect(page.locator("#picture")).to_be_visible()
        process.send_signal(signal.SIGSTOP)
        try:
            expect(page.locator("#standing")).to_have_text("no answer", timeout=20_000)
            expect(page.locator("#trouble")).to_have_text("The device does not answer; what is shown is old.")
            expect(page.locator("#picture")).to_be_hidden(timeout=20_000)
        finally:
            process.send_signal(signal.SIGCONT)
        expect(page.locator("#standing")).to_have_text("all is well", timeout=20_000)
        expect(page.locator("#picture")).to_be_visible(timeout=20_000)


def is_there(page: Page, address: str) -> bool:
    try:
        return page.request.get(f"{address}/login").ok
    except Error:
        return False
