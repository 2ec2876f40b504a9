"""Whether models run on an Edge TPU where they are to; tried in a process of its own.

Its library may end a process, or wait for ever; and beside a running daemon the device is busy.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.config import Config
from facemask_edge.edge_tpu_pairing import installed_library, why_unlikely
from facemask_edge.faces import packaged_model
from facemask_edge.inference import compiled_of, runtime, wants_edge_tpu
from facemask_edge.manifest import model_path

USB_DEVICES = Path("/sys/bus/usb/devices")
CORAL = {("1a6e", "089a"), ("18d1", "9302")}
"""A USB accelerator before and after its first use."""
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


def check_accelerator(config: Config, told: dict[str, Any] | None, plugged_in: int) -> Finding:
    """Where the models run, or would.

    Args:
        config: The whole configuration.
        told: What the daemon, which runs, says about it on the topic ``health``; None when it does not run.
        plugged_in: How many Edge TPUs there are.
    """
    # Which detector it will be, only the first frame tells; this one the daemon tries at its start.
    detector = config.detector.model or packaged_model(0, 0, config.compliance.min_face_height)
    wanted = {
        "classifier": (config.classifier.model, config.classifier.accelerator),
        "detector": (detector, config.detector.accelerator),
    }
    if told is not None:
        return _as_told(told, wanted, plugged_in)
    places = {}
    for kind, (name, accelerator) in wanted.items():
        places[kind] = _tried(name, accelerator) if wants_edge_tpu(model_path(name), accelerator) else "cpu"
        if places[kind] in {"cpu", "edgetpu"}:
            continue
        advice = why_unlikely(runtime(), installed_library()) or CHECK_DEVICE
        if accelerator == "auto":
            return warning("accelerator", f"the CPU instead of the Edge TPU: {places[kind]}", advice)
        return problem("accelerator", places[kind], advice)
    return _placed("", places, wanted, plugged_in)


def _as_told(told: dict[str, Any], wanted: Wanted, plugged_in: int) -> Finding:
    places = {kind: str(told[kind]) for kind in wanted if kind in told}
    found = _placed("the daemon says: ", places, wanted, plugged_in)
    deaths = told.get("edge_tpu_deaths")
    if isinstance(deaths, int) and deaths > 0:
        says = f"{found.says}; while it used the Edge TPU it died {deaths} times in a row, or the power was cut"
        advice = why_unlikely(runtime(), installed_library()) or "try another USB port, cable or power supply"
        return warning("accelerator", says, f"{advice}; then: sudo systemctl restart facemask-edge")
    return found


def _placed(who: str, places: dict[str, str], wanted: Wanted, plugged_in: int) -> Finding:
    """Where each kind of model runs, and whether an Edge TPU is idle that it might run on."""
    says = who + (", ".join(f"{kind} {place}" for kind, place in places.items()) or "nothing so far")
    idle = [wanted[kind][0] for kind, place in places.items() if place == "cpu" and wanted[kind][1] != "cpu"]
    if not plugged_in or not idle:
        return ok("accelerator", says)
    says += ", though an Edge TPU is plugged in"
    missing = [file.name for file in map(compiled_of, map(model_path, idle)) if not file.exists()]
    if missing:
        return warning("accelerator", f"{says}: there is no {missing[0]}", "compile it, see docs/coral.md")
    return warning("accelerator", says, "see its log: journalctl -u facemask-edge")


def edge_tpus(usb: Path = USB_DEVICES, devices: Path = Path("/dev")) -> int:
    """How many Edge TPUs are plugged in."""
    found = len(list(devices.glob("apex_*")))
    for device in usb.glob("*"):
        try:
            identity = tuple((device / name).read_text().strip() for name in ("idVendor", "idProduct"))
        except OSError:
            continue
        found += identity in CORAL
    return found


def _tried(name: str, wanted: str) -> str:
    """Where the model ran, or why it did not."""
    # -P: what lies in the current folder is not ours.
    command = [sys.executable, "-P", "-c", TRIAL, name, wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 - our own code
    except subprocess.TimeoutExpired:
        return f"it does not answer within {PATIENCE:.0f} s"
    if done.returncode < 0:
        return f"its library ended the program (signal {-done.returncode})"
    said = done.stdout.strip() if done.returncode == 0 else ""
    if said == "edgetpu":
        return said
    last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
    return last[0].rpartition("Error: ")[2].removeprefix("model ")
