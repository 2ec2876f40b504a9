"""What was switched or drawn from afar, and wins over the configuration."""

from collections.abc import Iterator

from facemask_edge.areas import AREAS, Areas
from facemask_edge.check.finding import Finding, problem, warning
from facemask_edge.config import Config
from facemask_edge.credentials import page_password
from facemask_edge.errors import ConfigError
from facemask_edge.kept_file import load_kept, read_kept
from facemask_edge.messages import Topics
from facemask_edge.switches import DEFAULT, OVERRIDES, SWITCHES

DRAW = "draw them again on the page"


def check_switches(config: Config, device: str) -> Iterator[Finding]:
    """Whether something else holds than the configuration says."""
    if config.mqtt.orders or _has_page(config):
        topics = Topics(config.mqtt.prefix, device)
        for name, value in read_kept(config.outbox.beside(OVERRIDES)).items():
            if name not in SWITCHES:
                continue
            way = f"send {DEFAULT} to {topics.order(name)}" if config.mqtt.orders else "press As configured on its page"
            yield warning(name, f"{value}, as it was set from afar", f"to have it as configured, {way}")
    yield from _check_drawn(config)


def _has_page(config: Config) -> bool:
    try:
        return config.http.enabled and page_password(config.http) is not None
    except ConfigError:
        # What is wrong with it is said elsewhere.
        return True


def _check_drawn(config: Config) -> Iterator[Finding]:
    file = config.outbox.beside(AREAS)
    try:
        kept = load_kept(file)
    except OSError as error:
        yield warning("zones", f"{file}: {error.strerror}", "run this as the daemon's user, or with sudo")
        return
    if kept is None:
        yield problem("zones", f"{file} is damaged: the privacy masks that were drawn are gone", DRAW)
        return
    areas = Areas(config.cameras, file)
    for name in areas.damaged:
        yield problem(f"camera {name}", f"what was drawn is damaged in {file}: its privacy masks are gone", DRAW)
    for name in areas.of_no_camera:
        says = f"zones and privacy masks were drawn for {name}, and no camera is called so"
        yield warning("zones", says, f"if it has another name now, {DRAW}")
    for camera in config.cameras:
        if areas.is_drawn(camera.name):
            advice = "see them on its page, where As configured takes them back"
            yield warning(f"camera {camera.name}", "has the zones that were drawn on the page", advice)
