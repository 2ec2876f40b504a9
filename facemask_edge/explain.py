"""``facemask-edge explain``: draws over each face of a picture what of it speaks for its verdict."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from facemask_edge import overlay
from facemask_edge.activation_maps import ActivationMaps, Heat
from facemask_edge.annotate import Annotator, expanded, is_picture, result, write_results
from facemask_edge.cameras.recording import read_picture
from facemask_edge.classifier import face_square
from facemask_edge.config import Config
from facemask_edge.errors import InputError
from facemask_edge.values import Frame, Label, Verdict
from facemask_edge.video import write_picture


def explain(sources: Sequence[Path], output: Path, config: Config) -> Path:
    """Judge pictures face by face and explain each judgement.

    Args:
        sources: Pictures and folders of pictures.
        output: Folder for the copies and ``results.jsonl``; made when missing.
        config: Detector, classifier and compliance are used, and the first camera's zones.

    Returns:
        The path of ``results.jsonl``, as ``annotate`` writes it, with each face's activation map beside its verdict.

    Raises:
        InputError: A source cannot be read, or is no picture.
        OutputError: The folder cannot be written.
        ModelError: A model cannot be used, or the classifier has no feature map.
    """
    pictures = list(expanded(sources))
    other = next((source for source in pictures if not is_picture(source)), None)
    if other:
        raise InputError(f"{other}: explain takes pictures; for a video use annotate")
    return write_results(pictures, output, Explainer(config))


class Explainer(Annotator):
    """An annotator that explains."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._maps = ActivationMaps(self.models.classifier.model)
        self._heats: list[Heat] = []

    def judged(self, verdict: Verdict) -> None:
        """Keep the map of the face that was judged."""
        self._heats.append(self._maps.of(more_probable(verdict)))

    def picture(self, source: Path, target: Path) -> Iterator[dict[str, Any]]:
        """Judge one picture and write its explained copy."""
        frame = Frame(self.prepared(read_picture(source)), 0.0, 0)
        self._heats.clear()
        verdicts = self.judge(frame.image)
        line = result(source, frame, verdicts)
        heats = iter(self._heats)
        for verdict, face in zip(verdicts, line["faces"], strict=True):
            if verdict.probability is not None:
                heat = next(heats)
                overlay.draw_heat(frame.image, face_square(frame.image, verdict.track.box), heat)
                face["activation"] = [[round(float(value), 4) for value in row] for row in heat]
        yield line
        overlay.draw(frame.image, verdicts)
        write_picture(target, frame.image)


def more_probable(verdict: Verdict) -> Label:
    """The label that a judged face has or, undetermined, would rather have."""
    if verdict.label is not Label.UNDETERMINED:
        return verdict.label
    return Label.NO_MASK if (verdict.probability or 0.0) >= 0.5 else Label.MASK  # noqa: PLR2004 - of two labels
