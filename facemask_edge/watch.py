"""One camera in the daemon's loop."""

import json
from dataclasses import replace
from typing import Any

from facemask_edge.cameras import is_live, open_camera
from facemask_edge.cameras.capture import WAIT_FOR_FRAME
from facemask_edge.cameras.status import CameraState, CameraStatus
from facemask_edge.config import CameraConfig, Config
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.privacy import PrivacyMasks
from facemask_edge.stage_times import StageTimes


class Watch:
    """One camera on its way through the loop: where its frames come from and who judges them."""

    def __init__(self, config: Config, camera: CameraConfig, models: Models) -> None:
        self.name = camera.name
        # One of several must not let the others wait.
        wait = WAIT_FOR_FRAME if len(config.cameras) == 1 else 0.0
        times = StageTimes()
        self.camera = open_camera(camera, wait=wait, detector_input=models.detector_input, times=times)
        self.frames = iter(self.camera)
        self.is_live = is_live(camera.source)
        self.pipeline = Pipeline(config, camera, models, is_live=self.is_live, times=times)
        self.size: tuple[int, int] | None = None
        """Width and height of its frames; None before the first one. No frame is kept longer than it is judged."""
        self.people = ""
        """What was told of them last, as JSON."""
        self.told_of: tuple[object, int] | None = None
        """The labels of those in view, and how many violations were open then."""
        self.judged = self.let_pass = 0
        """Frames; the latter were dropped for newer ones."""
        self.last_judged = 0.0
        """When its newest frame was judged, by the monotonic clock."""
        self.has_ended = False
        """Whether it is a recording of which there is no more."""
        self.is_on = True
        self.wanted_until = 0.0
        """When, by the monotonic clock, nobody wants to see its next frame any more."""

    @property
    def status(self) -> CameraStatus:
        """How the camera is; of a recording, what was judged of it."""
        if status := self.camera.status:
            return replace(status, busy=status.busy + self.let_pass)
        state = CameraState.OPENING if self.size is None else CameraState.OK
        if self.has_ended or not self.is_on:
            state = CameraState.ENDED if self.has_ended else CameraState.OFF
        return CameraStatus(state, "", self.size, self.judged, 0)

    def state(self) -> dict[str, Any]:
        """How it is, for who looks; any thread may ask."""
        status = self.status
        width, height = status.size or (None, None)
        return {
            "state": status.state,
            "reason": status.reason,
            "width": width,
            "height": height,
            "judged": self.judged,
            "people": json.loads(self.people) if self.people else None,
        }

    def set_areas(self, camera: CameraConfig) -> None:
        """Have other zones and privacy masks from the next frame on."""
        self.pipeline.set_zones(camera)
        self.camera.mask(PrivacyMasks(camera.privacy_masks))

    def switch(self, *, on: bool) -> None:
        """Let go of the camera for a while, or take it again."""
        self.is_on = on
        self.camera.switch(on=on)
