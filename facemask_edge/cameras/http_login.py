"""How to answer a camera that wants a user name and a password over HTTP (RFC 7617, RFC 7616)."""

import base64
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote


class UnknownLoginError(Exception):
    """The camera offers no way of logging in that this knows."""


def authorization(challenges: Sequence[str], url: SplitResult, target: str) -> str:
    """The header ``Authorization`` of a request that was refused without one.

    Digest is preferred: it does not show the password to whoever listens.

    Args:
        challenges: The headers ``WWW-Authenticate`` of the refusal.
        url: With user name and password.
        target: What is asked for, path and query.

    Raises:
        UnknownLoginError: None of the challenges can be met.
    """
    user, password = unquote(url.username or ""), unquote(url.password or "")
    parts = [challenge.strip().partition(" ") for challenge in challenges]
    offered = {scheme.lower(): rest for scheme, _, rest in parts}
    if "digest" in offered:
        return _digest(offered["digest"], user, password, target)
    if "basic" in offered:
        return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    raise UnknownLoginError


def _digest(challenge: str, user: str, password: str, target: str) -> str:
    # It takes a megabyte, and few cameras want it.
    from urllib.request import (  # noqa: PLC0415 - as above
        AbstractDigestAuthHandler,
        HTTPPasswordMgrWithDefaultRealm,
        Request,
        parse_http_list,
        parse_keqv_list,
    )

    # Nothing is opened; it only holds method and target.
    request = Request(f"http://camera{target}")
    passwords = HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, request.full_url, user, password)
    try:
        fields = parse_keqv_list(parse_http_list(challenge))
        answer = AbstractDigestAuthHandler(passwords).get_authorization(request, fields)
    # Another algorithm than MD5, characters beyond ASCII, a challenge that is none.
    except (OSError, ValueError, IndexError) as error:
        raise UnknownLoginError from error
    if answer is None:
        raise UnknownLoginError
    return f"Digest {answer}"
