"""The configuration: one class a section, and one place for every default."""

import re
import socket
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from facemask_edge.broker_address import parse_address
from facemask_edge.errors import ConfigError
from facemask_edge.redaction import address_without_password

THRESHOLDS = 0.01, 0.99
"""The least and the largest."""
FACE_HEIGHTS = 8, 1000
"""Pixels, the least and the most that a smallest face can be."""
NAME_PATTERN = r"^\.*[A-Za-z0-9_-][A-Za-z0-9_.-]*$"
LONGEST_NAME = 64
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
"""A name that becomes a level of an MQTT topic, and of a camera a folder: not of dots only."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[list[tuple[Fraction, Fraction]], Field(min_length=3)]
"""Corners as fractions of the frame's width and height: resolution may change, zones stay."""


class Section(BaseModel):
    """Base of all sections: wrong keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceConfig(Section):
    """The device itself."""

    name: Name | None = Field(None, description="Name of this device in topics and messages; null takes the host name.")


class ExposureConfig(Section):
    """How the Raspberry Pi's camera exposes."""

    mode: Literal["normal", "short", "long"] = Field(
        "normal",
        description="short: people who move are less blurred, and the picture has more noise; long: the reverse.",
    )
    compensation: float = Field(
        0.0, ge=-8, le=8, description="Stops brighter (darker below 0), where faces are dark before a bright door."
    )
    time: float | None = Field(None, gt=0, le=1, description="Seconds, fixed; null: as the light asks for.")
    gain: float | None = Field(None, ge=1, le=64, description="Of the sensor, fixed; null: as the light asks for.")


