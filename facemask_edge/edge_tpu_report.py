"""``facemask-edge coral-report``: whether the models judge alike on the Edge TPU and on the CPU, and how fast.

Nobody of this project has a Coral: its owner sends this back, see docs/coral.md.
"""

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from facemask_edge import __version__, raspberry_pi
from facemask_edge.benchmark import hardware
from facemask_edge.check.service import is_running
from facemask_edge.config import Config
from facemask_edge.edge_tpu_devices import edge_tpu_devices
from facemask_edge.edge_tpu_pairing import installed_library
from facemask_edge.errors import ServiceError
from facemask_edge.own_process import OwnProcessError, in_own_process

SCHEMA = "facemask-edge/coral-report/1"
PATIENCE = 600.0
"""Seconds that the sample may take; by ``benchmarks.expected_rates`` the CPU of a Zero 2 W needs about 120."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is different on the Edge TPU; see ``edge_tpu_trial.Trial`` for what is compared."""

    same_events: bool
    events: int
    """On the CPU."""
    looks: int
    """Labelled faces that both judged."""
    other_labels: int
    """Of these, where ``no_mask`` is more probable than not on one of them only."""
    largest_difference_of_probability: float
    frames: int
    """Labelled frames that both looked at."""
    frames_with_other_faces: int
    """Of these, where one of them found more faces."""
    largest_difference_of_score: float
    """In the other frames."""
    largest_shift: float
    """Likewise, in pixels: of the left or upper side of a face."""


def coral_report(config: Config) -> None:
    """Print the report as JSON, and on stderr what it comes to.

    Args:
        config: Classifier, detector and compliance are used.

    Raises:
        ServiceError: The models do not run on an Edge TPU, or no longer; the report says why, too.
    """
    if is_running(config):
        raise ServiceError("the daemon uses the Edge TPU; stop it first: sudo systemctl stop facemask-edge")
    told = Console(stderr=True, highlight=False, soft_wrap=True)
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "system": _system(),
        "kernel": platform.release(),
        "library": installed_library(),
        "edge_tpus_before": [asdict(device) for device in edge_tpu_devices()],
    }
    try:
        told.print("judging the sample on the Edge TPU …")
        report["edge_tpu"] = _tried(config, "edgetpu")
        told.print("… and on the CPU")
        report["cpu"] = _tried(config, "cpu")
        report["comparison"] = asdict(compare(report["edge_tpu"], report["cpu"]))
    except OwnProcessError as error:
        report["error"] = str(error)
    # With the Edge TPU as warm as it is now.
    report["hardware"] = asdict(hardware(report.get("edge_tpu", {}).get("accelerator", {})))
    bits = raspberry_pi.throttled()
    report["slowed_down"] = None if bits is None else raspberry_pi.reasons(bits)
    print(json.dumps(report))  # noqa: T201 - the result
    if "error" in report:
        raise ServiceError(f"the Edge TPU was not compared with the CPU: {report['error']}")
    told.print(_summary(report))


def compare(edge_tpu: dict[str, Any], cpu: dict[str, Any]) -> Comparison:
    """What is different.

    Args:
        edge_tpu: A trial, as it is printed.
        cpu: Likewise.
    """
    looks = list(zip(edge_tpu["probabilities"], cpu["probabilities"], strict=True))
    frames = list(zip(edge_tpu["faces"], cpu["faces"], strict=True))
    pairs = [
        pair for found, expected in frames if len(found) == len(expected) for pair in zip(found, expected, strict=True)
    ]
    return Comparison(
        same_events=edge_tpu["events"] == cpu["events"],
        events=len(cpu["events"]),
        looks=len(looks),
        other_labels=sum((found > 0.5) != (expected > 0.5) for found, expected in looks),  # noqa: PLR2004 - more probable than not
        largest_difference_of_probability=_largest(found - expected for found, expected in looks),
        frames=len(frames),
        frames_with_other_faces=sum(len(found) != len(expected) for found, expected in frames),
        largest_difference_of_score=_largest(found[4] - expected[4] for found, expected in pairs),
        largest_shift=_largest(found[side] - expected[side] for found, expected in pairs for side in (0, 1)),
    )


def _largest(differences: Iterable[float]) -> float:
    return round(max(map(abs, differences), default=0.0), 4)


def _tried(config: Config, accelerator: str) -> dict[str, Any]:
    """What came of a trial with all models on one kind of accelerator.

    Raises:
        OwnProcessError: It failed, or ended its process.
    """
    detector, classifier = (
        section.model_copy(update={"accelerator": _which(section.accelerator, accelerator)})
        for section in (config.detector, config.classifier)
    )
    chosen = Config(detector=detector, classifier=classifier, compliance=config.compliance)
    told = chosen.model_dump_json()
    trial = in_own_process(["-m", "facemask_edge.edge_tpu_trial"], patience=PATIENCE, told=told)
    return json.loads(trial)  # type: ignore[no-any-return]


def _which(configured: str, accelerator: str) -> str:
    """The accelerator, and which of several its owner has chosen."""
    return configured if configured.startswith(accelerator) else accelerator


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def _summary(report: dict[str, Any]) -> str:
    found = report["comparison"]
    events = f"the same {found['events']} events" if found["same_events"] else "other events"
    return (
        f"On the Edge TPU {events} as on the CPU; {found['other_labels']} of {found['looks']} faces got another label, "
        f"the largest difference of a probability is {found['largest_difference_of_probability']:.3f}; "
        f"{found['frames_with_other_faces']} of {found['frames']} frames have other faces."
    )
