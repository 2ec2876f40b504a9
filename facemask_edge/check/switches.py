"""What was switched or drawn from afar, and wins over the configuration."""

from collections.abc import Iterator

from facemask_edge.areas import AREAS
from facemask_edge.check.finding import Finding, warning
from facemask_edge.config import Config
from facemask_edge.kept_file import read_kept
from facemask_edge.messages import Topics
from facemask_edge.switches import DEFAULT, OVERRIDES, SWITCHES


def check_switches(config: Config, device: str) -> Iterator[Finding]:
    """Whether something else holds than the configuration says."""
    if config.mqtt.orders or config.http.enabled:
        topics = Topics(config.mqtt.prefix, device)
        for name, value in read_kept(config.outbox.beside(OVERRIDES)).items():
            if name in SWITCHES:
                advice = f"to have it as configured, send {DEFAULT} to {topics.order(name)}"
                yield warning(name, f"{value}, as it was set from afar", advice)
    drawn = read_kept(config.outbox.beside(AREAS))
    for camera in config.cameras:
        if camera.name in drawn:
            advice = 'see them on its page, where "As configured" takes them back'
            yield warning(f"camera {camera.name}", "has the zones that were drawn on the page", advice)
