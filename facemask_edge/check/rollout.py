"""Whether what a fleet's operator delivers can be had."""

import importlib.util
from collections.abc import Iterator

from facemask_edge.check.finding import Finding, ok, problem, secret_or_configuration, warning
from facemask_edge.config import Config
from facemask_edge.errors import ConfigError, OutputError, ServiceError


def check_rollout(config: Config) -> Iterator[Finding]:
    """The section ``rollout``: the root of trust, and the server."""
    if config.rollout.url is None:
        return
    if importlib.util.find_spec("tuf") is None:
        yield problem("rollout", "what takes it is not installed", "pip install 'facemask-edge[fleet]'")
        return
    from facemask_edge.rollouts.fetch import look  # noqa: PLC0415 - few devices need its libraries

    try:
        yield ok("rollout", f"{config.rollout.url} vouches for rollout {look(config.rollout)}")
    except ConfigError as error:
        yield secret_or_configuration(error)
    except (ServiceError, OutputError) as error:
        yield warning("rollout", str(error), "this device goes on with what it has")
