"""Several learners distilled into one network: what they think together is taught beside the labels.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015). The paper speaks of a series of
transfer learners; a device has the time for one network only.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.classifier_data import Split
from converter.classifier_network import SplitNetwork, split_network
from converter.network_file import load_network
from converter.split_file import read_split_file, split_file_of
from converter.tensorflow_quietly import keras, tf
from facemask_edge.errors import InputError, ModelError

TAUGHT_SHARE = 0.5
"""How much the teachers' mean counts in a target; the label is the rest."""


class Teachers:
    """Networks of ``train-model`` that teach another one.

    Args:
        files: Their ``.keras`` files.
        lower: The lower half of the network that learns: the teachers are asked about its features.

    Raises:
        ModelError: A file holds no such network, or one whose lower half is another one.
    """

    def __init__(self, files: Sequence[Path], lower: keras.Model) -> None:
        self._uppers = []
        for file in files:
            halves = halves_of(file)
            pairs = zip(halves.lower.get_weights(), lower.get_weights(), strict=True)
            if not all(np.array_equal(*pair) for pair in pairs):
                raise ModelError(f"{file} was trained from other initial weights, and cannot teach from these")
            self._uppers.append(halves.upper)

    def targets(self, features: Any, truths: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
        """The probabilities to learn, float32, n x 2, for the features of n crops and what their labels say.

        On what is no face nobody teaches an opinion.
        """
        means = tf.add_n([upper(features, training=False) for upper in self._uppers]) / len(self._uppers)
        is_face = tf.reduce_max(truths, axis=-1, keepdims=True) > 0.5  # noqa: PLR2004 - no label is taught as half of both
        return tf.where(is_face, TAUGHT_SHARE * means + (1 - TAUGHT_SHARE) * truths, truths)


def halves_of(file: Path) -> SplitNetwork:
    """A teacher, cut in two.

    Raises:
        ModelError: The file holds no network of ``train-model``.
    """
    try:
        return split_network(load_network(file))
    except ValueError as error:
        raise ModelError(f"{file} is no network of train-model, and cannot teach") from error


def ensure_untaught(files: Sequence[Path], split: Split) -> None:
    """What a network is tested with must not reach it through its teachers.

    Raises:
        InputError: A teacher was trained with pictures of the test part, or says nothing of it.
    """
    for file in files:
        known = read_split_file(file)
        if known is None and split.test:
            raise InputError(
                f"{split_file_of(file)} is missing, so nobody knows whether {file.name} was trained with pictures that "
                "this training is tested with; copy it from where the teacher was trained"
            )
        tested = {picture.path for picture in split.test}
        folders = {folder for path in tested for folder in path.parents}
        left_out = {path for folder in folders for path in known.test_pictures(folder)} if known else set()
        if tested - left_out:
            raise InputError(
                f"{file} does not say that it left out what this training is tested with; train it with the same data "
                "and --split-seed"
            )
