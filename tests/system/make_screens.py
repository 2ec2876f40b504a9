"""Writes the screens of docs/install.md and the README from a run in a booted Debian Trixie.

    python -m tests.system.make_screens

Needs what ``make test-system`` needs, and the port 1883 of 127.0.0.1, where a Mosquitto is started.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, Mosquitto
from tests.motion_jpeg import motion_jpeg_server
from tests.system.container import Container, booted, make_root
from tests.system.release import bundle, make_other_version
from tests.system.test_installed import ARCHIVE, AT_THE_FIRST_FRAME, CONFIG, UNIT, walking_by

PAGES = ("docs/install.md", "README.md")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def main() -> None:
    screens = _screens()
    for name in PAGES:
        page = ROOT / name
        text = page.read_text()
        for screen, content in screens.items():
            pattern = rf"(<!-- screen: {screen} -->\n).*?(<!-- end -->)"
            replacement = f"```\n{content}\n```\n"
            text = re.sub(pattern, lambda found: found[1] + replacement + found[2], text, flags=re.DOTALL)  # noqa: B023
        page.write_text(text)


def _screens() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = bundle(folder, "x86_64", "3.13")
        root = make_root("trixie", folder)
        shutil.copytree(archive, root / ARCHIVE.removeprefix("/"))
        broker = Mosquitto(folder, "allow_anonymous true", port=1883).start()
        try:
            with _machine(root) as (machine, camera):
                return _visited(machine, camera, broker, root / ARCHIVE.removeprefix("/"))
        finally:
            broker.stop()


@contextmanager
def _machine(root: Path) -> Iterator[tuple[Container, str]]:
    with motion_jpeg_server() as (camera, handler), booted(root) as machine:
        handler.stream = staticmethod(walking_by)
        yield machine, camera


def _visited(machine: Container, camera: str, broker: Mosquitto, archive: Path) -> dict[str, str]:
    def screen(command: str) -> str:
        done = machine.run(f"export COLUMNS=100; {command} 2>&1", timeout=400, check=False)
        lines = COLOURS.sub("", done.stdout).replace("\t", " ").splitlines()
        return "\n".join(line.rstrip() for line in lines).strip("\n")

    screens = {"install": screen(f"cd {ARCHIVE} && ./systemd/install.sh --camera {camera} --name entrance")}
    # For the README, without what systemctl and the doctor say.
    screens["installed"] = screens["install"].partition("\n●")[0]
    screens["journal"] = screen(f"journalctl --unit {UNIT} --no-pager --lines 8")
    broker.stop()
    time.sleep(3)
    screens["check"] = screen("facemask-edge check")
    broker.start()
    machine.run(
        f"cp {CONFIG} /root/config.yaml; sed -i 's/threshold:/treshold:/' {CONFIG}; systemctl restart {UNIT}",
        check=False,
    )
    time.sleep(3)
    screens["mistake"] = screen(f"journalctl --unit {UNIT} --no-pager --lines 4 --output cat")
    machine.run(f"cp /root/config.yaml {CONFIG}; systemctl start {UNIT}")
    make_other_version(archive, "0.1.1", AT_THE_FIRST_FRAME)
    screens["fallback"] = "\n".join(screen(f"cd {ARCHIVE} && ./systemd/install.sh").splitlines()[-12:])
    return screens


if __name__ == "__main__":
    main()
