"""facemask-edge: a mask-compliance camera for the Raspberry Pi."""

import os

__version__ = "0.1.0"

# Read by OpenCV when it is loaded: a picture of a few kilobytes may hold a thousand megapixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "64000000")
