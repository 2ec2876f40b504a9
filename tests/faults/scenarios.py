"""All faults, with how often each is tried."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import broker_faults, camera_faults, clock_faults, disk_faults, load, process_faults, soak
from tests.faults.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault to be injected."""

    inject: Callable[[Path, int, int], Outcome]
    """Takes a folder for its files, the number of rounds and a seed."""
    full: int
    """Rounds of ``make faults``; of those that take a while by themselves, seconds."""
    short: int
    """Rounds of the tests."""

    @property
    def name(self) -> str:
        """As it is named on the command line."""
        return self.inject.__name__


SCENARIOS = (
    Scenario(broker_faults.broker_killed, full=20, short=3),
    Scenario(broker_faults.broker_stopped, full=180, short=3),
    Scenario(broker_faults.first_server_back, full=2, short=1),
    Scenario(broker_faults.wrong_ca, full=5, short=1),
    Scenario(broker_faults.wrong_host_name, full=5, short=1),
    Scenario(broker_faults.wrong_password, full=5, short=1),
    Scenario(broker_faults.acl_denies, full=3, short=1),
    Scenario(broker_faults.too_large, full=10, short=1),
    Scenario(broker_faults.too_large_unsaid, full=3, short=1),
    Scenario(broker_faults.mqtt_3_1_1, full=20, short=2),
    Scenario(broker_faults.broker_silent, full=3, short=1),
    Scenario(broker_faults.broker_drops_connections, full=3, short=1),
    Scenario(broker_faults.broker_never_acknowledges, full=3, short=1),
    Scenario(broker_faults.broker_sends_garbage, full=3, short=1),
    Scenario(broker_faults.broker_sends_huge_packet, full=3, short=1),
    Scenario(broker_faults.broker_refuses, full=1, short=1),
    Scenario(broker_faults.bad_first_server, full=1, short=1),
    Scenario(process_faults.daemon_killed, full=50, short=3),
    Scenario(process_faults.daemon_stopped, full=20, short=2),
    Scenario(process_faults.model_hangs, full=20, short=2),
    Scenario(process_faults.model_raises, full=20, short=2),
    Scenario(process_faults.model_aborts, full=20, short=2),
    Scenario(process_faults.edge_tpu_dies, full=10, short=1),
    Scenario(disk_faults.power_cut, full=200, short=10),
    Scenario(disk_faults.disk_full, full=10, short=1),
    Scenario(disk_faults.disk_read_only, full=10, short=1),
    Scenario(disk_faults.disk_failing, full=10, short=1),
    Scenario(disk_faults.disk_slow, full=10, short=1),
    Scenario(disk_faults.disk_full_from_the_start, full=10, short=1),
    Scenario(disk_faults.damaged, full=100, short=5),
    Scenario(clock_faults.clock_jumps, full=21, short=3),
    Scenario(camera_faults.rtsp_killed, full=20, short=1),
    Scenario(camera_faults.rtsp_stopped, full=20, short=1),
    Scenario(camera_faults.rtsp_replaced, full=20, short=1),
    Scenario(camera_faults.http_camera, full=5, short=1),
    Scenario(load.sustained_load, full=300, short=5),
    Scenario(load.backlog, full=100, short=1),
    Scenario(soak.soak, full=1800, short=30),
)
