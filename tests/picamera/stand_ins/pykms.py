"""For picamera2, which imports it to draw on a screen without a desktop, and asks it for names of formats."""


class _Names(type):
    def __getattr__(cls, name: str) -> str:
        return name


class PixelFormat(metaclass=_Names):
    """Has every format."""
