"""Whether faces could be judged in pictures like the one that the doctor took."""

from facemask_edge.check.finding import Finding, ok, warning
from facemask_edge.picture_quality import ADVICE, SAYS, Picture


def judged(subject: str, picture: Picture, faces: int) -> Finding:
    """Whether faces could be judged in pictures like this one.

    Args:
        subject: The camera.
        picture: What was seen in it.
        faces: How many were found in it.
    """
    found = "1 face" if faces == 1 else f"{faces or 'no'} faces"
    says = (
        f"{picture.width} x {picture.height}, brightness {picture.brightness:.0f} of 255, "
        f"sharpness {picture.sharpness:.2f}, {found}"
    )
    fault = next(picture.faults(), None)
    return ok(subject, says) if fault is None else warning(subject, f"{says}; {SAYS[fault]}", ADVICE[fault])
