"""Writes the screens of docs/install.md and the README from a run in a booted Debian Trixie.

    python -m tests.system.make_screens

Needs what ``make test-system`` needs, and the port 1883 of 127.0.0.1, where a Mosquitto is started.
"""

import re
import tempfile
import time
from pathlib import Path

from tests.conftest import ROOT
from tests.system.release import make_other_version
from tests.system.site import ARCHIVE, CONFIG, UNIT, Site, built
from tests.system.test_installed import AT_THE_FIRST_FRAME

PAGES = ("docs/install.md", "README.md")
MARKED = re.compile(r"(<!-- screen: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, built("trixie", Path(folder), port=1883) as site:
        screens = _screens(site)
    for name in PAGES:
        page = ROOT / name
        page.write_text(MARKED.sub(lambda found: _filled(found, screens), page.read_text()))


def _filled(found: re.Match[str], screens: dict[str, str]) -> str:
    return f"{found[1]}```\n{screens[found[2]]}\n```\n{found[3]}"


def _screens(site: Site) -> dict[str, str]:
    machine, broker = site.machine, site.broker

    def screen(command: str) -> str:
        done = machine.run(f"export COLUMNS=100; {command} 2>&1", timeout=400, check=False)
        lines = COLOURS.sub("", done.stdout).replace("\t", " ").splitlines()
        return "\n".join(line.rstrip() for line in lines).strip("\n")

    screens = {"install": screen(f"cd {ARCHIVE} && ./systemd/install.sh --camera {site.camera} --name entrance")}
    # For the README, without what systemctl and the doctor say.
    screens["installed"] = screens["install"].partition("\n●")[0]
    screens["journal"] = screen(f"journalctl --unit {UNIT} --no-pager --lines 8")
    broker.stop()
    time.sleep(3)
    screens["check"] = screen("facemask-edge check")
    broker.start()
    machine.run(
        f"cp {CONFIG} /root/config.yaml; sed -i 's/#threshold:/treshold:/' {CONFIG}; systemctl restart {UNIT}",
        check=False,
    )
    time.sleep(3)
    screens["mistake"] = screen(f"journalctl --unit {UNIT} --no-pager --lines 4 --output cat")
    machine.run(f"cp /root/config.yaml {CONFIG}; systemctl start {UNIT}")
    make_other_version(site.archive, "0.1.1", AT_THE_FIRST_FRAME)
    screens["fallback"] = "\n".join(screen(f"cd {ARCHIVE} && ./systemd/install.sh").splitlines()[-12:])
    return screens


if __name__ == "__main__":
    main()
