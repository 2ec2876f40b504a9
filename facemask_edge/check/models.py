"""Whether the models are whole."""

from facemask_edge.check.finding import Finding, ok, problem
from facemask_edge.config import Config
from facemask_edge.errors import ModelError
from facemask_edge.faces import PACKAGED_SIZES, packaged_file
from facemask_edge.inference import runtime
from facemask_edge.manifest import find_model
from facemask_edge.pipeline import Models


def check_models(config: Config) -> tuple[list[Finding], Models | None]:
    """Load all models that may be used, on the CPU.

    Returns:
        The findings, and the models; None when they cannot be used.
    """
    on_cpu = {"accelerator": "cpu"}
    detector, classifier = (section.model_copy(update=on_cpu) for section in (config.detector, config.classifier))
    config = config.model_copy(update={"detector": detector, "classifier": classifier})
    try:
        findings = [ok("runtime", runtime())]
        names = [config.classifier.model]
        names += [config.detector.model] if config.detector.model else [packaged_file(size) for size in PACKAGED_SIZES]
        for name in names:
            path, entry = find_model(name)
            findings.append(ok("model", f"{path.name} is whole (SHA-256 {entry.sha256[:12]}…)"))
        return findings, Models(config)
    except ModelError as error:
        return [problem("model", str(error), "copy the models again, or correct the configuration")], None
