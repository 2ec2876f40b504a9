"""Judges people frame by frame, without a camera or a model, for the tests of the judgement."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count

from facemask_edge.compliance import Compliance
from facemask_edge.config import ComplianceConfig
from facemask_edge.values import Box, Look, Track, Violation

InView = Mapping[str, float | None]
"""Who is in view in a frame, with a probability, or None where the classifier would not look."""
BUDGET = ComplianceConfig().classifications_per_frame


def track(name: str = "a", height: float = 100) -> Track:
    return Track(name, Box(10, 20, 0.8 * height, height), 0.9)


def clear(probability: float) -> Look:
    return Look(probability, sharpness=0.5)


def new_compliance(**settings: float) -> Compliance:
    numbers = count()
    config = ComplianceConfig.model_validate(settings)
    return Compliance(config, new_id=lambda: f"id-{next(numbers)}")


def play(
    compliance: Compliance,
    looks: Sequence[InView],
    *,
    start: float = 0.0,
    step: float = 0.1,
    is_face: Callable[[Track], bool] = lambda _: True,
) -> list[Violation]:
    """Feed frames: each says who is in view, with a probability or None where the classifier would not look."""
    events = []
    for index, look in enumerate(looks):
        tracks = [track(name) for name in look]
        looked = {name: clear(value) for name, value in look.items() if value is not None}
        events += compliance.update(tracks, looked, start + index * step, is_face)
    return events


def summary(events: Sequence[Violation]) -> list[tuple[str, str | None]]:
    return [(event.event_type, event.reason) for event in events]


def play_looks(
    compliance: Compliance,
    tracks: Sequence[Track],
    look_of: Callable[[str, float], Look],
    *,
    seconds: float,
    **how: float,
) -> tuple[list[Violation], list[int]]:
    """Judge tracks at ``fps`` within ``budget`` from ``start`` on; the events, and the looks in each frame."""
    fps, budget, start = how.get("fps", 15), int(how.get("budget", BUDGET)), how.get("start", 0.0)
    events: list[Violation] = []
    looked = []
    for index in range(round(seconds * fps)):
        now = start + index / fps
        chosen = compliance.worth_classifying(tracks, now, budget)
        events += compliance.update(tracks, {face.id: look_of(face.id, now) for face in chosen}, now)
        looked.append(len(chosen))
    return events, looked
