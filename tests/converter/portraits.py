"""Real faces that may be redistributed: scikit-image's astronaut and matplotlib's grace_hopper."""

import cv2
import numpy as np
from matplotlib import cbook
from skimage import data

from facemask_edge.values import Box, Image

ASTRONAUT_FACE = Box(170, 60, 95, 125)
"""Where her face is in ``astronaut()``."""


def astronaut() -> Image:
    """512 x 512, BGR."""
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


def grace_hopper() -> Image:
    """512 x 600, BGR."""
    path = str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return np.asarray(cv2.imread(path), dtype=np.uint8)
