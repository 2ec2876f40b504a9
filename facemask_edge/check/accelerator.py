"""Whether models run on an Edge TPU where they are to; tried in a process of its own.

Its library may end a process, or wait for ever; and beside a running daemon the device is busy.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from facemask_edge.check.finding import Finding, State, ok, problem, warning
from facemask_edge.config import Config
from facemask_edge.edge_tpu_devices import EdgeTpuDevice, hottest
from facemask_edge.edge_tpu_pairing import installed_library, why_unlikely
from facemask_edge.faces import packaged_model
from facemask_edge.inference import compiled_of, runtime, wants_edge_tpu
from facemask_edge.manifest import model_path
from facemask_edge.own_process import OwnProcessError, in_own_process

Wanted = dict[str, tuple[str, str]]
"""Of each kind of model its file and its accelerator, as the configuration has them."""
CHECK_DEVICE = (
    "is it plugged in, is libedgetpu1-std installed, and is this user in the group plugdev (USB) or apex (PCIe)? "
    "sudo ./systemd/install.sh sees to the groups"
)
TRIAL = """
import sys
from facemask_edge.inference import Model
print(Model(sys.argv[1], accelerator=sys.argv[2]).accelerator)
"""
PATIENCE = 30.0
"""Seconds that loading a model may take."""
NEARLY = 5.0
"""Degrees Celsius before the chip is slowed down, from which on it is said."""


def check_accelerator(config: Config, told: dict[str, Any] | None, devices: Sequence[EdgeTpuDevice]) -> Finding:
    """Where the models run, or would, and how warm the Edge TPU is.

    Args:
        config: The whole configuration.
        told: What the daemon, which runs, says about it on the topic ``health``; None when it does not run.
        devices: The Edge TPUs that are plugged in.
    """
    return _with_temperature(_where(config, told, is_plugged_in=bool(devices)), hottest(devices))


def _with_temperature(found: Finding, device: EdgeTpuDevice | None) -> Finding:
    if device is None or device.celsius is None:
        return found
    found = replace(found, says=f"{found.says}; the Edge TPU has {device.celsius:.0f} °C")
    if device.celsius < device.slower_from - NEARLY or found.state is not State.OK:
        return found
    advice = f"cool it: its driver slows it down from {device.slower_from:.0f} °C on, and may switch it off at 100 °C"
    return warning(found.subject, found.says, advice)


def _where(config: Config, told: dict[str, Any] | None, *, is_plugged_in: bool) -> Finding:
    # Which detector it will be, only the first frame tells; this one the daemon tries at its start.
    detector = config.detector.model or packaged_model(0, 0, config.compliance.min_face_height)
    wanted = {
        "classifier": (config.classifier.model, config.classifier.accelerator),
        "detector": (detector, config.detector.accelerator),
    }
    if told is not None:
        return _as_told(told, wanted, is_plugged_in=is_plugged_in)
    places = {}
    for kind, (name, accelerator) in wanted.items():
        places[kind] = _tried(name, accelerator) if wants_edge_tpu(model_path(name), accelerator) else "cpu"
        if places[kind] in {"cpu", "edgetpu"}:
            continue
        advice = why_unlikely(runtime(), installed_library()) or CHECK_DEVICE
        if accelerator == "auto":
            return warning("accelerator", f"the CPU instead of the Edge TPU: {places[kind]}", advice)
        return problem("accelerator", places[kind], advice)
    return _placed("", places, wanted, is_plugged_in=is_plugged_in)


def _as_told(told: dict[str, Any], wanted: Wanted, *, is_plugged_in: bool) -> Finding:
    places = {kind: str(told[kind]) for kind in wanted if kind in told}
    found = _placed("the daemon says: ", places, wanted, is_plugged_in=is_plugged_in)
    deaths = told.get("edge_tpu_deaths")
    if isinstance(deaths, int) and deaths > 0:
        says = f"{found.says}; while it used the Edge TPU it died {deaths} times in a row, or the power was cut"
        advice = why_unlikely(runtime(), installed_library()) or "try another USB port, cable or power supply"
        return warning("accelerator", says, f"{advice}; then: sudo systemctl restart facemask-edge")
    return found


def _placed(who: str, places: dict[str, str], wanted: Wanted, *, is_plugged_in: bool) -> Finding:
    """Where each kind of model runs, and whether an Edge TPU is idle that it might run on."""
    says = who + (", ".join(f"{kind} {place}" for kind, place in places.items()) or "nothing so far")
    idle = [wanted[kind][0] for kind, place in places.items() if place == "cpu" and wanted[kind][1] != "cpu"]
    if not is_plugged_in or not idle:
        return ok("accelerator", says)
    says += ", though an Edge TPU is plugged in"
    missing = [file.name for file in map(compiled_of, map(model_path, idle)) if not file.exists()]
    if missing:
        return warning("accelerator", f"{says}: there is no {missing[0]}", "compile it, see docs/coral.md")
    return warning("accelerator", says, "see its log: journalctl -u facemask-edge")


def _tried(name: str, wanted: str) -> str:
    """Where the model ran, or why it did not run on the Edge TPU."""
    try:
        # With auto it would run elsewhere, and the reason be lost.
        return in_own_process(["-c", TRIAL, name, wanted.replace("auto", "edgetpu")], patience=PATIENCE).strip()
    except OwnProcessError as error:
        return str(error).removeprefix("model ")
