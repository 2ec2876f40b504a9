"""On files as the kernel has them in /sys; the values are those that owners of a Coral published."""

from pathlib import Path

import pytest

from facemask_edge.edge_tpu_devices import EdgeTpuDevice, hottest, pcie_devices, usb_devices


@pytest.fixture
def apex(tmp_path: Path) -> Path:
    """As the folder of the PCIe driver, with two chips (lm-sensors, issue 429)."""
    for number, temperature in enumerate(("62300", "54800")):
        device = tmp_path / f"apex_{number}"
        device.mkdir()
        (device / "temp").write_text(f"{temperature}\n")
        (device / "trip_point0_temp").write_text("84800\n")
        (device / "driver_version").write_text("1.1\n")
    return tmp_path


def test_a_pcie_one_tells_millidegrees_its_trip_point_and_its_driver(apex: Path) -> None:
    warm, cool = (EdgeTpuDevice("PCIe", celsius=celsius, slower_from=84.8, driver="1.1") for celsius in (62.3, 54.8))
    assert pcie_devices(apex) == [warm, cool]
    assert hottest([cool, warm, EdgeTpuDevice("USB")]) == warm
    assert str(warm) == "PCIe 62 °C"


@pytest.mark.parametrize("text", ["-89700\n", "", "warm"], ids=["a chip that is gone", "empty", "no number"])
def test_what_is_no_temperature_is_none(text: str, apex: Path) -> None:
    (apex / "apex_0" / "temp").write_text(text)
    (apex / "apex_0" / "trip_point0_temp").unlink()
    assert pcie_devices(apex)[0] == EdgeTpuDevice("PCIe", driver="1.1")


def test_an_older_driver_without_a_thermometer_is_there_all_the_same(apex: Path) -> None:
    (apex / "apex_0" / "temp").unlink()
    (apex / "apex_1" / "temp").unlink()
    assert len(pcie_devices(apex)) == 2
    assert hottest(pcie_devices(apex)) is None


def test_usb_ones_are_found_before_and_after_their_first_use(tmp_path: Path) -> None:
    identities = {"1-1": ("1a6e", "089a", "480"), "1-2": ("18d1", "9302", "5000"), "1-3": ("046d", "082d", "480")}
    for name, (vendor, product, speed) in identities.items():
        device = tmp_path / name
        device.mkdir()
        for file, text in (("idVendor", vendor), ("idProduct", product), ("speed", speed)):
            (device / file).write_text(f"{text}\n")
    (tmp_path / "1-0:1.0").mkdir()
    found = usb_devices(tmp_path)
    assert found == [EdgeTpuDevice("USB", megabits=480), EdgeTpuDevice("USB", megabits=5000)]
    assert str(found[1]) == "USB 5000 Mbit/s"


def test_where_there_is_none_there_is_none(tmp_path: Path) -> None:
    assert pcie_devices(tmp_path / "apex") == usb_devices(tmp_path / "usb") == []
    assert hottest([]) is None
