"""The Pi's camera against the real picamera2 on the real libcamera, whose pipeline ``virtual`` plays the sample."""

from pathlib import Path

import pytest

from tests.picamera.debian import make_root, run, why_not


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_what_is_tried_in_debian(tmp_path: Path) -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    root = make_root(tmp_path)
    done = run(root, "sh", "-c", "cd /checkout && exec python3 -m tests.picamera.guest", timeout=300)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
