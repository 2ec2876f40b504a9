"""Takes passwords out of what is logged or shown."""

import re

CREDENTIALS = re.compile(r"//[^\s'\"]*@")
"""Of a URL, up to the last @: a password may hold any character, even a slash."""


def without_password(text: str) -> str:
    """A text with URLs, without their user names and passwords."""
    return CREDENTIALS.sub("//…@", text)
