"""Zones and privacy masks that were drawn on the page: they are kept, and hold from then on.

Zones that were drawn stand for the configured ones. Privacy masks that were drawn are added to them: what the owner
does not want to be seen, nobody uncovers from afar.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from facemask_edge.config import CameraConfig, Fraction, Section
from facemask_edge.errors import OutputError
from facemask_edge.kept_file import LARGEST_FILE, read_kept, write_kept
from facemask_edge.switches import RefusedError

AREAS = "areas.json"
"""File beside the outbox that keeps what was drawn."""
MOST_AREAS = 20
"""Of each kind, for one camera."""
Corners = Annotated[list[tuple[Fraction, Fraction]], Field(min_length=3, max_length=50)]
logger = logging.getLogger(__name__)


class DrawnAreas(Section):
    """What was drawn for one camera; corners as in the configuration."""

    zones: list[Corners] = Field([], max_length=MOST_AREAS)
    ignore_zones: list[Corners] = Field([], max_length=MOST_AREAS)
    privacy_masks: list[Corners] = Field([], max_length=MOST_AREAS)


class Areas:
    """What was drawn for each camera.

    Args:
        cameras: As they are configured.
        file: Keeps it; it need not be there.
    """

    def __init__(self, cameras: Iterable[CameraConfig], file: Path) -> None:
        self._file = file
        self._configured = {camera.name: camera for camera in cameras}
        self._kept = read_kept(file)
        """Also of cameras that are not configured now: they may be again."""
        self._drawn = {name: areas for name in self._configured if (areas := self._read(name)) is not None}
        for name in self._drawn:
            logger.info("camera %s has the zones that were drawn on the page, not those of its configuration", name)
        for name in self.of_no_camera:
            logger.warning("zones and privacy masks that were drawn for camera %s hold nowhere: there is none", name)

    @property
    def of_no_camera(self) -> list[str]:
        """Names for which something was drawn, and that no camera has now."""
        return [name for name in self._kept if name not in self._configured]

    @property
    def damaged(self) -> list[str]:
        """Cameras of which cannot be read what was drawn."""
        return [name for name in self._kept if name in self._configured and name not in self._drawn]

    def of(self, camera: str) -> CameraConfig:
        """A camera's configuration with what was drawn."""
        configured = self._configured[camera]
        drawn = self._drawn.get(camera)
        if drawn is None:
            return configured
        masks = [*configured.privacy_masks, *drawn.privacy_masks]
        zones = {"zones": drawn.zones, "ignore_zones": drawn.ignore_zones}
        return configured.model_copy(update={**zones, "privacy_masks": masks})

    def drawn(self, camera: str) -> DrawnAreas:
        """What can be drawn anew; where nothing was, the configured zones are where it begins.

        Raises:
            KeyError: There is no such camera.
        """
        configured = self._configured[camera]
        begin = DrawnAreas.model_construct(zones=configured.zones, ignore_zones=configured.ignore_zones)
        return self._drawn.get(camera, begin)

    def fixed_masks(self, camera: str) -> list[list[tuple[float, float]]]:
        """The privacy masks that only the configuration can lift."""
        return self._configured[camera].privacy_masks

    def is_drawn(self, camera: str) -> bool:
        """Whether something was drawn for this camera."""
        return camera in self._drawn

    def draw(self, camera: str, areas: DrawnAreas | None) -> None:
        """Have a camera's areas from now on, and keep them.

        Args:
            camera: Its name.
            areas: Instead of those before; None for the configured ones.

        Raises:
            RefusedError: They are too many to be kept; nothing is changed.
            OutputError: They hold, but are lost when the daemon ends.
        """
        kept = {name: text for name, text in self._kept.items() if name != camera}
        if areas is not None:
            kept[camera] = areas.model_dump_json()
        if sum(2 * len(text) for text in kept.values()) > LARGEST_FILE:
            raise RefusedError("these are more corners than can be kept; draw fewer")
        self._kept = kept
        if areas is None:
            self._drawn.pop(camera, None)
        else:
            self._drawn[camera] = areas
        logger.info("zones and privacy masks of camera %s were %s on the page", camera, "drawn" if areas else "reset")
        try:
            write_kept(self._file, kept)
        except OSError as error:
            raise OutputError(f"{self._file}: {error.strerror}; it holds until the daemon ends") from error

    def _read(self, camera: str) -> DrawnAreas | None:
        text = self._kept.get(camera)
        if text is None:
            return None
        try:
            return DrawnAreas.model_validate_json(text)
        except ValidationError:
            logger.warning("%s: what was drawn for camera %s is damaged; its configuration holds", self._file, camera)
            return None
