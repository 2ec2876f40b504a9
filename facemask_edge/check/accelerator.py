"""Whether models run on an Edge TPU where they are to; tried in a process of its own.

Its library may end a process, or wait for ever; and beside a running daemon the device is busy.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.config import Config
from facemask_edge.inference import compiled_of, wants_edge_tpu
from facemask_edge.manifest import model_path

USB_DEVICES = Path("/sys/bus/usb/devices")
CORAL = {("1a6e", "089a"), ("18d1", "9302")}
"""A USB accelerator before and after its first use."""
TRIAL = """
import sys
from facemask_edge.inference import Model
print(Model(sys.argv[1], accelerator=sys.argv[2]).accelerator)
"""
PATIENCE = 30.0
"""Seconds that loading a model may take."""


def check_accelerator(config: Config, told: dict[str, Any] | None, plugged_in: int) -> Finding:
    """Where the classifier runs, or would.

    Args:
        config: The whole configuration.
        told: What the daemon, which runs, says about it on the topic ``health``; None when it does not run.
        plugged_in: How many Edge TPUs there are.
    """
    name, wanted = config.classifier.model, config.classifier.accelerator
    if told is not None:
        kinds = ", ".join(f"{kind} {told[kind]}" for kind in ("classifier", "detector") if kind in told)
        return ok("accelerator", f"the daemon says: {kinds or 'nothing so far'}")
    if not wants_edge_tpu(model_path(name), wanted):
        if plugged_in and wanted == "auto":
            compiled = compiled_of(model_path(name)).name
            advice = "compile the models with convert-model --edgetpu"
            return warning("accelerator", f"the CPU, though an Edge TPU is plugged in: there is no {compiled}", advice)
        return ok("accelerator", "the CPU")
    says = _tried(name, wanted)
    if says == "edgetpu":
        return ok("accelerator", "the Edge TPU")
    advice = "is it plugged in, is libedgetpu1-std installed, and is this user in the group plugdev?"
    if wanted == "auto":
        return warning("accelerator", f"the CPU instead of the Edge TPU: {says}", advice)
    return problem("accelerator", says, advice)


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
    try:
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", TRIAL, name, wanted], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it does not answer within {PATIENCE:.0f} s"
    if done.returncode < 0:
        return f"its library ended the program (signal {-done.returncode})"
    said = done.stdout.strip() if done.returncode == 0 else ""
    if said == "edgetpu":
        return said
    last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
    return last[0].rpartition("Error: ")[2].removeprefix("model ")
