"""As pidng has it."""


class Picamera2Camera:
    """Never made here."""
