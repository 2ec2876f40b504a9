"""``tests.faults.device`` with its patience shortened, so that a test need not wait for minutes.

The numbers alone are others, what they are used for is the real code. ``FAULTS_PATIENT`` leaves them as they are;
``FAULTS_LARGE=N`` makes every Nth violation an event of 5 kB; a real one has 700 bytes.
"""

import os
from typing import Any

import facemask_edge.mqtt
from facemask_edge import holds, messages
from tests.faults import device

PATIENCE = {
    "ANSWER_TIMEOUT": 2.0,
    "ACKNOWLEDGE_TIMEOUT": 2.0,
    "RETURN_INTERVAL": 2.0,
    "SHORTEST_BACKOFF": 0.1,
    "LONGEST_BACKOFF": 0.5,
}
LARGE_TRACK = "x" * 5000


def _make_some_large(every: int) -> None:
    violations: dict[str, bool] = {}

    def payload(violation: Any, *arguments: Any, **more: Any) -> dict[str, Any]:
        made = messages.violation_payload(violation, *arguments, **more)
        if violations.setdefault(violation.id, len(violations) % every == every - 1):
            made["track"] = LARGE_TRACK
        return made

    vars(device)["violation_payload"] = payload


if __name__ == "__main__":
    if "FAULTS_PATIENT" not in os.environ:
        for name, seconds in PATIENCE.items():
            setattr(facemask_edge.mqtt, name, seconds)
        holds.HOLD = 2.0
    if "FAULTS_LARGE" in os.environ:
        _make_some_large(int(os.environ["FAULTS_LARGE"]))
    device.main()
