"""The message on the topic ``health``, version 1: its keys, what they mean and their units.

``schemas/health-1.json`` and the table in docs/mqtt.md are generated from here (``make docs``). Version 1 may get more
keys, and none of these changes its meaning.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from facemask_edge.cameras.status import CameraState
from facemask_edge.delivery import BrokerState

HEALTH_SCHEMA: Literal["facemask-edge/health/1"] = "facemask-edge/health/1"
SCHEMA_FILE = Path(__file__).parent / "schemas" / "health-1.json"


class Part(BaseModel):
    """Base of all parts of the message: values never change."""

    model_config = ConfigDict(frozen=True)


class Quantiles(Part):
    """Of durations in milliseconds."""

    p50: float = Field(description="Milliseconds that half of the frames took less than.")
    p95: float = Field(description="Milliseconds that 19 of 20 frames took less than.")


class DroppedFrames(Part):
    """Pictures that came and were not judged."""

    busy: int = Field(
        description="Pictures since the start that a newer one replaced while another was judged, or that were let "
        "pass for a newer one because they would have been judged later than `latency_target`."
    )
    stale: int = Field(description="Pictures since the start that were older than 2 s when their turn came.")


class CameraHealth(Part):
    """How a camera is."""

    state: CameraState = Field(
        description="`opening`, `ok`, `lost`, `frozen` (the same picture over and over), `black`, or `off` while it is "
        "switched off; of a recording `opening`, `ok`, `off` or `ended`."
    )
    reason: str | None = Field(description="Why it is not ok; null when it is.")
    width: int | None = Field(description="Of its newest picture, in pixels; null before the first one.")
    height: int | None = Field(description="Likewise.")
    frames: int = Field(description="Pictures that came since the start.")
    judged: int = Field(description="Those of them that were judged.")
    losses: int = Field(description="How often it was lost since the start.")
    fps: float | None = Field(
        description="Judged frames a second since the message before; null where that was less than half a second ago."
    )
    latency_ms: Quantiles | None = Field(
        description="From capture to decision, over the newest 1,000 frames at the most; null before the first one, "
        "and of a recording."
    )
    stages_ms: dict[str, Quantiles] = Field(
        description="How long each stage of judging takes, over as many frames: `detection`, "
        "`scene` (is it another one?), `tracking`, `classification`, `judgement`; before them, where pictures are "
        "turned, mirrored or masked, `preparation`."
    )
    faces: int = Field(description="Faces found in the newest frame, where they count.")
    tracks: int = Field(description="Faces followed in the newest frame.")
    dropped: DroppedFrames = Field(description="Pictures that came and were not judged, and why.")
    brightness: float | None = Field(
        description="Mean gray value, 0 to 255, of a picture looked at in the last seconds; null before the first one."
    )
    sharpness: float | None = Field(
        description="Of the same picture, mean absolute Laplacian in parts of its contrast: below 0.06 it is blurred."
    )


class OutboxHealth(Part):
    """How the outbox is."""

    kept: Literal["disk", "memory"] = Field(description="`disk`, or `memory` while the disk fails.")
    fault: str | None = Field(description="What is wrong with the disk; null when nothing is.")
    set_aside: str | None = Field(description="File name of a damaged outbox that was set aside since the start.")


class AcceleratorHealth(Part):
    """Where models run."""

    classifier: str = Field(description="`cpu` or `edgetpu`: where the mask classifier runs.")
    detector: str = Field(description="Where the face detectors run; `not loaded` before the first frame.")
    edge_tpu_deaths: int = Field(
        description="How often in a row the Edge TPU's library had ended the daemon before this start."
    )
    edge_tpu_celsius: float | None = Field(
        None,
        description="Of the Edge TPU, of several the hottest, in degrees Celsius; null where no driver measures it: "
        "that of PCIe does, USB has none.",
    )


class ModelInUse(Part):
    """A model that is loaded."""

    file: str = Field(description="Name of a model file in use.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Its SHA-256, as the manifest has it.")
    runs_on: str = Field(description="`cpu` or `edgetpu`.")


class MqttHealth(Part):
    """How it stands with the broker."""

    state: BrokerState = Field(
        description="`connected`, or `held` while the broker refuses events; anything else is of the time before this "
        "connection, and corrected at once."
    )
    server: str = Field(description="Address of the broker.")
    reason: str | None = Field(description="Why events are refused; null where they are not.")


class HealthWarning(Part):
    """Something that keeps this device from judging well."""

    code: Literal[
        "throttled",
        "covered",
        "dark",
        "glaring",
        "blurred",
        "no_face",
        "rollout_refused",
        "rollout_postponed",
        "rollout_damaged",
    ] = Field(
        description="`throttled`: the computer is slowed down; `covered`, `dark`, `glaring`, `blurred`: every picture "
        "looked at over the last minute was so; `no_face`: none was seen for `health.no_face_after` seconds; "
        "`rollout_refused`: what the fleet's operator delivered did not prove itself; what was there before is used; "
        "`rollout_postponed`: likewise, but what worked before did not come back without it, either; it is tried again "
        "later; `rollout_damaged`: what is in use was damaged on the card more than once, or could not be had again."
    )
    camera: str | None = Field(description="Name of the camera; null where it is about the device.")
    says: str = Field(description="One sentence for a person: what is so, and what to do.")


class RolloutHealth(Part):
    """What a fleet's operator delivered."""

    version: int | None = Field(
        description="Number that `facemask-edge rollout publish` gave to what is in use; null where nothing is."
    )
    state: Literal["none", "good", "trial"] = Field(
        description="`good`, it has proved itself; `trial`, it has to yet; `none` is in use."
    )
    refused: int | None = Field(description="Number of a newer one that did not prove itself; null where none is.")
    postponed: int | None = Field(
        None,
        description="Number of a newer one that is tried again, as what worked before did not come back without it, "
        "either; null where none is.",
    )
    reason: str | None = Field(description="Why it was refused or postponed; null where none was.")
    repairs: int = Field(
        0,
        description="How often what is in use was damaged on the card and fetched again, each time within a week.",
    )
    damaged: Literal["used", "unused"] | None = Field(
        None,
        description="Whether what had proved itself was damaged on the card and could not be had again: `used`, as "
        "much of it as is left; `unused`, none is, as that cannot be read; null where nothing was.",
    )


