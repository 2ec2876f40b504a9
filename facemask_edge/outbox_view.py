"""What is in an outbox, for ``facemask-edge outbox``: read only, whether the daemon runs or not."""

import datetime as dt
import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from rich.console import Console
from rich.table import Table
from rich.text import Text

from facemask_edge import outbox_requests
from facemask_edge.errors import InputError, OutputError
from facemask_edge.events import DAMAGED, Message
from facemask_edge.outbox_rows import all_rows, distrust, parsed
from facemask_edge.redaction import printable


def show_list(path: Path, *, only_dead: bool, limit: int, as_json: bool) -> None:
    """Print the oldest events, one a line.

    Raises:
        InputError: There is no outbox, or it cannot be read.
    """
    with _opened(path) as database:
        waiting, dead, dropped = _counts(database)
        messages = [message for _, message in zip(range(limit), _messages(database, only_dead=only_dead), strict=False)]
    if as_json:
        counts = {"waiting": waiting, "dead_letters": dead, "dropped": dropped}
        print(json.dumps(counts | {"events": [_as_json(message) for message in messages]}))  # noqa: T201 - the result
        return
    console = Console(highlight=False)
    # The violation's id would not leave room for the rest on a terminal of 80 columns; ``show`` says it.
    table = Table("number", "recorded (UTC)", "camera", "event", "state", box=None)
    for message in messages:
        event = _event(message)
        table.add_row(
            str(message.position),
            _recorded(message) or "",
            _plain(event.get("camera", "")),
            _plain(str(event.get("event_type", "")).removeprefix("violation_")),
            _plain(message.dead_reason or "waits"),
        )
    if messages:
        console.print(table)
    more = (dead if only_dead else waiting + dead) - len(messages)
    rest = f" ({more} more; --limit shows more)" if more > 0 else ""
    console.print(f"{waiting} wait, {dead} dead letters, {dropped} dropped so far{rest}")


def counts(path: Path) -> tuple[int, int, int]:
    """How many events wait, are dead letters, and were dropped so far.

    Raises:
        InputError: There is no outbox, or it cannot be read.
    """
    with _opened(path) as database:
        return _counts(database)


def show_one(path: Path, number: int) -> None:
    """Print all that is known of one event, as JSON.

    Raises:
        InputError: There is no such event or no outbox.
    """
    with _opened(path) as database:
        found = next((message for message in _messages(database) if message.position == number), None)
    if found is None:
        raise InputError(f"outbox {path}: no event has the number {number}; facemask-edge outbox list shows them")
    Console(highlight=False).print_json(json.dumps(_as_json(found)))


def retry(path: Path, numbers: Sequence[int], *, all_of_them: bool) -> None:
    """Ask the daemon to send dead letters once more.

    Raises:
        InputError: A number is not that of a dead letter, or there is no outbox.
        OutputError: The request cannot be left.
    """
    with _opened(path) as database:
        dead = {message.position: message for message in _messages(database, only_dead=True)}
    unknown = sorted(set(numbers) - set(dead))
    if unknown:
        raise InputError(f"outbox {path}: {unknown[0]} is no dead letter; facemask-edge outbox list --dead shows them")
    damaged = [number for number in numbers if dead[number].is_damaged]
    if damaged:
        raise InputError(f"outbox {path}: {damaged[0]} was {DAMAGED}: nothing is left of it that could be sent")
    chosen = [number for number, message in dead.items() if not message.is_damaged] if all_of_them else numbers
    outbox_requests.ask_for_retry(path, chosen)
    print(f"{len(chosen)} dead letters are sent again, at once or when the daemon runs")  # noqa: T201 - the result


def export(path: Path, output: Path, *, only_dead: bool, force: bool) -> None:
    """Write the events to a file as JSON lines; ``-`` is the standard output.

    Raises:
        InputError: There is no outbox, or it cannot be read.
        OutputError: The file cannot be written, or is there already.
    """
    with _opened(path) as database:
        messages = _messages(database, only_dead=only_dead)
        if str(output) == "-":
            _write(messages, sys.stdout)
            return
        try:
            with output.open("w" if force else "x", encoding="utf-8") as file:
                count = _write(messages, file)
        except FileExistsError as error:
            raise OutputError(f"{output} is there already; name another file, or use --force") from error
        except OSError as error:
            raise OutputError(f"{output}: {error.strerror}") from error
    print(f"{count} events written to {output}")  # noqa: T201 - the result


def _write(messages: Iterator[Message], file: TextIO) -> int:
    count = 0
    for message in messages:
        file.write(json.dumps(_as_json(message), ensure_ascii=False) + "\n")
        count += 1
    return count


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.stat()
    except FileNotFoundError as error:
        raise InputError(f"outbox {path}: there is none; name the daemon's configuration with --config") from error
    except OSError as error:
        raise InputError(f"outbox {path}: {error.strerror}; read it as the daemon's user or with sudo") from error
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=5)) as database:
            distrust(database)
            yield database
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # A decoding error is SQLite's own sentence about a damaged structure, which quotes it.
        fault = error if isinstance(error, sqlite3.Error) else "its structure is damaged"
        raise InputError(
            f"outbox {path}: {fault}; read it as the daemon's user or with sudo (a damaged one is set aside when the "
            "daemon starts)"
        ) from error


def _messages(database: sqlite3.Connection, *, only_dead: bool = False) -> Iterator[Message]:
    return (message for message in all_rows(database) if not only_dead or message.dead_reason is not None)


def _counts(database: sqlite3.Connection) -> tuple[int, int, int]:
    total, dead = database.execute("SELECT count(*), count(dead_reason) FROM events").fetchone()
    row = database.execute("SELECT value FROM meta WHERE name = 'dropped'").fetchone()
    return total - dead, dead, int(row[0]) if row else 0


def _as_json(message: Message) -> dict[str, Any]:
    return {
        "number": message.position,
        "recorded": _recorded(message),
        "topic": message.topic,
        "dead_reason": message.dead_reason,
        "event": _event(message),
    }


def _event(message: Message) -> dict[str, Any]:
    event = parsed(message.payload)
    return event if isinstance(event, dict) else {}


def _plain(value: object) -> Text:
    """What came out of a file, without what a terminal would obey."""
    return Text(printable(str(value)))


def _recorded(message: Message) -> str | None:
    if message.is_damaged:
        return None
    return dt.datetime.fromtimestamp(message.recorded, dt.UTC).isoformat(timespec="seconds").removesuffix("+00:00")
