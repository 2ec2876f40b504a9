"""User names and passwords, from wherever the owner keeps them; never logged, never printed."""

import os
from collections.abc import Mapping
from pathlib import Path

from facemask_edge.config import HttpConfig, MqttConfig
from facemask_edge.errors import ConfigError

MOST_BYTES = 65_535
"""The longest user name or password that MQTT can carry."""
SHORTEST_PASSWORD = 8
"""Characters of the page's."""


def credentials(config: MqttConfig, environment: Mapping[str, str] = os.environ) -> tuple[str | None, str | None]:
    """User name and password; None where there is none.

    In this order: the configuration (``mqtt.username``, ``mqtt.username_file``, ``mqtt.password_file``), the files
    ``mqtt_username`` and ``mqtt_password`` of systemd's ``CREDENTIALS_DIRECTORY``, the environment variables
    ``FACEMASK_MQTT_USERNAME`` and ``FACEMASK_MQTT_PASSWORD``. Files are read anew each time: a password may change.

    Raises:
        ConfigError: A file that is named cannot be read, or there is a password without a user name.
    """
    username = config.username or _secret("mqtt", "username", config.username_file, environment)
    password = _secret("mqtt", "password", config.password_file, environment)
    if password is not None and username is None:
        raise ConfigError("mqtt: there is a password but no user name; set mqtt.username")
    return username, password


def page_password(config: HttpConfig, environment: Mapping[str, str] = os.environ) -> str | None:
    """The password of the page; None where there is none, and so no page.

    In this order: ``http.password_file``, the file ``http_password`` of systemd's ``CREDENTIALS_DIRECTORY``, the
    environment variable ``FACEMASK_HTTP_PASSWORD``.

    Raises:
        ConfigError: A file that is named cannot be read, or the password is too short.
    """
    password = _secret("http", "password", config.password_file, environment)
    if password is not None and len(password) < SHORTEST_PASSWORD:
        raise ConfigError(f"http: the page's password has fewer than {SHORTEST_PASSWORD} characters; take a longer one")
    return password


def _secret(section: str, name: str, file: Path | None, environment: Mapping[str, str]) -> str | None:
    if file is not None:
        return _first_line(file, f"{section}.{name}_file {file}")
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if directory:
        credential = Path(directory, f"{section}_{name}")
        # The unit's fallback for a file that is not there is an empty credential.
        if credential.exists() and (secret := _first_line(credential, f"systemd credential {section}_{name}")):
            return secret
    variable = f"FACEMASK_{section.upper()}_{name.upper()}"
    return _checked(os.fsencode(environment[variable]), variable) if variable in environment else None


def _first_line(file: Path, what: str) -> str:
    try:
        # A pipe would be waited for without end.
        if file.exists() and not file.is_file():
            raise ConfigError(f"{what}: this is no file")
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{what}: {error.strerror}; the user that runs facemask-edge must be able to read it"
        ) from error
    # Not splitlines(): that splits at characters, too, that a password may hold.
    return _checked(content.split(b"\n", 1)[0].removesuffix(b"\r"), what)


def _checked(secret: bytes, what: str) -> str:
    if len(secret) > MOST_BYTES:
        raise ConfigError(f"{what}: its line is larger than {MOST_BYTES} bytes")
    try:
        return secret.decode()
    except UnicodeDecodeError as error:
        # Not chained: that error holds the password.
        raise ConfigError(f"{what}: not UTF-8 text, byte {error.start + 1} is none") from None
