"""A Keras YuNet as a finder of faces, beside the device's own that runs the converted file."""

import numpy as np

from converter.detector_data import on_canvas
from converter.evaluate_detector import MIN_SCORE, Finder
from converter.tensorflow_quietly import keras
from facemask_edge.faces.yunet import STRIDES, suppressed
from facemask_edge.values import Box, Face, Image


def network_finder(model: keras.Model, size: int, min_score: float = MIN_SCORE) -> Finder:
    """A Keras YuNet as a finder, placing pictures as the device does; for looking at a training."""

    def find(image: Image) -> list[Face]:
        canvas, scale = on_canvas(image, size)
        outputs = model.predict_on_batch(canvas[None].astype(np.float32))
        boxes, scores = [], []
        for stride in STRIDES:
            score = np.sqrt(outputs[f"scores_{stride}"][0].prod(axis=-1))
            rows, columns = np.nonzero(score >= min_score)
            offsets = outputs[f"boxes_{stride}"][0, rows, columns]
            sides = np.exp(offsets[:, 2:]) * stride
            centres = (offsets[:, :2] + np.stack([columns, rows], axis=-1)) * stride
            boxes.append(np.concatenate([centres - sides / 2, sides], axis=1) / scale)
            scores.append(score[rows, columns])
        every_box, every_score = np.concatenate(boxes).astype(np.float32), np.concatenate(scores)
        return [
            Face(Box(*(float(side) for side in every_box[index])), float(every_score[index]))
            for index in suppressed(every_box, every_score)
        ]

    return find
