"""The mask classifier: cuts a face out of the frame and tells how probably it wears no mask."""

from weakref import ref

import cv2
import numpy as np

from facemask_edge.errors import ModelError
from facemask_edge.inference import Model
from facemask_edge.values import Box, Image, Label

CROP_MARGIN = 1.2
"""Side of the square crop over the longer side of the face box; training uses the same."""


def cut_face(image: Image, box: Box, size: tuple[int, int], into: Image | None = None) -> Image:
    """Cut a square around a face and resize it.

    The square is moved, not padded, at the frame's border, so that the classifier sees only real pixels.

    Args:
        image: uint8, height x width x 3, any channel order.
        box: The face; its clipped part must not be empty.
        size: Width and height of the result in pixels.
        into: Where to put the result; None for a new picture.

    Returns:
        uint8, ``size[1]`` x ``size[0]`` x 3, in the channel order of ``image``.
    """
    left, top, side = face_square(image, box)
    # INTER_AREA averages what falls together when shrinking; INTER_LINEAR is right, and faster, when enlarging.
    interpolation = cv2.INTER_AREA if side > size[0] else cv2.INTER_LINEAR
    square = image[top : top + side, left : left + side]
    return cv2.resize(square, size, dst=into, interpolation=interpolation)  # type: ignore[return-value]


def face_square(image: Image, box: Box) -> tuple[int, int, int]:
    """Left, top and side in pixels of the square that is cut out around a face."""
    height, width = image.shape[:2]
    side = max(round(min(CROP_MARGIN * max(box.width, box.height), height, width)), 1)
    centre_x, centre_y = box.centre
    left = round(min(max(centre_x - side / 2, 0), width - side))
    top = round(min(max(centre_y - side / 2, 0), height - side))
    return left, top, side


class MaskClassifier:
    """Judges one face at a time with the quantized MobileNetV2.

    Args:
        model: File name of a packaged model or a path.
        threads: Inference threads.
        accelerator: Where it runs, see ``inference.Model``.

    Raises:
        ModelError: The model cannot be used, or its labels are not ``mask`` and ``no_mask``.
    """

    def __init__(self, model: str, *, threads: int = 1, accelerator: str = "cpu") -> None:
        self.model = Model(model, threads=threads, accelerator=accelerator)
        labels = self.model.entry.labels
        if sorted(labels) != sorted([Label.MASK, Label.NO_MASK]):
            raise ModelError(
                f"model {model} has the labels {labels} in its manifest; a classifier has mask and no_mask"
            )
        self._output = next((output for output in self.model.outputs if output.shape == (1, len(labels))), None)
        if self._output is None:
            raise ModelError(f"model {model} has no output of shape 1 x {len(labels)}; convert it with convert-model")
        self._no_mask = labels.index(Label.NO_MASK)
        width, height = self.model.size
        # Used again for every face.
        self._crop, self._rgb = (np.empty((height, width, 3), np.uint8) for _ in range(2))
        self._newest: tuple[ref[Image], Box] | None = None
        """The face judged last; its frame is not kept for that."""

    def probability(self, image: Image, box: Box) -> float:
        """The probability that the face wears no mask.

        Args:
            image: The whole frame, BGR.
            box: The face in it.
        """
        crop = cut_face(image, box, self.model.size, into=self._crop)
        if self.model.entry.input.channels == "RGB":
            crop = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB, dst=self._rgb)  # type: ignore[assignment]
        self._newest = None
        self.model.invoke(crop)
        self._newest = ref(image), box
        assert self._output is not None  # noqa: S101 - for mypy; __init__ raised otherwise
        probabilities = self._output.dequantized(self.model.output(self._output)[0])
        return min(max(float(probabilities[self._no_mask]), 0.0), 1.0)

    def has_just_judged(self, image: Image, box: Box) -> bool:
        """Whether this face of this very picture is the one that was judged last."""
        return self._newest is not None and self._newest[0]() is image and self._newest[1] == box