class CameraConfig(Section):
    """One camera."""

    name: Name = Field("camera", description="Name of the camera in topics and messages.")
    source: Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)] = Field(
        "0",
        description="USB camera by index (0) or device path, picamera for the Raspberry Pi's own (picamera:1 for the "
        "second), an rtsp:// or http:// URL, a recorded file, or a folder of pictures.",
    )
    format: Annotated[str, Field(pattern="^[A-Z0-9]{4}$")] | None = Field(
        None, description="Wanted pixel format of a USB camera, as v4l2-ctl names it (MJPG, YUYV); null: its own."
    )
    width: int | None = Field(
        None, gt=0, description="Wanted frame width in pixels of a USB or Pi camera; null: its own, a Pi camera's 1280."
    )
    height: int | None = Field(
        None, gt=0, description="Wanted frame height in pixels of a USB or Pi camera; null: its own, a Pi camera's 720."
    )
    fps: float | None = Field(
        None, gt=0, description="Wanted frames a second of a USB or Pi camera; null: its own, a Pi camera's 30."
    )
    exposure: ExposureConfig = Field(ExposureConfig(), description="Of a Pi camera.")
    rotation: Literal[0, 90, 180, 270] = Field(
        0, description="Degrees clockwise by which the picture is to be turned, until faces are upright."
    )
    hflip: bool = Field(default=False, description="Whether left and right then change places.")
    vflip: bool = Field(default=False, description="Whether top and bottom then change places.")
    zones: list[Polygon] = Field(
        [], description="Only faces whose middle lies in one of these polygons count; empty: everywhere."
    )
    ignore_zones: list[Polygon] = Field(
        [], description="Faces whose middle lies in one of these polygons are ignored (posters, screens)."
    )
    privacy_masks: list[Polygon] = Field(
        [],
        description="Where nobody may look (a neighbour's window, a screen): each picture is painted black there "
        "before it is judged, shown or kept.",
    )

    @model_validator(mode="after")
    def _width_has_its_height(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height belong together; set both or none")
        return self

    @model_validator(mode="after")
    def _a_frame_lasts_as_long_as_it_is_exposed(self) -> Self:
        if self.fps is not None and self.exposure.time is not None and self.exposure.time > 1 / self.fps:
            raise ValueError(f"exposure.time is longer than a frame lasts at {self.fps:g} fps; lower one of them")
        return self


Accelerator = Annotated[str, Field(pattern=r"^(auto|cpu|edgetpu(:[0-9])?)$")]
ACCELERATOR = (
    "Where it runs: cpu; edgetpu, or edgetpu:N for the Nth one; auto takes an Edge TPU where there is one and the "
    "model's _edgetpu.tflite, else the CPU."
)


class DetectorConfig(Section):
    """The face detector."""

    type: Literal["yunet"] = Field("yunet", description="Kind of face detector.")
    model: str | None = Field(
        None,
        description="Model file: a packaged one by name or a path; null chooses the input size (320 or 512 px) from "
        "the frame size and compliance.min_face_height.",
    )
    accelerator: Accelerator = Field("auto", description=ACCELERATOR)
    min_score: float = Field(0.6, gt=0, lt=1, description="A face of a lower score never starts a track.")


class ClassifierConfig(Section):
    """The mask classifier."""

    model: str = Field("mask_classifier_int8.tflite", description="Model file: a packaged one by name or a path.")
    accelerator: Accelerator = Field("auto", description=ACCELERATOR)
    threads: int = Field(
        1, ge=1, le=8, description="Inference threads; a second one gains little and loses under load."
    )


class ComplianceConfig(Section):
    """When a face counts, and when it is a violation."""

    min_face_height: int = Field(
        32,
        ge=FACE_HEIGHTS[0],
        le=FACE_HEIGHTS[1],
        description="Smaller faces, in pixels of the frame, stay undetermined.",
    )
    threshold: float = Field(
        0.5, ge=THRESHOLDS[0], le=THRESHOLDS[1], description="Probability of no_mask above which a face leans to it."
    )
    min_observations: int = Field(
        3, ge=1, le=100, description="Certain observations of a face that a decision needs; uncertain ones count less."
    )
    recheck_interval: float = Field(
        0.5, ge=0, description="Seconds between two looks at a face that is decided, in a crowd more."
    )
    classifications_per_frame: int = Field(
        12, ge=1, description="Faces classified a frame at the most: a crowd costs no more than this."
    )
    latency_target: float = Field(
        0.2,
        gt=0,
        description="Seconds from capture to decision in which a live camera's frame is to be judged: where "
        "more faces would take longer, fewer are classified a frame, and a frame that waited too long is dropped.",
    )
    leave_after: float = Field(
        1.5,
        gt=0,
        description="Seconds out of view after which a person has left. The interval between two frames comes on top; "
        "where frames are rare, it is 2.5 intervals in all. A pause of the camera of up to three times as long does "
        "not count.",
    )
    cooldown: float = Field(
        2.0, ge=0, description="Seconds after a violation in which the same person starts no other one."
    )


def _belong_together(cert: Path | None, key: Path | None) -> None:
    if (cert is None) != (key is None):
        raise ValueError("cert and key belong together; set both or none")


class MqttConfig(Section):
    """The brokers and how to reach them."""

    servers: list[str] = Field(
        ["mqtt://localhost:1883"],
        min_length=1,
        description="Brokers, tried in order; the first one is used again when it is back. mqtt://host:port, "
        "mqtts:// with TLS, ws://host:port/path and wss:// with WebSockets.",
    )
    prefix: Name = Field("facemask", description="First level of every topic.")
    protocol: Annotated[Literal["5", "3.1.1"], BeforeValidator(str)] = Field(
        "5", description='MQTT version: "5", or "3.1.1" for a broker that speaks no other.'
    )
    username: str | None = Field(
        None, description="User name; null: from username_file, else none or from systemd or the environment."
    )
    username_file: Path | None = Field(None, description="File whose first line is the user name.")
    password_file: Path | None = Field(
        None, description="File whose first line is the password; null: none, or from systemd or the environment."
    )
    ca: Path | None = Field(None, description="Certificates (PEM) of who signs the brokers'; null: the system's.")
    cert: Path | None = Field(None, description="This device's certificate (PEM), where the broker asks for one.")
    key: Path | None = Field(None, description="Its private key (PEM, without a password).")
    orders: bool = Field(
        default=True,
        description="Whether switches and actions are taken from the topics .../set: whoever may write there may order "
        "pictures where snapshots.enabled is true, and may switch the cameras off.",
    )

    @field_validator("servers")
    @classmethod
    def _servers_are_addresses(cls, servers: list[str]) -> list[str]:
        for server in servers:
            parse_address(server)
        return servers

    @model_validator(mode="after")
    def _cert_has_its_key(self) -> Self:
        _belong_together(self.cert, self.key)
        return self


class OutboxConfig(Section):
    """The store of events that are not acknowledged yet."""

    path: Path = Field(
        Path("/var/lib/facemask-edge/outbox.sqlite3"), description="SQLite file; its folder is made when missing."
    )
    max_bytes: int = Field(
        64_000_000,
        ge=100_000,
        description="Bytes kept at the most; above it dead letters and then the oldest events are dropped.",
    )
    min_free_bytes: int = Field(
        100_000_000,
        ge=0,
        description="Bytes of the disk that stay free: where less is, events are dropped, too.",
    )

    def beside(self, name: str) -> Path:
        """Where what belongs to this outbox is kept: its name is begun with, as others may have files there."""
        return self.path.with_name(f"{self.path.name}.{name}")


class SnapshotsConfig(Section):
    """Pictures of violations."""

    enabled: bool = Field(
        default=False, description="Whether a picture of each violation is published; see docs/privacy.md first."
    )
    picture: Literal["person", "full"] = Field(
        "person",
        description="What it shows: the person and what is around (person), or all that the camera sees (full).",
    )
    width: int = Field(640, ge=64, le=4096, description="Pixels: what is wider is scaled down.")
    retention_days: float = Field(
        3.0, ge=0, le=365, description="Days for which it is kept on this device, too; 0: it is not kept."
    )
    max_bytes: int = Field(
        200_000_000, ge=1_000_000, description="Bytes kept at the most; above it the oldest pictures are deleted."
    )
    path: Path | None = Field(
        None, description="Folder that they are kept in, and nothing else; null: one beside the outbox."
    )


class PrivacyConfig(Section):
    """What is left of people in pictures."""

    blur_faces: bool = Field(
        default=True,
        description="Whether all faces in pictures that are published or kept are made unrecognizable first.",
    )


class HomeAssistantConfig(Section):
    """Home Assistant."""

    discovery: bool = Field(
        default=True, description="Whether this device announces itself to it, by one retained message to the broker."
    )
    prefix: Name = Field(
        "homeassistant", description="First level of the topics of its discovery and of its status, as set there."
    )


class HealthConfig(Section):
    """What the device says about itself."""

    interval: float = Field(60.0, ge=1, description="Seconds between two messages on the topic health.")
    no_face_after: float = Field(
        86400.0, ge=0, description="Seconds without any face after which a camera is warned of; 0: never."
    )


class HttpConfig(Section):
    """The HTTP server: the page, figures for Prometheus, and whether the daemon works."""

    enabled: bool = Field(
        default=False, description="Whether it answers GET /metrics and GET /healthz and, with a password, has a page."
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on: 127.0.0.1 for this computer only, 0.0.0.0 or :: for everybody who reaches "
        "it (only the page asks for its password).",
    )
    port: int = Field(8020, ge=1, le=65535, description="TCP port to listen on.")
    password_file: Path | None = Field(
        None,
        description="File whose first line is the page's password; null: from systemd or the environment. Without a "
        "password there is no page.",
    )
    cert: Path | None = Field(
        None, description="Certificate (PEM) of this computer: it answers by HTTPS only; null: by HTTP only."
    )
    key: Path | None = Field(None, description="Its private key (PEM, without a password).")

    @model_validator(mode="after")
    def _cert_has_its_key(self) -> Self:
        _belong_together(self.cert, self.key)
        return self


class RolloutConfig(Section):
    """What a fleet's operator delivers: signed configuration and models."""

    url: Annotated[str, Field(pattern="^https://.")] | None = Field(
        None, description="Where they are (https://...); null: none are taken. See docs/fleet.md."
    )
    site: Name | None = Field(None, description="Name of the site whose part of a rollout this device takes, too.")
    trust: Path = Field(
        Path("/etc/facemask-edge/trust.json"),
        description="The root of trust that the operator has made: nothing is taken that it does not vouch for.",
    )
    path: Path = Field(
        Path("/var/lib/facemask-edge-rollouts"),
        description="Folder that they are kept in; the service may write into this one only.",
    )
    probation: float = Field(
        120.0,
        ge=20,
        le=600,
        description="Seconds in which a new rollout has to bring back the cameras and the broker that worked before; "
        "otherwise the one before it comes back.",
    )
    ca: Path | None = Field(None, description="Certificates (PEM) of who signs the server's; null: the system's.")
    cert: Path | None = Field(None, description="This device's certificate (PEM), where the server asks for one.")
    key: Path | None = Field(None, description="Its private key (PEM, without a password).")

    @model_validator(mode="after")
    def _cert_has_its_key(self) -> Self:
        _belong_together(self.cert, self.key)
        return self


class Config(Section):
    """The whole configuration."""

    device: DeviceConfig = DeviceConfig()
    cameras: Annotated[list[CameraConfig], Field(min_length=1)] = [CameraConfig()]
    detector: DetectorConfig = DetectorConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    compliance: ComplianceConfig = ComplianceConfig()
    mqtt: MqttConfig = MqttConfig()
    outbox: OutboxConfig = OutboxConfig()
    snapshots: SnapshotsConfig = SnapshotsConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    homeassistant: HomeAssistantConfig = HomeAssistantConfig()
    health: HealthConfig = HealthConfig()
    http: HttpConfig = HttpConfig()
    rollout: RolloutConfig = RolloutConfig()

    @field_validator("cameras")
    @classmethod
    def _names_differ(cls, cameras: list[CameraConfig]) -> list[CameraConfig]:
        names = [camera.name for camera in cameras]
        if len(set(names)) < len(names):
            raise ValueError(f"every camera needs a name of its own, these are {', '.join(names)}")
        return cameras

    def shown(self) -> str:
        """As YAML for others to read: passwords in the cameras' addresses are left out."""
        values = self.model_dump(mode="json")
        for camera in values["cameras"]:
            camera["source"] = address_without_password(camera["source"])
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    @property
    def snapshots_path(self) -> Path:
        """The folder that snapshots are kept in."""
        return self.snapshots.path or self.outbox.beside("snapshots")

    @property
    def device_name(self) -> str:
        """The configured device name, or the host name.

        Raises:
            ConfigError: The host name cannot be part of a topic.
        """
        name = self.device.name or socket.gethostname()
        if not is_name(name):
            raise ConfigError(f"the host name {name!r} cannot be part of a topic; set device.name")
        return name


def is_name(text: str) -> bool:
    """Whether a device or a camera may be called so."""
    return len(text) <= LONGEST_NAME and re.fullmatch(NAME_PATTERN, text) is not None
