"""Takes out of what is logged or shown what must not be there: passwords, and what a terminal would obey."""

import re

CREDENTIALS = re.compile(r"//[^\s'\"]*@")
"""Of a URL, up to the last @: a password may hold any character, even a slash."""
MISSPELT = re.compile(r"[^\s'\"/@:]+:(?!//)[^\s'\"]*@")
"""``user:password@`` where the ``//`` before it is missing."""
PARAMETERS = re.compile(
    r"([?&/_;][^=&/_;\s'\"]*(?:pw|pass|secret|token|key|auth)[^=&/_;\s'\"]*=)[^&;\s'\"]+", re.IGNORECASE
)
"""Of a URL, as many cameras want it: ``?user=admin&pwd=…``, ``/user=admin_password=…_channel=1``."""


def without_password(text: str) -> str:
    """A text with URLs, without their user names and passwords."""
    for pattern, instead in ((CREDENTIALS, "//…@"), (MISSPELT, "…@"), (PARAMETERS, r"\1…")):
        text = pattern.sub(instead, text)
    return text


def address_without_password(address: str) -> str:
    """A URL or path by itself, without user name and password, whatever characters they hold."""
    scheme, slashes, rest = address.partition("://")
    if slashes:
        _, at, host = rest.rpartition("@")
        address = f"{scheme}://…@{host}" if at else address
    return without_password(address)


def printable(text: str) -> str:
    """A text that others may have written, in one line and without what a terminal would obey."""
    return "".join(letter for letter in text if letter.isprintable())
