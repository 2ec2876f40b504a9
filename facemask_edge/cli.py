"""The command line: parses, calls, prints one sentence for an error a user can act on, and nothing else."""

import errno
import gc
import logging
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from facemask_edge import __version__
from facemask_edge.call_stack import with_room_for_calls
from facemask_edge.errors import FacemaskError, OutputError
from facemask_edge.logs import last_words, set_up_logging
from facemask_edge.rollouts.cli import app as rollout

EXIT_USAGE = 64
EXIT_FAULT = 70
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A full disk, in the ways that a system says so."""
app = typer.Typer(
    help="A mask-compliance camera: finds faces, judges masks, reports violations over MQTT.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a configuration value, parsed as YAML."),
]
Configuration = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", envvar="FACEMASK_CONFIG", help="Configuration; without one the defaults."),
]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback signature
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def facemask_edge(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A mask-compliance camera: finds faces, judges masks, reports violations over MQTT."""


@app.command()
def run(
    *,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
    drain_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the broker after a recording's end.")
    ] = 30.0,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what only a developer wants to know, too.")] = False,
) -> None:
    """Watch the cameras and report violations until stopped, or until all recordings have ended."""
    # Hardly anything of what is imported is garbage; looking for some again and again is a good part of the start.
    gc.disable()
    # Imported here: an unknown option or --help must not wait for OpenCV and the TFLite runtime.
    from facemask_edge.config_file import load_config  # noqa: PLC0415
    from facemask_edge.daemon import Daemon  # noqa: PLC0415

    set_up_logging(is_verbose=verbose)
    daemon = Daemon(load_config(config, overrides))
    daemon.stop_on_signals()
    daemon.run(drain_timeout=drain_timeout)


@app.command()
def annotate(
    *,
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="Pictures, folders of pictures, videos.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for annotated copies and results.jsonl.")],
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
) -> None:
    """Draw the verdicts into copies of pictures and videos and write them to results.jsonl."""
    from facemask_edge.annotate import annotate as annotate_sources  # noqa: PLC0415 - as in run
    from facemask_edge.config_file import load_config  # noqa: PLC0415

    results = annotate_sources(sources, output, load_config(config, overrides))
    typer.echo(f"{results}")


@app.command()
def explain(
    *,
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="Pictures, and folders of pictures.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the explained copies and results.jsonl.")],
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
) -> None:
    """Draw over each face what speaks for its verdict, and write the verdicts to results.jsonl."""
    from facemask_edge.config_file import load_config  # noqa: PLC0415 - as in run
    from facemask_edge.explain import explain as explain_pictures  # noqa: PLC0415 - as in run

    results = explain_pictures(pictures, output, load_config(config, overrides))
    typer.echo(f"{results}")


@app.command()
def benchmark(
    *,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE", help="Recording, folder of pictures or camera; otherwise the packaged sample."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long.")] = 10.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the result there, to be shared.")
    ] = None,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
) -> None:
    """Measure what this device can do: latency of each stage, frames a second, and where the time goes."""
    from facemask_edge.benchmark import benchmark as benchmark_device  # noqa: PLC0415 - as in run
    from facemask_edge.config_file import load_config  # noqa: PLC0415

    benchmark_device(source, load_config(config, overrides), seconds=seconds, json_file=json_file)


@app.command("coral-report")
def coral_report(
    *,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
) -> None:
    """Compare the Edge TPU with the CPU on the packaged sample, and print a report as JSON, to be sent back."""
    from facemask_edge.config_file import load_config  # noqa: PLC0415 - as in run
    from facemask_edge.edge_tpu_report import coral_report as report  # noqa: PLC0415 - as in run

    report(load_config(config, overrides))


@app.command()
def demo(
    *,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the annotated video and contact sheet.")
    ] = Path("demo-output"),
    server: Annotated[
        str | None, typer.Option(metavar="mqtt://HOST:PORT", help="Use this broker instead of starting one.")
    ] = None,
) -> None:
    """Play the packaged sample through the daemon, and print the violations that a subscriber receives."""
    from facemask_edge.demo import demo as run_demo  # noqa: PLC0415 - as in run

    run_demo(output, server)


@app.command("config")
def show_config(
    _: Annotated[
        Literal["show"], typer.Argument(metavar="[show]", help="The only thing there is to do with it.")
    ] = "show",
    *,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
    origin: Annotated[
        bool, typer.Option("--origin", help="Say of each value which file and line it comes from.")
    ] = False,
) -> None:
    """Check the configuration, and print all of it with the defaults; passwords in addresses are left out."""
    from facemask_edge.config_file import load_config  # noqa: PLC0415 - as in run
    from facemask_edge.config_origins import shown_with_origins  # noqa: PLC0415 - likewise

    shown = shown_with_origins(config, overrides) if origin else load_config(config, overrides).shown()
    typer.echo(shown, nl=False)


@app.command()
def check(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
) -> None:
    """Try all that the daemon needs: configuration, models, cameras, brokers, disk, clock; say what to do."""
    from facemask_edge.check import check as examine  # noqa: PLC0415 - as in run

    # Its table says all.
    logging.disable()
    raise typer.Exit(examine(config, overrides, as_json=as_json))


@app.command()
def retire(
    *,
    force: Annotated[bool, typer.Option("--force", help="Also where a broker says that it is online.")] = False,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
) -> None:
    """Have the brokers, and with them Home Assistant, forget this device; stop it first."""
    from facemask_edge.config_file import load_config  # noqa: PLC0415 - as in run
    from facemask_edge.retire import retire as have_forgotten  # noqa: PLC0415 - as in run

    have_forgotten(load_config(config, overrides), typer.echo, force=force)


