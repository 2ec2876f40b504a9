"""A real PostgreSQL, as Debian has it, on a port of its own."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.conftest import free_port

BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
NO_POSTGRES = "the Debian package postgresql is not installed"


class Postgres:
    """One that keeps nothing after it has ended."""

    def __init__(self) -> None:
        # PostgreSQL refuses to run as root; Debian's package has made a user for it.
        self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if _is_root() else []
        self._user = "postgres" if _is_root() else getpass.getuser()
        # Not pytest's own folder: that is nobody else's to enter.
        self._folder = Path(tempfile.mkdtemp(prefix="facemask-postgres-"))
        if _is_root():
            shutil.chown(self._folder, "postgres", "postgres")
        self._port = free_port()
        self._run("initdb", "--auth=trust", f"--username={self._user}", "--no-sync")
        self.start()

    @property
    def address(self) -> str:
        """As libpq has it."""
        return f"postgresql://{self._user}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start, and wait until it lets somebody in."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._folder}"
        self._run("pg_ctl", "--wait", f"--options={options}", f"--log={self._folder / 'log'}", "start")

    def kill(self) -> None:
        """What is not committed is gone."""
        self._run("pg_ctl", "--wait", "--mode=immediate", "stop")

    def remove(self) -> None:
        """End, and leave nothing."""
        subprocess.run([*self._command("pg_ctl"), "--mode=immediate", "stop"], stdout=subprocess.DEVNULL, check=False)
        shutil.rmtree(self._folder)

    def _command(self, program: str) -> list[str]:
        assert BIN is not None
        return [*self._as_user, str(BIN / program), f"--pgdata={self._folder / 'data'}"]

    def _run(self, program: str, *options: str) -> None:
        command = [*self._command(program), *options]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=self._folder)

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        """Somebody who asks."""
        return psycopg.connect(self.address, autocommit=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """One for a while."""
    running = Postgres()
    try:
        yield running
    finally:
        running.remove()


def _is_root() -> bool:
    return os.geteuid() == 0
