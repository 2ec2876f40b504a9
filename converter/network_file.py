"""Loads a trained classifier from whatever it was saved as: .keras, the .h5 of Keras 2 or 3, or a SavedModel folder.

The format is recognised by the content: the model of the paper's authors, and those of its many descendants, are HDF5
files named ``.model``.
"""

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from converter.augmentation import SIZE
from converter.classifier_data import LABELS
from converter.tensorflow_quietly import keras, quietly, tf
from facemask_edge.errors import ModelError

SAVED_MODEL = "saved_model.pb"
_HDF5, _ZIP = b"\x89HDF", b"PK"


def load_network(path: Path) -> keras.Model:
    """Load a trained classifier.

    Args:
        path: A file, or the folder of a SavedModel.

    Returns:
        Takes float32, n x 224 x 224 x 3; gives float32, n x 2.

    Raises:
        ModelError: There is no such file, or it holds no network of one 224 x 224 picture and two outputs.
    """
    if not path.exists():
        raise ModelError(f"model {path} does not exist; make it with train-model")
    try:
        with quietly():
            network = _loaded(path)
            shapes = network.input_shape, network.output_shape
    except (
        ValueError,
        TypeError,
        KeyError,
        OSError,
        AttributeError,
        zipfile.BadZipFile,
        tf.errors.OpError,
    ) as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(
            f"model {path} cannot be loaded; name a .keras or .h5 file, or the folder of a SavedModel ({reason})"
        ) from error
    if shapes != ((None, SIZE[1], SIZE[0], 3), (None, len(LABELS))):
        raise ModelError(f"model {path} does not judge one picture of {SIZE[0]}x{SIZE[1]} by {len(LABELS)} outputs")
    return network


def _loaded(path: Path) -> keras.Model:
    if path.is_dir():
        return _loaded_saved_model(path)
    start = path.read_bytes()[:4]
    if not start.startswith((_HDF5, _ZIP)):
        raise ValueError(start)
    # Keras goes by the name, whatever the file holds.
    with tempfile.TemporaryDirectory(prefix="network-") as folder:
        named = Path(folder) / ("network.h5" if start == _HDF5 else "network.keras")
        if start == _HDF5:
            shutil.copyfile(path, named)
            _modernise(named)
        else:
            named.symlink_to(path.resolve())
        return keras.models.load_model(named, compile=False)


def _modernise(file: Path) -> None:
    """Keras 2 wrote arguments that Keras 3 refuses, of initial values above all, which loaded weights replace."""
    import h5py  # type: ignore[import-untyped] # noqa: PLC0415 - only here, and it comes with TensorFlow

    with h5py.File(file, "r+") as content:
        if "model_config" not in content.attrs:
            raise ValueError("weights without their network")
        content.attrs["model_config"] = json.dumps(_modern(json.loads(content.attrs["model_config"])))


def _modern(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_modern(part) for part in value]
    if not isinstance(value, dict):
        return value
    modern: dict[str, Any] = {}
    for name, part in value.items():
        if name.endswith("_initializer"):
            modern[name] = "zeros"
        elif name.endswith(("_regularizer", "_constraint")):
            modern[name] = None
        elif name != "groups" or value.get("depth_multiplier") is None:
            # Keras 2.2 to 2.15 wrote the number of groups of a depthwise convolution, which has none to choose.
            modern[name] = _modern(part)
    return modern


def _loaded_saved_model(folder: Path) -> keras.Model:
    if not (folder / SAVED_MODEL).is_file():
        raise ValueError(folder)
    picture = keras.Input((SIZE[1], SIZE[0], 3), name="picture")
    outputs = keras.layers.TFSMLayer(str(folder), call_endpoint="serving_default")(picture)
    (output,) = outputs.values() if isinstance(outputs, dict) else [outputs]
    return keras.Model(picture, output, name=folder.name)
