"""The message on the topic ``health`` as Prometheus wants it.

Names follow https://prometheus.io/docs/practices/naming/: seconds, not milliseconds, and ``_total`` at the end of what
only rises.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from facemask_edge.cameras.status import CameraState
from facemask_edge.delivery import BrokerState
from facemask_edge.health_message import CameraHealth, HealthMessage, Quantiles

Row = tuple[tuple[str, ...], float | None]
"""Values of the labels, and the figure; None where it is not known."""
Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)


class Metrics:
    """What ``GET /metrics`` answers.

    Args:
        newest: Gives the newest message; None before the first one.
    """

    def __init__(self, newest: Callable[[], HealthMessage | None]) -> None:
        # One of its own: the library's has figures of Python itself, too.
        self._registry = CollectorRegistry()
        self._registry.register(_HealthCollector(newest))

    def exposition(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)


class _HealthCollector(Collector):
    def __init__(self, newest: Callable[[], HealthMessage | None]) -> None:
        self._newest = newest

    def collect(self) -> Iterator[Metric]:
        """As the base class."""
        message = self._newest()
        if message is not None:
            yield from _of_device(message)
            yield from _of_cameras(message.cameras)


def _of_device(health: HealthMessage) -> Iterator[Metric]:
    warnings = [((warning.code, warning.camera or ""), 1) for warning in health.warnings]
    yield _gauge("build_info", "The program.", [((health.version,), 1)], ["version"])
    told_at = dt.datetime.fromisoformat(health.time).timestamp()
    yield _gauge("health_timestamp_seconds", "When all of this was so, by the device's clock.", told_at)
    yield _gauge("uptime_seconds", "Since the program started.", health.uptime_s)
    yield _counter("restarts", "Starts after an end that was not orderly, since the outbox was made.", health.restarts)
    yield _gauge("clock_synchronized", "1 when the clock was set by NTP.", health.clock_synchronized)
    yield _gauge("mqtt_connected", "1 when the broker takes events.", health.mqtt.state is BrokerState.CONNECTED)
    yield _gauge("outbox_events", "Events that wait.", health.queued)
    yield _gauge("outbox_oldest_age_seconds", "How long the oldest of them has waited.", health.oldest_age_s or 0)
    yield _gauge("outbox_on_disk", "1 when events are kept on disk, 0 while it fails.", health.outbox.kept == "disk")
    yield _gauge("outbox_dead_letters", "Events that can never be delivered.", health.dead_letters)
    yield _counter("events_dropped", "Events dropped for want of room, since the outbox was made.", health.dropped)
    yield _counter("events_unheard", "Events that nobody subscribes to.", health.unheard)
    yield _gauge("cpu_temperature_celsius", "Of the processor.", health.cpu_temperature_c)
    yield _gauge(
        "throttled", "1 while the Pi is slowed down.", None if health.throttled is None else bool(health.throttled)
    )
    yield _gauge("edge_tpu_deaths", "Ends by the Edge TPU's library before.", health.accelerator.edge_tpu_deaths)
    yield _gauge("edge_tpu_temperature_celsius", "Of the Edge TPU.", health.accelerator.edge_tpu_celsius)
    yield _gauge("warning", "1 for each warning there is.", warnings, ["code", "camera"])


def _of_cameras(cameras: dict[str, CameraHealth]) -> Iterator[Metric]:
    def of_each(figure: Callable[[CameraHealth], float | None]) -> list[Row]:
        return [((name,), figure(camera)) for name, camera in cameras.items()]

    camera = ["camera"]
    yield _gauge("camera_ok", "1 when it gives pictures; not of one that is off or has ended.", of_each(_is_ok), camera)
    yield _counter("camera_frames", "Pictures that came.", of_each(lambda each: each.frames), camera)
    yield _counter("camera_judged_frames", "Pictures that were judged.", of_each(lambda each: each.judged), camera)
    dropped = [
        ((name, reason), count) for name, each in cameras.items() for reason, count in each.dropped.model_dump().items()
    ]
    yield _counter("camera_dropped_frames", "Pictures that were not judged.", dropped, ["camera", "reason"])
    yield _counter("camera_losses", "How often it was lost.", of_each(lambda each: each.losses), camera)
    yield _gauge("camera_faces", "Faces found in the newest frame.", of_each(lambda each: each.faces), camera)
    yield _gauge("camera_tracks", "Faces followed in the newest frame.", of_each(lambda each: each.tracks), camera)
    yield _gauge("camera_brightness", "Mean gray value, 0 to 255.", of_each(lambda each: each.brightness), camera)
    yield _gauge("camera_sharpness", "Below 0.06 it is blurred.", of_each(lambda each: each.sharpness), camera)
    latencies = [((name,), each.latency_ms) for name, each in cameras.items() if each.latency_ms is not None]
    yield _summary("camera_latency_seconds", "From capture to decision.", latencies, camera)
    stages = [
        ((name, stage), quantiles) for name, each in cameras.items() for stage, quantiles in each.stages_ms.items()
    ]
    yield _summary("camera_stage_seconds", "Of each stage of judging.", stages, ["camera", "stage"])


def _is_ok(camera: CameraHealth) -> float | None:
    """None where nobody wants pictures of it."""
    return None if camera.state in {CameraState.OFF, CameraState.ENDED} else float(camera.state is CameraState.OK)


def _summary(name: str, about: str, rows: Iterable[tuple[tuple[str, ...], Quantiles]], labels: Sequence[str]) -> Metric:
    # The library's own summary has a sum and a count, and no quantiles.
    family = Metric(f"facemask_edge_{name}", about, "summary")
    for values, quantiles in rows:
        for quantile, milliseconds in (("0.5", quantiles.p50), ("0.95", quantiles.p95)):
            told = dict(zip(labels, values, strict=True)) | {"quantile": quantile}
            family.add_sample(family.name, told, round(milliseconds / 1000, 6))
    return family


def _gauge(name: str, about: str, rows: Iterable[Row] | float | None, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    return _filled(GaugeMetricFamily(f"facemask_edge_{name}", about, labels=labels), rows)


def _counter(name: str, about: str, rows: Iterable[Row] | float, labels: Sequence[str] = ()) -> CounterMetricFamily:
    return _filled(CounterMetricFamily(f"facemask_edge_{name}", about, labels=labels), rows)


def _filled(family: Family, rows: Iterable[Row] | float | None) -> Family:
    """A family with its figures; a figure that is not known is left out."""
    for labels, value in rows if isinstance(rows, Iterable) else [((), rows)]:
        if value is not None:
            family.add_metric(labels, value)
    return family
