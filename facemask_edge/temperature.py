"""How warm the processor is."""

from pathlib import Path

THERMAL = Path("/sys/class/thermal")


def cpu_temperature(thermal: Path = THERMAL) -> float | None:
    """The processor's temperature in degrees Celsius; None where nothing measures it."""
    for zone in sorted(thermal.glob("thermal_zone*")):
        try:
            kind = (zone / "type").read_text().strip().lower()
            if "cpu" in kind or "x86_pkg" in kind or "soc" in kind:
                return int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):
            continue
    return None