class HealthMessage(Part):
    """Published retained every ``health.interval`` seconds, and at once when something changes."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, title="facemask-edge health, version 1")

    schema_: Literal["facemask-edge/health/1"] = Field(
        HEALTH_SCHEMA, alias="schema", description="Name and version of this form; within one, keys are only added."
    )
    version: str = Field(description="Of the program.")
    time: str = Field(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$", description="UTC, ISO 8601, by the device's clock."
    )
    clock_synchronized: bool = Field(description="Whether the device's clock was set by NTP.")
    uptime_s: float = Field(description="Seconds since the program started.")
    restarts: int = Field(
        description="Starts after an end that was not orderly (a fault, a kill, a power cut) since the outbox was made."
    )
    queued: int = Field(description="Events that wait.")
    oldest_age_s: float | None = Field(
        description="Seconds that the oldest of them has waited, by the device's clock; null where none waits."
    )
    unheard: int = Field(description="Events since the start that the broker took although nobody subscribes.")
    dead_letters: int = Field(
        description="Events that can never be delivered, see [delivery](delivery.md#dead-letters)."
    )
    dropped: int = Field(description="Events dropped for want of room since the outbox was made.")
    outbox: OutboxHealth
    cameras: dict[str, CameraHealth] = Field(description="By name.")
    accelerator: AcceleratorHealth
    models: list[ModelInUse]
    mqtt: MqttHealth
    cpu_temperature_c: float | None = Field(
        description="Of the processor, in degrees Celsius; null where nothing measures it."
    )
    throttled: list[str] | None = Field(
        description="Why a Raspberry Pi is slowed down now; empty when it is not, null where that is not known."
    )
    warnings: list[HealthWarning] = Field(description="What keeps this device from judging well now.")
    rollout: RolloutHealth | None = Field(None, description="What a fleet's operator delivers; null where nobody does.")

    def to_json(self) -> str:
        """As it is published."""
        return self.model_dump_json(by_alias=True)
