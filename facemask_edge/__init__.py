"""facemask-edge: a mask-compliance camera for the Raspberry Pi."""

__version__ = "0.1.0"
