"""Single values that win over the files: from variables of the environment and, over those, from ``--set``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from facemask_edge.errors import ConfigError
from facemask_edge.redaction import without_password

PREFIX = "FACEMASK_EDGE__"
"""Of the variables: ``FACEMASK_EDGE__MQTT__PREFIX`` is ``mqtt.prefix``."""
OPTION = "--set"


@dataclass(frozen=True, slots=True)
class Override:
    """One value."""

    origin: str
    """``--set``, or the variable's name."""
    key: str
    """Dotted."""
    text: str
    """The value as YAML."""

    @property
    def shown(self) -> str:
        """What a sentence about it begins with, without a password."""
        return without_password(f"{OPTION} {self.key}={self.text}") if self.origin == OPTION else self.origin

    def apply(self, values: dict[str, Any]) -> None:
        """Put it in its place.

        Raises:
            ConfigError: Its value is no YAML, or what it is to be a key of has none.
        """
        try:
            value = yaml.safe_load(self.text)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f"{self.shown}: the value is not valid YAML") from error
        *sections, last = self.key.split(".")
        for section in sections:
            inner = values.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{self.shown}: {section} has no keys; write the whole of it as {section}=VALUE")
            values = inner
        values[last] = value


def read_overrides(options: Sequence[str], environment: Mapping[str, str]) -> list[Override]:
    """All of them; later ones win.

    Args:
        options: ``section.key=value`` each, as ``--set`` takes them.
        environment: Variables, of which those that begin with ``PREFIX`` count.

    Raises:
        ConfigError: An option has another form.
    """
    return [*_from_environment(environment), *map(_from_option, options)]


def the_last_of(overrides: Sequence[Override], dotted: str, *, or_below: bool = False) -> Override | None:
    """The one that gives a key its value, by itself or with its section; None where it is left to the files.

    Args:
        overrides: Later ones win.
        dotted: The key.
        or_below: Also one that gives a key below it.
    """
    for override in reversed(overrides):
        if _is_in(dotted, override.key) or (or_below and _is_in(override.key, dotted)):
            return override
    return None


def _is_in(key: str, above: str) -> bool:
    return f"{key}.".startswith(f"{above}.")


def _from_environment(environment: Mapping[str, str]) -> Iterator[Override]:
    # In order: that of a whole section comes before those of its keys.
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX):
            yield Override(name, name.removeprefix(PREFIX).lower().replace("__", "."), text)


def _from_option(option: str) -> Override:
    key, separator, text = option.partition("=")
    if not separator or not key:
        raise ConfigError(f"{OPTION} {without_password(option)}: write it as section.key=value")
    return Override(OPTION, key, text)
