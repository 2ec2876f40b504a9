"""A persistent subscriber that goes on at another node when its own is gone, and keeps what came and when.

    python -m tests.fleet.recorder FILE PORT... [--topic facemask/+/+/violation]

Says "listens" once it does; ends at the end of its standard input. FILE gets a line of JSON for each message.
"""

import argparse
import itertools
import json
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

CLIENT_ID = "fleet-recorder"
RETRY = 0.2
"""Seconds until the next node is tried."""


class Recorder:
    """Of MQTT 3.1.1, which all brokers speak, with a session that the broker keeps."""

    def __init__(self, file: Path, ports: list[int], topic: str) -> None:
        self._out = file.open("w")
        self._ports = itertools.cycle(ports)
        self._topic = topic
        self._is_over = False
        self.listens = threading.Event()

    def run(self) -> None:
        """Take what comes until told to stop."""
        while not self._is_over:
            client = paho.Client(
                CallbackAPIVersion.VERSION2, CLIENT_ID, clean_session=False, reconnect_on_failure=False
            )
            client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=1)
            client.on_subscribe = lambda *_: self.listens.set()
            client.on_message = self._take
            try:
                client.connect("127.0.0.1", next(self._ports), keepalive=5)
                while not self._is_over and client.loop(0.2) == paho.MQTT_ERR_SUCCESS:
                    pass
            except OSError:
                pass
            client.disconnect()
            time.sleep(RETRY)

    def stop(self) -> None:
        """End."""
        self._is_over = True

    def _take(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        # paho acknowledges when this returns.
        line = {"at": time.time(), "topic": message.topic, "payload": json.loads(message.payload)}
        self._out.write(f"{json.dumps(line)}\n")
        self._out.flush()


def main() -> None:
    """Listen until the standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("ports", nargs="+", type=int)
    parser.add_argument("--topic", default="facemask/+/+/violation")
    options = parser.parse_args()
    recorder = Recorder(options.file, options.ports, options.topic)
    thread = threading.Thread(target=recorder.run)
    thread.start()
    recorder.listens.wait()
    print("listens", flush=True)
    sys.stdin.read()
    recorder.stop()
    thread.join()


if __name__ == "__main__":
    main()
