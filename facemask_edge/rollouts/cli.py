"""The command line of rollouts: parses, calls, prints."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from facemask_edge.errors import ServiceError

app = typer.Typer(help="Deliver signed configuration and models to a fleet of devices.", no_args_is_help=True)
Keys = Annotated[Path, typer.Option("--keys", metavar="DIR", help="Folder that 'rollout keys' has made.")]

Configuration = Annotated[
    Path, typer.Option("--config", metavar="FILE", envvar="FACEMASK_CONFIG", help="That of the daemon.")
]


@app.callback()
def rollout() -> None:
    """Deliver signed configuration and models to a fleet of devices."""
    if importlib.util.find_spec("tuf") is None:
        raise ServiceError("what signs and checks rollouts is not installed: pip install 'facemask-edge[fleet]'")


@app.command()
def keys(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for them.")]) -> None:
    """Make the keys of a fleet, and the root of trust that each of its devices gets."""
    from facemask_edge.rollouts.publish import make_keys  # noqa: PLC0415 - as in facemask_edge/cli.py

    trust = make_keys(folder)
    typer.echo(f"{trust} is for the devices. Keep root.pem where no computer reads it, until 'rollout renew' needs it.")


@app.command()
def renew(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that 'rollout keys' has made.")]) -> None:
    """Make another key for rollouts in the place of the former, which devices then believe no more."""
    from facemask_edge.rollouts.publish import renew as make_another  # noqa: PLC0415 - as above

    make_another(folder)
    typer.echo("Publish a rollout with it: with that, devices learn of it.")


@app.command()
def publish(
    *,
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The rollout: fleet/, sites/NAME/ and devices/NAME/.")
    ],
    folder: Keys,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the web server.")],
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="Days for which devices believe that nothing is newer.")
    ] = 365,
) -> None:
    """Check and sign a rollout, for a web server to hand out."""
    from facemask_edge.rollouts.publish import publish as sign  # noqa: PLC0415 - as above

    published = sign(source, folder, output, days=days)
    names = ", ".join(published.archives) or "nothing"
    typer.echo(f"rollout {published.version}: {names}; to be signed again before {published.until:%Y-%m-%d}")


# Called by the unit that comes before the daemon's at each boot in a trial.
@app.command(hidden=True)
def settle(config: Configuration) -> None:
    """Begin with what has proved itself, where a trial was cut off; as root, before the daemon starts."""
    from facemask_edge.rollouts.update import settle as begin_anew  # noqa: PLC0415 - as above

    begin_anew(config)


@app.command()
def update(config: Configuration) -> None:
    """Take the newest rollout, and go back to the one before where it does not prove itself; as root."""
    from facemask_edge.logs import set_up_logging  # noqa: PLC0415 - as above
    from facemask_edge.rollouts.service import Service  # noqa: PLC0415 - as above
    from facemask_edge.rollouts.update import update as take_newest  # noqa: PLC0415 - as above

    set_up_logging(is_verbose=False)
    take_newest(config, Service())
