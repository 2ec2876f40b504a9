"""The device's activation maps against TensorFlow's own gradients, on real faces and with the shipped models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter.augmentation import SIZE
from converter.classifier_data import find_pictures
from converter.classifier_network import network_input, with_feature_map
from converter.network_file import load_network
from converter.picture_files import read_picture
from converter.split_file import read_split_file
from converter.tensorflow_quietly import keras, tf
from facemask_edge.activation_maps import ActivationMaps
from facemask_edge.classifier import MaskClassifier, cut_face
from facemask_edge.inference import DenseLayer
from facemask_edge.manifest import packaged_models
from facemask_edge.values import Box, Image, Label

pytestmark = [pytest.mark.converter, pytest.mark.shared_data]
FACES = 60


def _faces(shared: Path) -> list[Image]:
    """Pictures of one face that the classifier was only tested with, half of them masked."""
    folder = shared / "data" / "masks4095"
    known = read_split_file(packaged_models() / "mask_classifier_int8.tflite")
    assert known
    tested = known.test_pictures(folder)
    found: list[Image] = []
    for label in (0, 1):
        files = [one.path for one in find_pictures(folder) if one.path in tested and one.faces[0].label == label]
        found += [image for image in map(read_picture, files[: FACES // 2]) if image is not None]
    assert len(found) == FACES
    return found


def _grad_cam(head: Any, features: NDArray[np.float32], output: int) -> NDArray[np.float32]:
    """By TensorFlow's gradient tape: the channels weighted by their mean gradient, without what is negative."""
    values = tf.constant(features[np.newaxis])
    with tf.GradientTape() as tape:
        tape.watch(values)
        logit = head(values)[0, output]
    gradient = tape.gradient(logit, values)[0].numpy()
    return np.asarray(np.maximum((features * gradient.mean(axis=(0, 1))).sum(axis=-1), 0), np.float32)


def _head(layers: list[DenseLayer]) -> Any:
    """The device's head as a Keras model up to the logits."""
    features = keras.Input((7, 7, layers[0].weights.shape[1]))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(7)(features))
    for place, layer in enumerate(layers):
        dense = keras.layers.Dense(len(layer.bias), activation=None if place == len(layers) - 1 else "relu")
        x = dense(x)
        dense.set_weights([layer.weights.T, layer.bias])
    return keras.Model(features, x)


def test_the_maps_are_tensorflows(shared: Path) -> None:
    """Of the shipped int8 model's features exactly; and near those of the float network that it was converted from."""
    classifier = MaskClassifier("mask_classifier_int8.tflite")
    maps = ActivationMaps(classifier.model)
    (output,) = [output for output in classifier.model.outputs if len(output.shape) == 4]
    head = _head(classifier.model.dense_layers())
    network = load_network(packaged_models() / "mask_classifier.keras")
    with_features = with_feature_map(network)
    float_head = _head(
        [
            DenseLayer(layer.kernel.numpy().T, layer.bias.numpy())
            for layer in network.layers
            if isinstance(layer, keras.layers.Dense)
        ]
    )
    likenesses = []
    for image in _faces(shared):
        height, width = image.shape[:2]
        whole = Box(0, 0, width, height)
        probability = classifier.probability(image, whole)
        label = Label.NO_MASK if probability >= 0.5 else Label.MASK
        place = classifier.model.entry.labels.index(label)
        features = output.dequantized(classifier.model.output(output)[0])
        heat = maps.of(label)
        assert heat == pytest.approx(_grad_cam(head, features, place), rel=1e-4, abs=1e-5)
        _, exact = with_features(network_input([cut_face(image, whole, SIZE)]), training=False)
        float_heat = _grad_cam(float_head, exact.numpy()[0], place)
        likenesses.append(float(np.corrcoef(heat.ravel(), float_heat.ravel())[0, 1]))
    assert len(likenesses) >= 50
    assert np.median(likenesses) > 0.9, sorted(likenesses)[:5]
