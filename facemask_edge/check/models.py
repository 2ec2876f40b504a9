"""Whether the models are whole, and where they run."""

from pathlib import Path

from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.config import Config
from facemask_edge.edge_tpu import LIBRARY
from facemask_edge.errors import ModelError
from facemask_edge.faces import PACKAGED_SIZES, packaged_file
from facemask_edge.inference import compiled_of, runtime
from facemask_edge.manifest import find_model, model_path
from facemask_edge.pipeline import Models

USB_DEVICES = Path("/sys/bus/usb/devices")
NAMES: dict[str | int, str] = {"cpu": "CPU", "edgetpu": "Edge TPU"}
CORAL = {("1a6e", "089a"), ("18d1", "9302")}
"""A USB accelerator before and after its first use."""


def check_models(config: Config) -> tuple[list[Finding], Models | None]:
    """Load all models that may be used.

    Returns:
        The findings, and the models; None when they cannot be used.
    """
    try:
        findings = [ok("runtime", runtime())]
        names = [config.classifier.model]
        names += [config.detector.model] if config.detector.model else [packaged_file(size) for size in PACKAGED_SIZES]
        for name in names:
            path, entry = find_model(name)
            findings.append(ok("model", f"{path.name} is whole (SHA-256 {entry.sha256[:12]}…)"))
        models = Models(config)
        # What is loaded with the first frame is loaded now.
        models.detector(config.cameras[0].width or 640, config.cameras[0].height or 480)
    except ModelError as error:
        return [problem("model", str(error), "copy the models again, or correct the configuration")], None
    return [*findings, _accelerator(config, models, edge_tpus())], models


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


def _accelerator(config: Config, models: Models, plugged_in: int) -> Finding:
    used = {kind: where for kind, where in models.accelerators().items() if kind != "edge_tpu_deaths"}
    says = ", ".join(f"{kind} on the {NAMES.get(where, where)}" for kind, where in used.items())
    wanted = {config.classifier.accelerator, config.detector.accelerator}
    if "cpu" not in used.values() or not plugged_in or wanted == {"cpu"}:
        return ok("accelerator", says)
    compiled = compiled_of(model_path(config.classifier.model))
    if not compiled.exists():
        return warning(
            "accelerator",
            f"{says}, though an Edge TPU is plugged in: there is no {compiled.name}",
            "compile the models with convert-model --edgetpu",
        )
    return warning(
        "accelerator",
        f"{says}, though an Edge TPU is plugged in",
        f"is {LIBRARY} there, and is this user in the group plugdev?",
    )