@app.command()
def provision(
    folder: Annotated[
        Path | None, typer.Argument(help="What this device is given; otherwise facemask-edge on the boot partition.")
    ] = None,
    *,
    settings: Annotated[Path, typer.Option(metavar="DIR", help="Where it is put; its group can read it.")] = Path(
        "/etc/facemask-edge"
    ),
) -> None:
    """Take over name, configuration, passwords and certificate that were left for this device; delete them there."""
    from facemask_edge.provision import provision as take_over  # noqa: PLC0415 - as in run

    set_up_logging(is_verbose=False)
    take_over(folder, settings)


@app.command()
def top(
    *,
    device: Annotated[str | None, typer.Argument(metavar="DEVICE", help="Only this one; otherwise all.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print what the broker keeps, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As --once, as JSON.")] = False,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - as in run
) -> None:
    """Show live how devices are, from what they say over MQTT, until interrupted."""
    from facemask_edge.config import is_name  # noqa: PLC0415 - as in run
    from facemask_edge.config_file import load_config  # noqa: PLC0415 - as in run
    from facemask_edge.top import top as show_top  # noqa: PLC0415 - as in run

    if device is not None and not is_name(device):
        raise typer.BadParameter("no device has such a name")
    show_top(device, load_config(config, overrides), once=once, as_json=as_json)


app.add_typer(rollout, name="rollout")
outbox = typer.Typer(help="Look into the outbox, and try dead letters again.", no_args_is_help=True)
app.add_typer(outbox, name="outbox")
OnlyDead = Annotated[bool, typer.Option("--dead", help="Only dead letters: what no broker would take.")]


def _outbox_path(config: Path | None, overrides: list[str]) -> Path:
    from facemask_edge.config_file import load_config  # noqa: PLC0415 - as in run

    return load_config(config, overrides).outbox.path


@outbox.command(name="list")
def list_events(
    *,
    dead: OnlyDead = False,
    limit: Annotated[int, typer.Option(min=1, help="Events shown at the most, oldest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - as in run
) -> None:
    """List the events that wait, and the dead letters."""
    from facemask_edge.outbox_view import show_list  # noqa: PLC0415 - as in run

    show_list(_outbox_path(config, overrides), only_dead=dead, limit=limit, as_json=as_json)


@outbox.command()
def show(
    number: Annotated[int, typer.Argument(help="As 'outbox list' shows it.")],
    *,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - as in run
) -> None:
    """Show one event."""
    from facemask_edge.outbox_view import show_one  # noqa: PLC0415 - as in run

    show_one(_outbox_path(config, overrides), number)


@outbox.command()
def retry(
    numbers: Annotated[list[int] | None, typer.Argument(help="As 'outbox list --dead' shows them.")] = None,
    *,
    all_of_them: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - as in run
) -> None:
    """Send dead letters once more."""
    from facemask_edge.outbox_view import retry as ask  # noqa: PLC0415 - as in run

    if bool(numbers) == all_of_them:
        raise typer.BadParameter("name the numbers of dead letters, or --all")
    ask(_outbox_path(config, overrides), numbers or [], all_of_them=all_of_them)


@outbox.command()
def export(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines; - is the standard output.")],
    *,
    dead: OnlyDead = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    config: Configuration = None,
    overrides: Overrides = [],  # noqa: B006 - as in run
) -> None:
    """Write the events to a file."""
    from facemask_edge.outbox_view import export as write  # noqa: PLC0415 - as in run

    write(_outbox_path(config, overrides), output, only_dead=dead, force=force)


@with_room_for_calls
def main() -> NoReturn:
    """Run the command line and end with a documented exit code, see docs/cli.md."""
    _open_closed_streams()
    try:
        code = app(standalone_mode=False)
    except FacemaskError as error:
        typer.echo(last_words(f"facemask-edge: {error}"), err=True)
        _end(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _end(130)
    except SystemExit as error:
        # Of typer, where nobody reads any more what is printed.
        _end(error.code if isinstance(error.code, int) else 1)
    except Exception as error:  # noqa: BLE001 - the last place that can turn a fault into a documented exit code
        if _is_usage_error(error):
            error.show()  # type: ignore[attr-defined]
            _end(EXIT_USAGE)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            # Mostly that of what is printed: nearly all else that is written has an error of its own.
            _end(_tell_unwritten(error))
        lines = "".join(traceback.format_exception(error))
        fault = "facemask-edge: this is a fault of the program; please report it with the lines above"
        typer.echo(last_words(f"{lines}{fault}"), err=True)
        _end(EXIT_FAULT)
    _end(code if isinstance(code, int) else 0)


def _end(code: int) -> NoReturn:
    """End the program, also while a camera's thread is in its driver.

    Python ends a thread that comes back from there by unwinding its stack, which OpenCV catches: the process would
    abort, after an orderly end. And to take all modules apart is of no use to anybody.
    """
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        # As typer ends then.
        code = code or 1
    except OSError as error:
        code = code or _tell_unwritten(error)
    os._exit(code)


def _tell_unwritten(error: OSError) -> int:
    """Say what cannot be written; the exit code."""
    place = error.filename or "the disk of what it prints or writes"
    with suppress(OSError):
        typer.echo(last_words(f"facemask-edge: {place}: {error.strerror}; make room there"), err=True)
    return OutputError.exit_code


def _open_closed_streams() -> None:
    """Have streams where who starts this has closed them.

    The next file that is opened would take their place, and get what a library prints.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - until the end


def _is_usage_error(error: Exception) -> bool:
    # typer brings its own copy of click since 0.26 and used the package before; both name the class alike, and
    # BadParameter, which typer exports in every version, is one of them.
    return any(isinstance(error, base) for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
