"""Whether each camera gives a picture, and what is to be seen in it."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from facemask_edge.cameras import is_live, is_picamera, open_camera
from facemask_edge.cameras.status import CameraState
from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.check.picture import judged
from facemask_edge.config import CameraConfig, Config
from facemask_edge.errors import InputError
from facemask_edge.picture_quality import looked_at
from facemask_edge.pipeline import Models
from facemask_edge.values import Image

PATIENCE = 12.0
"""Seconds that a camera has for its first picture: opening may take 5 s, and be tried twice."""
SETTLING = 1.0
"""Seconds that a live camera has to find its exposure."""
BY_ID = Path("/dev/v4l/by-id")


def check_cameras(config: Config, models: Models, told: dict[str, Any] | None) -> Iterator[Finding]:
    """Take one picture with each camera.

    Args:
        config: The whole configuration.
        models: Find the faces.
        told: What the daemon, which runs, says about its cameras on the topic ``health``, by name; None when it does
            not run. A USB camera can be used by one program only.
    """
    for camera in config.cameras:
        subject = f"camera {camera.name}"
        if told is not None:
            yield _as_told(subject, told.get(camera.name))
            continue
        try:
            image, reason = _picture(camera)
        except InputError as error:
            yield problem(subject, str(error), "correct its source in the configuration")
            continue
        if image is None:
            yield problem(subject, reason, _advice(camera))
            continue
        height, width = image.shape[:2]
        score = config.detector.min_score
        faces = [face for face in models.detector(width, height).detect(image) if face.score >= score]
        yield judged(subject, looked_at(image), len(faces))


def _picture(config: CameraConfig) -> tuple[Image | None, str]:
    """The newest picture once the camera has settled, or why there is none."""
    live = is_live(config.source)
    newest: Image | None = None
    with closing(open_camera(config)) as camera:
        give_up = time.monotonic() + PATIENCE
        settled = float("inf")
        for frame in camera:
            now = time.monotonic()
            if frame is not None:
                newest = frame.image
                settled = min(settled, now + SETTLING)
            if (newest is not None and (not live or now >= settled)) or now >= give_up:
                break
        status = camera.status
    if newest is not None or status is None:
        return newest, "there is no frame in it"
    if status.state is CameraState.BLACK:
        return None, "its pictures are black"
    return None, status.reason or "it gives no picture"


def _as_told(subject: str, told: object) -> Finding:
    """What the daemon says about a camera that it uses."""
    if not isinstance(told, dict):
        return warning(subject, "the daemon uses it and has not said how it is", "see its log, or stop it")
    state, reason = told.get("state"), told.get("reason")
    if state == CameraState.OFF:
        return warning(subject, "it is switched off", "switch it on from where it was: Home Assistant, or MQTT")
    if state not in (CameraState.OK, CameraState.ENDED):
        return problem(
            subject,
            f"the daemon says: {state}{f', {reason}' if reason else ''}",
            "plug it in, or restart it: the daemon finds it again",
        )
    return ok(subject, f"{told.get('width')} x {told.get('height')}, {told.get('judged')} frames judged by the daemon")


def _advice(config: CameraConfig) -> str:
    if is_picamera(config.source):
        return "rpicam-hello --list-cameras tells which are connected; switch the Pi off before you look at the cable"
    if "://" in config.source:
        return "try its address in a player such as VLC; user name and password stand in the address"
    device = Path(config.source if config.source.startswith("/") else f"/dev/video{config.source}")
    if not device.exists():
        return f"plug it in, or set its source: {_there(_devices())}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"add this user to the group that may use {device}, mostly video, and log in again"
    return "stop whatever else uses it (sudo fuser -v /dev/video*), or try another USB port"


def _devices() -> Sequence[Path]:
    """The cameras that are plugged in, by the names that stay the same where there are such."""
    stable = sorted(BY_ID.glob("*-video-index0")) if BY_ID.is_dir() else []
    return stable or sorted(Path("/dev").glob("video*"))


def _there(devices: Sequence[Path]) -> str:
    return f"there is {', '.join(map(str, devices))}" if devices else "no camera is plugged in"
