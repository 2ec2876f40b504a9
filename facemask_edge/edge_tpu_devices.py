"""Which Edge TPUs are plugged in, and how warm they are: read from the kernel's files, no device is opened.

The driver of a PCIe one tells millidegrees Celsius (``temp``, ``trip_point0_temp``: github.com/google/gasket-driver,
apex_driver.c at b20a2f2). A USB one tells nothing (github.com/google-coral/edgetpu, issue 102).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

USB = Path("/sys/bus/usb/devices")
APEX = Path("/sys/class/apex")
CORAL = {("1a6e", "089a"), ("18d1", "9302")}
"""A USB accelerator before and after its first use."""
SLOWER_FROM = 85.0
"""Degrees Celsius from which on the driver slows the chip down, unless it was told another trip point."""
COLDEST = -40.0
"""Degrees Celsius. A chip that is gone reads as all ones, which the driver takes for -89.7 (edgetpu, issue 741)."""


@dataclass(frozen=True, slots=True)
class EdgeTpuDevice:
    """One Edge TPU."""

    kind: Literal["USB", "PCIe"]
    megabits: int | None = None
    """Speed of the USB link a second: 480 is USB 2, 5000 is USB 3."""
    celsius: float | None = None
    """None where nobody measures it."""
    slower_from: float = SLOWER_FROM
    """Degrees Celsius from which on the driver slows it down."""
    driver: str | None = None
    """Version of the PCIe driver."""

    def __str__(self) -> str:
        """As a user reads it."""
        link = "" if self.megabits is None else f" {self.megabits} Mbit/s"
        warmth = "" if self.celsius is None else f" {self.celsius:.0f} °C"
        return f"{self.kind}{link}{warmth}"


def edge_tpu_devices() -> list[EdgeTpuDevice]:
    """All that are plugged in."""
    return [*pcie_devices(), *usb_devices()]


def pcie_devices(apex: Path = APEX) -> list[EdgeTpuDevice]:
    """Those that the PCIe driver found, in the order of its numbers."""
    return [
        EdgeTpuDevice(
            "PCIe",
            celsius=_degrees(device / "temp"),
            slower_from=_degrees(device / "trip_point0_temp") or SLOWER_FROM,
            driver=_text(device / "driver_version"),
        )
        for device in sorted(apex.glob("apex_*"))
    ]


def usb_devices(usb: Path = USB) -> list[EdgeTpuDevice]:
    """Those on the USB."""
    found = []
    for device in sorted(usb.glob("*")):
        if (_text(device / "idVendor"), _text(device / "idProduct")) in CORAL:
            speed = _text(device / "speed") or ""
            found.append(EdgeTpuDevice("USB", megabits=int(speed) if speed.isdecimal() else None))
    return found


def hottest(devices: Iterable[EdgeTpuDevice]) -> EdgeTpuDevice | None:
    """The hottest of those that are measured; None where none is."""
    return max(
        (device for device in devices if device.celsius is not None),
        key=lambda device: device.celsius or 0.0,
        default=None,
    )


def _degrees(file: Path) -> float | None:
    try:
        celsius = int(_text(file) or "") / 1000
    except ValueError:
        return None
    return celsius if celsius > COLDEST else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
