"""A real browser, Debian's Chromium, and a real daemon with its page."""

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from facemask_edge import jpeg
from facemask_edge.cameras.recording import Recording, read_picture
from tests.conftest import Mosquitto, free_port
from tests.motion_jpeg import encoded, part
from tests.test_daemon import RECORDINGS, facemask_edge_run

CHROMIUM = shutil.which("chromium")
NO_CHROMIUM = "the Debian package chromium is not installed; run: sudo apt install chromium"
PASSWORD = "open sesame"  # noqa: S105 - of this test
PICTURES = os.environ.get("FACEMASK_PAGE_PICTURES")
"""Folder for what the documents show; where it is not set, they are made all the same."""


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs a user that is not root; the page here is ours.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def daemon(
    broker: Mosquitto, folder: Path, source: str, *settings: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A daemon that watches one camera; the address of its page, and the daemon."""
    password = folder / "http_password"
    password.write_text(f"{PASSWORD}\n")
    port = free_port()
    cameras = json.dumps([{"name": "door", "source": source}])
    http = ["http.enabled=true", f"http.port={port}", f"http.password_file={password}", "health.interval=1"]
    told = [f"cameras={cameras}", "outbox.min_free_bytes=0", *http, *settings]
    command = [*facemask_edge_run(broker, folder), *(word for setting in told for word in ("--set", setting))]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(30)


def people_walk_by() -> Iterator[bytes]:
    """The sample as a camera sends it, over and over."""
    with closing(Recording(RECORDINGS[0])) as sample:
        frames = [encoded(frame.image) for frame in sample]
    for frame in itertools.cycle(frames):
        yield part(frame)
        time.sleep(1 / 25)


def log_in(page: Page, address: str, password: str = PASSWORD) -> None:
    """As somebody does."""
    page.goto(address)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def keep(screenshot: bytes, name: str, folder: Path) -> None:
    """As the documents show it; the test's own folder gets it where nobody asks for it."""
    file = folder / f"{name}.png"
    file.write_bytes(screenshot)
    target = Path(PICTURES) if PICTURES else folder
    (target / f"{name}.jpg").write_bytes(jpeg.encoded(read_picture(file), 80))
