"""Takes passwords out of what is logged or shown."""

import re

CREDENTIALS = re.compile(r"//[^\s'\"]*@")
"""Of a URL, up to the last @: a password may hold any character, even a slash."""
PARAMETERS = re.compile(r"([?&][^=&\s'\"]*(?:pw|pass|secret|token|key|auth)[^=&\s'\"]*=)[^&\s'\"]+", re.IGNORECASE)
"""Of a URL, as many cameras want it: ``?user=admin&pwd=…``."""


def without_password(text: str) -> str:
    """A text with URLs, without their user names and passwords."""
    return PARAMETERS.sub(r"\1…", CREDENTIALS.sub("//…@", text))
