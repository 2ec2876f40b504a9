"""What was switched from afar, and wins over the configuration."""

from collections.abc import Iterator

from facemask_edge.check.finding import Finding, warning
from facemask_edge.config import Config
from facemask_edge.kept_file import read_kept
from facemask_edge.messages import Topics
from facemask_edge.switches import DEFAULT, OVERRIDES, SWITCHES


def check_switches(config: Config, device: str) -> Iterator[Finding]:
    """Whether something else holds than the configuration says."""
    if not config.mqtt.orders:
        return
    topics = Topics(config.mqtt.prefix, device)
    for name, value in read_kept(config.outbox.beside(OVERRIDES)).items():
        if name in SWITCHES:
            advice = f"to have it as configured, send {DEFAULT} to {topics.order(name)}"
            yield warning(name, f"{value}, as it was set from afar", advice)
