"""Keeps what a fleet of cameras reports over MQTT in PostgreSQL (schema.sql), each message once.

    pip install 'paho-mqtt>=2.1,<3' 'psycopg[binary]>=3.2'
    python keep_violations.py --broker mqtt://one:1883 --broker mqtt://two:1883 --database postgresql:///fleet

A message is acknowledged when it is committed: what this program, the database or a broker's node takes down with it
is delivered again. With --share, brokers that know shared subscriptions (Mosquitto, EMQX, HiveMQ) spread the messages
over all of that name. The passwords: MQTT_PASSWORD; PGPASSWORD or ~/.pgpass.
"""

import argparse
import itertools
import logging
import os
import sys
import time
from urllib.parse import SplitResult, urlsplit

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

TOPICS = ("+/+/violation", "+/+/people", "+/health", "+/status")  # under each prefix
MOST = 500  # messages in a transaction
logger = logging.getLogger("keep_violations")


class Keeper:
    """A session at a broker, and a database, for as long as both answer."""

    def __init__(self, options: argparse.Namespace, broker: SplitResult, database: psycopg.Connection) -> None:
        self._broker, self._database = broker, database
        self._batch: list[paho.MQTTMessage] = []
        share = f"$share/{options.share}/" if options.share else ""
        topics = [(f"{share}{prefix}/{topic}", 1) for prefix in options.prefix or ["facemask"] for topic in TOPICS]
        self._client = paho.Client(CallbackAPIVersion.VERSION2, options.client_id, clean_session=False)
        self._client.manual_ack_set(True)  # noqa: FBT003 - paho's
        if options.username:
            self._client.username_pw_set(options.username, os.environ.get("MQTT_PASSWORD"))
        if broker.scheme == "mqtts":
            self._client.tls_set(options.ca, options.cert, options.key)
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.on_subscribe = self._subscribed
        self._client.on_message = lambda _client, _data, message: self._batch.append(message)

    def run(self) -> None:
        """Keep until the one or the other answers no more."""
        port = self._broker.port or {"mqtts": 8883}.get(self._broker.scheme, 1883)
        self._client.connect(self._broker.hostname or "", port, keepalive=15)
        while True:
            before = len(self._batch)
            code = self._client.loop(0.05)
            # A moment without a new one, or enough of them: one transaction for all.
            if self._batch and (len(self._batch) == before or len(self._batch) >= MOST):
                self._keep()
            if code != paho.MQTT_ERR_SUCCESS:
                raise ConnectionError(paho.error_string(code))

    def _subscribed(self, _client: paho.Client, _data: object, _mid: int, reasons: list[ReasonCode], _: object) -> None:
        if any(reason.is_failure for reason in reasons):
            raise PermissionError("it does not let us listen; see its access rules")
        logger.info("%s: listening", self._broker.hostname)

    def _keep(self) -> None:
        with self._database.transaction(), self._database.cursor() as cursor:
            # In the same order in all keepers: two that each wait for the other's rows would wait for nothing.
            batch = sorted(self._batch, key=lambda each: each.topic.split("/")[:2])
            rows = [(each.topic, each.payload, each.retain or each.dup) for each in batch]
            cursor.executemany("SELECT keep(%s, %s, %s)", rows)
        for message in self._batch:
            self._client.ack(message.mid, message.qos)
        self._batch.clear()


def main() -> None:
    """Keep until somebody ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", action="append", required=True, help="mqtt:// or mqtts://host:port, tried in order")
    parser.add_argument("--database", default="", help="as libpq has it; by default PGHOST, PGDATABASE and so on")
    parser.add_argument("--prefix", action="append", help="mqtt.prefix of the devices, perhaps several; facemask")
    parser.add_argument("--client-id", default="keep-violations", help="of the session; each has its own")
    parser.add_argument("--share", help="name under which several share the messages")
    for option in ("username", "ca", "cert", "key"):
        parser.add_argument(f"--{option}")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    for broker in itertools.cycle(urlsplit(each) for each in options.broker):
        try:
            with psycopg.connect(options.database, autocommit=True) as database:
                Keeper(options, broker, database).run()
        except psycopg.errors.UndefinedFunction:
            sys.exit("this database does not know what a violation is; run: psql -f schema.sql")
        except (OSError, psycopg.Error) as error:
            logger.warning("%s: %s", broker.hostname, error)
        time.sleep(1.0)  # until the next broker is tried, or the database again


if __name__ == "__main__":
    main()
