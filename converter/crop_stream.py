"""Streams what a network is trained with: pictures are read, cut and varied while the network learns from others.

Nothing is kept: a data set may be larger than memory, and every epoch sees its faces differently.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from converter.augmentation import SIZE
from converter.classifier_data import BoxedFace, Picture
from converter.classifier_network import network_input
from converter.crops import Example, paper_example, paper_varied_example, plain_example, varied_example
from converter.lower_half import WORKERS, QuantizedLowerHalf
from converter.picture_files import read_picture
from converter.recipes import Recipe
from converter.tensorflow_quietly import tf
from facemask_edge.errors import InputError
from facemask_edge.values import Image

AHEAD = 4
"""Batches that are made in advance."""

EXACT = 2
"""One crop in so many has the float model's features, the others those of the int8 model."""

Plain = Callable[[Image, BoxedFace], Example]
Varied = Callable[[Image, BoxedFace, np.random.Generator], Example]


class CropStream:
    """The faces of some pictures as batches of network inputs and labels.

    Args:
        pictures: All readable.
        recipe: For the kind of crops, ``copies``, ``batch`` and ``seed``.
        lower: What turns a crop into the inputs; None for the network's own input.
    """

    def __init__(self, pictures: Sequence[Picture], recipe: Recipe, lower: QuantizedLowerHalf | None) -> None:
        self._pictures = pictures
        self._recipe = recipe
        self._lower = lower
        self._lost: InputError | None = None
        """Why the newest picture that could not be read is missing."""
        paper = recipe.name == "paper"
        self._plain: Plain = paper_example if paper else plain_example
        self._varied: Varied = paper_varied_example if paper else varied_example
        self._shape = lower.shape if lower else (SIZE[1], SIZE[0], 3)
        # Three numbers a face, whatever its picture's size: this is all that stays in memory.
        self._faces = np.array(
            [
                (number, place, face.label)
                for number, picture in enumerate(pictures)
                for place, face in enumerate(picture.faces)
            ],
            dtype=np.int64,
        ).reshape(-1, 3)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of each face, as its place in ``LABELS``."""
        return self._faces[:, 2]

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Raise this stream's errors as they are: TensorFlow wraps what goes wrong in its threads in one of its own.

        Raises:
            InputError: A picture cannot be read any more.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if self._lost:
                raise self._lost from error
            raise

    def plain(self) -> "tf.data.Dataset":
        """Each face once, in order, as the device cuts it (for the paper's recipe: the whole picture)."""
        return self._batches(np.column_stack([self._faces[:, :2], np.zeros_like(self.labels)]), epoch=0)

    def varied(self, copies: int, epoch: int) -> "tf.data.Dataset":
        """Each face so many times, in order and varied; the same for the same epoch."""
        wanted = [
            np.column_stack([self._faces[:, :2], np.full_like(self.labels, copy)]) for copy in range(1, copies + 1)
        ]
        return self._batches(np.concatenate(wanted), epoch)

    def epoch(self, number: int) -> "tf.data.Dataset":
        """All crops of one epoch, shuffled; the first copy of each face is plain unless the recipe is the paper's."""
        first = 1 if self._recipe.name == "paper" else 0
        wanted = np.concatenate(
            [
                np.column_stack([self._faces[:, :2], np.full_like(self.labels, copy)])
                for copy in range(first, first + self._recipe.copies)
            ]
        )
        return self._batches(np.random.default_rng([self._recipe.seed, number]).permutation(wanted), number)

    def _batches(self, wanted: NDArray[np.int64], epoch: int) -> "tf.data.Dataset":
        def load(entry: NDArray[np.int64]) -> tuple[NDArray[np.float32], np.int64]:
            number, place, copy = (int(part) for part in entry)
            return self._load(number, place, copy, epoch)

        def mapped(entry: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
            values, label = tf.numpy_function(load, [entry], [tf.float32, tf.int64])
            return tf.ensure_shape(values, self._shape), tf.ensure_shape(label, ())

        dataset = tf.data.Dataset.from_tensor_slices(wanted)
        # In order in spite of the threads, so that the same seed gives the same training.
        dataset = dataset.map(mapped, num_parallel_calls=WORKERS, deterministic=True)
        return dataset.batch(self._recipe.batch).prefetch(AHEAD)

    def _load(self, number: int, place: int, copy: int, epoch: int) -> tuple[NDArray[np.float32], np.int64]:
        picture = self._pictures[number]
        image = read_picture(picture.path)
        if image is None:
            self._lost = InputError(
                f"{picture.path} was readable a moment ago and is not any more; put it back, and the same command goes "
                "on after the last whole epoch"
            )
            raise self._lost
        face = picture.faces[place]
        if copy == 0:
            example = self._plain(image, face)
        else:
            # Seeded by name, not by number: one more picture does not change the variation of all the others.
            name = zlib.crc32(f"{picture.path.parent.name}/{picture.path.name}".encode())
            example = self._varied(image, face, np.random.default_rng([self._recipe.seed, epoch, name, place, copy]))
        if self._lower:
            values = self._lower.features(example.crop, exact=copy % EXACT == EXACT - 1)
        else:
            values = network_input([example.crop])[0]
        return values, np.int64(example.label)
