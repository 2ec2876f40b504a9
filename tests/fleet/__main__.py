"""Lets devices report through clusters of which a node is killed, and through each kind of broker at several rates.

    python -m tests.fleet [--rate 300] [--seconds 40] [--json fleet-results.json]

Ends with 1 when a message was lost. Hours of a real fleet it is not: all nodes, devices and who listens share the
processors of this computer.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from tests.fleet.cluster import Nats, OneMosquitto, RabbitMq
from tests.fleet.scenario import PUBLISHERS_NODE, SUBSCRIBERS_NODE, Outcome, play

BROKERS = {"Mosquitto": OneMosquitto, "NATS": Nats, "RabbitMQ": RabbitMq}
KILLED = {"the publishers'": PUBLISHERS_NODE, "the subscriber's": SUBSCRIBERS_NODE}
RATES = (10.0, 100.0, 300.0)
"""Violations a second of the table of latencies."""
RATE_SECONDS = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=300.0, help="violations a second while a node is killed")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--only", nargs="+", choices=BROKERS, default=list(BROKERS), metavar="BROKER")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    console = Console(highlight=False, width=150)
    kills, rates = [], []
    for broker in options.only:
        for of_whom, node in KILLED.items() if broker != "Mosquitto" else ():
            outcome = _play(broker, rate=options.rate, seconds=options.seconds, killed=node)
            console.print(f"{broker}, {of_whom} node: {outcome}")
            kills.append({"broker": broker, "killed": of_whom, "violations": options.rate, **asdict(outcome)})
        for rate in RATES:
            outcome = _play(broker, rate=rate, seconds=RATE_SECONDS, killed=None)
            console.print(f"{broker}, {rate:g} a second: {outcome}")
            rates.append({"broker": broker, "violations": rate, **asdict(outcome)})
        if options.json:
            options.json.write_text(json.dumps({"kills": kills, "rates": rates}, indent=1) + "\n")
    sys.exit(any(each["lost"] or each["under_two_keys"] for each in (*kills, *rates)))


def _play(broker: str, *, rate: float, seconds: float, killed: int | None) -> Outcome:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return play(BROKERS[broker], Path(folder), rate=rate, seconds=seconds, killed=killed)


if __name__ == "__main__":
    main()
