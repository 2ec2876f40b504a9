"""What a fleet reports goes through a real cluster into a real PostgreSQL, and is asked for there."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import MOSQUITTO, NO_MOSQUITTO
from tests.fleet.cluster import NATS, NO_BROKERS, Cluster, Nats, OneMosquitto, running
from tests.fleet.postgres import BIN, NO_POSTGRES, Postgres, postgres
from tests.make_dashboard import DASHBOARD, FLEET, QUERIES, made
from tests.subscriber import wait_until
from tests.test_daemon import RECORDINGS

needs_nats = pytest.mark.skipif(NATS is None, reason=NO_BROKERS)
needs_postgres = pytest.mark.skipif(BIN is None, reason=NO_POSTGRES)


@pytest.fixture
def database() -> Iterator[Postgres]:
    """One with the schema."""
    with postgres() as running_postgres:
        with running_postgres.connect() as connection:
            # Twice: it may be run again.
            for _ in range(2):
                connection.execute((FLEET / "schema.sql").read_bytes())
        yield running_postgres


@contextmanager
def keeper(cluster: Cluster, database: Postgres, *options: str, name: str = "keeper") -> Iterator[None]:
    command = [sys.executable, str(FLEET / "keep_violations.py"), "--client-id", name, *options]
    servers = [word for server in cluster.servers[::-1] for word in ("--broker", server)]
    address = f"{database.address}?application_name={name}"
    with subprocess.Popen([*command, *servers, "--database", address], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert any("listening" in line for line in process.stderr), "it listens"
            yield
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def devices(cluster: Cluster, folder: Path, *options: str) -> Iterator[dict[str, int]]:
    """Simulated ones; what they said when they are done is there afterwards."""
    command = [sys.executable, "-m", "tests.fleet.devices", str(folder), *cluster.servers, *options]
    said: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        yield said
        assert process.stdout is not None
        said.update(json.loads(process.stdout.read()))


def violation(**fields: str) -> bytes:
    """A message of the device door that is right but for these."""
    right = {
        "schema": "facemask-edge/violation/1",
        "device": "door",
        "camera": "camera",
        "event_type": "violation_start",
    }
    ids = dict.fromkeys(("stream", "id"), "0199d2c6-0000-7000-8000-000000000000")
    numbers = {"sequence": 1, "probability": 0.9, "clock_synchronized": True}
    return json.dumps({**right, **ids, **numbers, "time": "2026-01-01T00:00:00Z", **fields}).encode()


def rows(database: Postgres, query: str) -> Sequence[Any]:
    with database.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def kept(database: Postgres) -> int:
    return int(rows(database, "SELECT count(*) FROM violation_message")[0][0])


def answer(database: Postgres, name: str) -> list[dict[str, Any]]:
    """Of one of the queries, about the last day, as Grafana would put it."""
    text = (QUERIES / f"{name}.sql").read_text().replace("$__timeFilter(", "about_the_last_day(")
    with psycopg.connect(database.address, autocommit=True) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION about_the_last_day(timestamptz) RETURNS boolean LANGUAGE sql AS"
            " $$ SELECT $1 BETWEEN now() - interval '1 day' AND now() $$"
        )
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(text.encode()).fetchall()


def compliance(door: str, database: Postgres) -> float | None:
    return {row["door"]: row["compliance"] for row in answer(database, "compliance_by_door")}.get(door)


def counts(database: Postgres, query: str, wanted: int) -> bool:
    return bool(rows(database, query)[0][0] == wanted)


@needs_nats
@needs_postgres
def test_what_a_cluster_carries_is_kept_once_and_answers_what_an_operator_asks(
    tmp_path: Path, database: Postgres
) -> None:
    with running(Nats, tmp_path / "brokers") as cluster, keeper(cluster, database):
        with devices(cluster, tmp_path / "devices", "--devices", "5", "--rate", "10", "--seconds", "12") as said:
            assert wait_until(lambda: kept(database) > 40, 60)
            # Its own node, and a moment later the database.
            cluster.kill(-1)
            assert wait_until(lambda: kept(database) > 80, 60)
            database.kill()
            database.start()
        assert said == {"decided": 240, "unacknowledged": 0}
        assert wait_until(lambda: kept(database) >= 240, 60)
        # A real device, with a real camera's pictures.
        command = [sys.executable, "-m", "facemask_edge", "run"]
        servers = f"mqtt.servers={json.dumps(cluster.servers[:2])}"
        source = f"cameras=[{{name: gate, source: {RECORDINGS[0]}}}]"
        outbox = [f"outbox.path={tmp_path / 'outbox.sqlite3'}", "outbox.min_free_bytes=0"]
        told = (servers, source, "mqtt.protocol=3.1.1", "device.name=entrance", *outbox)
        of_entrance = "SELECT count(*) FROM violation WHERE device = 'entrance' AND ended IS NOT NULL"
        runs = 0
        # Who is in view is said once (QoS 0): what a cluster that lost a node drops of it, all or the part about those
        # without a mask, is told of the next who pass.
        while runs < 3 and compliance("entrance gate", database) in {None, 0, 1}:
            runs += 1
            subprocess.run([*command, *(word for each in told for word in ("--set", each))], check=True)
            assert wait_until(partial(counts, database, of_entrance, 4 * runs), 30)
        assert wait_until(lambda: rows(database, "SELECT count(*), count(health) FROM device") == [(6, 1)])
    assert kept(database) == 240 + 8 * runs
    assert rows(database, "SELECT count(*) FROM unreadable") == [(0,)]
    by_door = answer(database, "violations_by_door_and_hour")
    assert sum(row["violations"] for row in by_door) == 120 + 4 * runs
    assert {row["metric"] for row in by_door} == {f"door-000{number} door" for number in range(5)} | {"entrance gate"}
    assert answer(database, "open_violations") == []
    assert answer(database, "missing_messages") == []
    assert compliance("door-0000 door", database) == 0
    assert 0 < (compliance("entrance gate", database) or 0) < 1
    # What a cluster that lost a node delivers once more may be an old status: silence tells for certain.
    rows(database, "UPDATE device SET heard = heard - interval '12 minutes' RETURNING 1")
    silent = answer(database, "devices_not_heard_of")
    assert {row["device"] for row in silent} == {f"door-000{number}" for number in range(5)} | {"entrance"}


@needs_postgres
@pytest.mark.skipif(not MOSQUITTO, reason=NO_MOSQUITTO)
def test_several_keepers_share_the_messages(tmp_path: Path, database: Postgres) -> None:
    who = "ALTER TABLE violation_message ADD COLUMN keeper text DEFAULT current_setting('application_name')"
    with database.connect() as connection:
        connection.execute(who)
    with running(OneMosquitto, tmp_path / "broker") as cluster, ExitStack() as keepers:
        for name in ("one", "two"):
            keepers.enter_context(keeper(cluster, database, "--share", "keepers", name=name))
        with devices(cluster, tmp_path / "devices", "--devices", "4", "--rate", "50", "--seconds", "3") as said:
            pass
        assert wait_until(lambda: kept(database) >= said["decided"], 30)
    assert kept(database) == said["decided"] == 300
    shares = dict(rows(database, "SELECT keeper, count(*) FROM violation_message GROUP BY 1"))
    assert shares.keys() == {"one", "two"}
    assert min(shares.values()) > 50


@needs_postgres
@pytest.mark.skipif(not MOSQUITTO, reason=NO_MOSQUITTO)
def test_two_keepers_that_hear_of_the_same_devices_in_another_order_never_wait_for_each_other(
    tmp_path: Path, database: Postgres
) -> None:
    names = [f"door-{number:03}" for number in range(100)]
    with ExitStack() as house:
        clients = []
        for name in ("one", "two"):
            broker = house.enter_context(running(OneMosquitto, tmp_path / name))
            house.enter_context(keeper(broker, database, name=name))
            client = paho.Client(CallbackAPIVersion.VERSION2)
            client.connect("127.0.0.1", broker.ports[0])
            client.loop_start()
            clients.append(client)
        for turn in range(20):
            sent = [
                client.publish(f"facemask/{name}/status", f"{turn}", qos=1)
                for pair in zip(names, reversed(names), strict=True)
                for client, name in zip(clients, pair, strict=True)
            ]
            for each in sent:
                each.wait_for_publish(10)
        assert wait_until(lambda: rows(database, "SELECT DISTINCT status FROM device") == [("19",)], 30)
        for client in clients:
            client.loop_stop()
            client.disconnect()
    assert rows(database, "SELECT count(*) FROM device") == [(100,)]
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert rows(database, deadlocks) == [(0,)]


@needs_postgres
@pytest.mark.skipif(not MOSQUITTO, reason=NO_MOSQUITTO)
def test_what_is_no_message_of_ours_stops_nothing(tmp_path: Path, database: Postgres) -> None:
    strange = [
        b"",
        b"no JSON",
        b"\xff\x00",
        b"[]",
        b"{}",
        b'{"schema": "facemask-edge/violation/2"}',
        b'{"schema": "facemask-edge/violation/1", "device": "door"}',
        b'{"schema": "facemask-edge/violation/1", "device": "\\u0000"}',
        b"[" * 200_000,
        violation(device="gate"),
        violation(time="infinity"),
        violation(id="no UUID"),
    ]
    with running(OneMosquitto, tmp_path / "broker") as cluster, keeper(cluster, database):
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", cluster.ports[0])
        client.loop_start()
        for payload in strange:
            client.publish("facemask/door/camera/violation", payload, qos=1).wait_for_publish(10)
        # The strange ones are strange for one reason each.
        client.publish("facemask/door/camera/violation", violation(), qos=1).wait_for_publish(10)
        client.publish("facemask/door/health", "[", qos=1).wait_for_publish(10)
        client.publish("facemask/door/status", "online", qos=1).wait_for_publish(10)
        client.loop_stop()
        client.disconnect()
        assert wait_until(lambda: rows(database, "SELECT status FROM device") == [("online",)])
    unreadable = [bytes(payload) for (payload,) in rows(database, "SELECT payload FROM unreadable")]
    assert sorted(unreadable) == sorted([*strange, b"["])
    assert kept(database) == 1


@needs_postgres
@pytest.mark.skipif(not MOSQUITTO, reason=NO_MOSQUITTO)
def test_a_database_without_the_schema_is_said(tmp_path: Path) -> None:
    with postgres() as empty, running(OneMosquitto, tmp_path / "broker") as cluster:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", cluster.ports[0])
        client.publish("facemask/door/status", "online", qos=1, retain=True)
        client.loop_start()
        command = [sys.executable, str(FLEET / "keep_violations.py"), "--broker", cluster.servers[0]]
        ended = subprocess.run(
            [*command, "--database", empty.address], stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
        client.loop_stop()
    assert ended.returncode == 1
    assert "run: psql -f schema.sql" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_dashboard_is_current() -> None:
    assert DASHBOARD.read_text() == made(), "run: python -m tests.make_dashboard"
    asked = {path.read_text() for path in QUERIES.glob("*.sql")}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert {target["rawSql"] for panel in panels for target in panel["targets"]} == asked


@needs_postgres
def test_of_a_device_the_newest_counts(database: Postgres) -> None:
    def keep(topic: str, payload: str, *, is_old: bool = False) -> tuple[str | None, str | None, float]:
        """What is known of the device then, and seconds since it was heard of."""
        with database.connect() as connection:
            connection.execute("SELECT keep(%s, %s, %s)", (f"facemask/door/{topic}", payload.encode(), is_old))
        ((status, version, silent),) = rows(
            database, "SELECT status, health->>'version', extract(epoch FROM clock_timestamp() - heard) FROM device"
        )
        return status, version, float(silent)

    def health(time: str, version: str) -> str:
        return json.dumps({"time": time, "version": version})

    old = keep("health", health("2026-01-01T00:00:00Z", "0"), is_old=True)
    assert old[:2] == (None, "0")
    assert old[2] > 86_400, "what is retained may be old"
    status, _, silent = keep("status", "online", is_old=True)
    assert (status, silent > 86_400) == ("online", True)
    assert keep("status", "online")[2] < 60
    assert keep("status", "offline")[0] == "offline"
    # It is back, and what it said before comes once more.
    assert keep("health", health("2026-01-01T00:00:02Z", "2"))[:2] == ("online", "2")
    assert keep("status", "stopped")[0] == "stopped"
    assert keep("health", health("2026-01-01T00:00:01Z", "1"), is_old=True)[:2] == ("stopped", "2")
    # Its clock was set back.
    assert keep("health", health("2025-01-01T00:00:00Z", "3"))[:2] == ("online", "3")
