"""A camera whose pictures are made ready to be looked at: upright, and black where nobody may look."""

import dataclasses
from collections.abc import Iterator

from facemask_edge.buffers import Buffers
from facemask_edge.cameras.camera import Camera
from facemask_edge.cameras.orientation import HALF, Orientation
from facemask_edge.cameras.status import CameraStatus
from facemask_edge.privacy import PrivacyMasks
from facemask_edge.stage_times import StageTimes
from facemask_edge.values import Frame, Image

PREPARATION = "preparation"
"""The stage's name."""


class PreparedCamera:
    """Whatever looks at its frames sees nothing else.

    Args:
        camera: Gives them as they are.
        orientation: Of the camera.
        masks: In the picture that is upright.
        times: Gets the stage ``preparation`` of the frames that are not taken as they are.
    """

    def __init__(self, camera: Camera, orientation: Orientation, masks: PrivacyMasks, times: StageTimes) -> None:
        self.source = camera
        """What gives them as they are."""
        self._orientation = orientation
        self._masks = masks
        self._preparation = times.stopwatch(PREPARATION)
        self._buffers, self._lores_buffers = Buffers(), Buffers()
        """They keep memory of one size."""

    def __iter__(self) -> Iterator[Frame | None]:
        """As ``Camera``."""
        for frame in self.source:
            yield None if frame is None else self._prepared(frame)

    @property
    def status(self) -> CameraStatus | None:
        """As ``Camera``."""
        status = self.source.status
        if status is None or status.size is None or not self._orientation.rotation % HALF:
            return status
        return dataclasses.replace(status, size=status.size[::-1])

    @property
    def is_alive(self) -> bool:
        """As ``Camera``."""
        return self.source.is_alive

    def mask(self, masks: PrivacyMasks) -> None:
        """Have other masks from the next frame on; for the thread that iterates."""
        self._masks = masks

    def switch(self, *, on: bool) -> None:
        """As ``Camera``."""
        self.source.switch(on=on)

    def close(self) -> None:
        """As ``Camera``."""
        self.source.close()

    def _prepared(self, frame: Frame) -> Frame:
        if self._orientation.is_upright and not self._masks:
            return frame
        with self._preparation:
            lores = frame.lores
            if lores is not None:
                lores = prepared(lores, self._orientation, self._masks, self._lores_buffers, is_scaled=True)
            image = prepared(frame.image, self._orientation, self._masks, self._buffers)
        return dataclasses.replace(frame, image=image, lores=lores, thumbnail=None)


def prepared(
    image: Image, orientation: Orientation, masks: PrivacyMasks, buffers: Buffers, *, is_scaled: bool = False
) -> Image:
    """The same, or a picture of its own, upright and black where nobody may look.

    Args:
        image: uint8, height x width x 3, BGR; may be painted into.
        orientation: Of the camera that took it.
        masks: In the picture that is upright.
        buffers: Where the memory of another picture comes from.
        is_scaled: Whether it was scaled down before, and so is no camera's own memory.
    """
    upright = orientation.apply(image, buffers)
    if masks:
        # Never into the camera's own memory.
        if upright is image and not (is_scaled or image.flags.owndata):
            upright = buffers.picture(image.shape[1], image.shape[0])
            upright[:] = image
        masks.blacken(upright, is_scaled=is_scaled)
    return upright
