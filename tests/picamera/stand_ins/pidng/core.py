"""As pidng has it."""


class PICAM2DNG:
    """Never made here."""
