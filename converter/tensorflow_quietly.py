"""Imports TensorFlow and keeps its chatter off the user's terminal.

TensorFlow prints thousands of lines from C++ straight to file descriptors 1 and 2, so Python-level redirection does
not reach them.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from facemask_edge.errors import FacemaskError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("GLOG_minloglevel", "3")


@contextmanager
def quietly() -> Iterator[None]:
    """Hold back all that is written to stdout and stderr; show it when the block raises."""
    with tempfile.TemporaryFile() as held_back:
        sys.stdout.flush()
        sys.stderr.flush()
        stdout, stderr = os.dup(1), os.dup(2)
        os.dup2(held_back.fileno(), 1)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, FacemaskError | KeyboardInterrupt):
                held_back.seek(0)
                os.write(stderr, held_back.read())
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.close(stdout)
            os.close(stderr)


with quietly():
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise FacemaskError(
            "TensorFlow is not installed here; on an x86-64 workstation run: pip install 'facemask-edge[converter]'"
        ) from error

# Its hints are for who writes a program, such as that a function is traced often: here each epoch's is another one.
tf.get_logger().setLevel(logging.ERROR)

__all__ = ["keras", "quietly", "tf"]
