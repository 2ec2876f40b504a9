import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge.config import MqttConfig
from facemask_edge.delivery import BrokerState
from facemask_edge.errors import ConfigError
from facemask_edge.mqtt import Publisher
from facemask_edge.outbox import Outbox
from facemask_edge.store import Store
from tests.conftest import Mosquitto, NewPublisher, free_port
from tests.faults.scripted_broker import Manner, ScriptedBroker
from tests.subscriber import Subscriber, wait_until

TOPIC = "facemask/pi/door/violation"
STATUS = "facemask/pi/status"
PERSISTENT = ("allow_anonymous true", "persistence true")


def left(folder: Path) -> tuple[int, int]:
    """Events that wait and dead letters in a publisher's outbox."""
    outbox = Outbox(folder / "outbox.sqlite3", max_bytes=1_000_000)
    with closing(outbox):
        return outbox.waiting, outbox.dead


def numbers(subscriber: Subscriber) -> list[int]:
    return [event["number"] for event in subscriber.events()]


def test_events_arrive_in_order_and_leave_the_outbox(
    mosquitto: Mosquitto, subscriber: Subscriber, new_publisher: NewPublisher, tmp_path: Path
) -> None:
    publisher = new_publisher(mosquitto.url)
    for number in range(100):
        publisher.submit(TOPIC, {"number": number})
    assert publisher.drain(10)
    assert wait_until(lambda: len(subscriber.events()) >= 100)
    assert numbers(subscriber) == list(range(100))
    assert [event["sequence"] for event in subscriber.events()] == list(range(1, 101))
    publisher.stop()
    assert left(tmp_path) == (0, 0)


def test_an_event_says_that_it_is_json(
    mosquitto: Mosquitto, subscriber: Subscriber, new_publisher: NewPublisher
) -> None:
    new_publisher(mosquitto.url).submit(TOPIC, {"number": 1})
    assert wait_until(lambda: bool(subscriber.events()))
    message = next(message for message in subscriber.messages if message.topic == TOPIC)
    assert (message.qos, message.retain) == (1, False)
    assert message.properties is not None
    assert getattr(message.properties, "ContentType", None) == "application/json"


def test_the_status_says_online_stopped_and_offline(
    mosquitto: Mosquitto, subscriber: Subscriber, new_publisher: NewPublisher
) -> None:
    publisher = new_publisher(mosquitto.url)
    assert wait_until(lambda: subscriber.payloads(STATUS) == ["online"])
    publisher.stop()
    assert wait_until(lambda: subscriber.payloads(STATUS) == ["online", "stopped"])
    killed = new_publisher(mosquitto.url)
    assert wait_until(lambda: subscriber.payloads(STATUS)[2:] == ["online"])
    connection = killed._connection  # noqa: SLF001 - a network that goes away has no public interface
    assert connection is not None
    client = connection._client.socket()  # noqa: SLF001
    assert client is not None
    client.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined] # a real socket behind a narrower interface
    assert wait_until(lambda: subscriber.payloads(STATUS)[3:5] == ["offline", "online"])
    late = Subscriber(mosquitto.port, STATUS)
    with closing(late):
        assert wait_until(lambda: [message.retain for message in late.messages] == [True])


def test_a_latest_value_is_retained_and_sent_again_on_connecting(
    mosquitto: Mosquitto, subscriber: Subscriber, new_publisher: NewPublisher
) -> None:
    publisher = new_publisher(mosquitto.url)
    publisher.publish_latest("facemask/pi/door/people", "1")
    publisher.publish_latest("facemask/pi/door/people", "2")
    assert wait_until(lambda: subscriber.payloads("facemask/pi/door/people")[-1:] == ["2"])
    with closing(Subscriber(mosquitto.port, "facemask/pi/door/people")) as late:
        assert wait_until(lambda: late.payloads("facemask/pi/door/people") == ["2"])


def test_events_made_while_the_broker_is_away_arrive_when_it_is_back(
    new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher
) -> None:
    broker = new_mosquitto(*PERSISTENT).start()
    with closing(Subscriber(broker.port, persistent=True)) as subscriber:
        broker.stop()
        publisher = new_publisher(broker.url)
        for number in range(10):
            publisher.submit(TOPIC, {"number": number})
        assert not publisher.drain(1)
        broker.start()
        assert publisher.drain(15)
        assert wait_until(lambda: numbers(subscriber) == list(range(10)))


def test_a_broker_that_restarts_in_the_middle_costs_no_event(
    new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher
) -> None:
    broker = new_mosquitto(*PERSISTENT).start()
    publisher = new_publisher(broker.url)
    with closing(Subscriber(broker.port, persistent=True)) as subscriber:
        for turn in range(3):
            heard = len(subscriber.events())
            for number in range(200):
                publisher.submit(TOPIC, {"number": 200 * turn + number})
            assert wait_until(lambda: len(subscriber.events()) > heard)  # noqa: B023 - called in this turn only
            broker.stop()
            broker.start()
        assert publisher.drain(30)
        assert wait_until(lambda: len(set(numbers(subscriber))) == 600)
        # Some may come twice; (stream, sequence) tells which, and without those the order is kept.
        firsts = dict.fromkeys((event["sequence"], event["number"]) for event in subscriber.events())
        assert [number for _, number in firsts] == list(range(600))


def test_events_outlive_the_process(new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher) -> None:
    broker = new_mosquitto()
    first = new_publisher(broker.url)
    first.submit(TOPIC, {"number": 7})
    assert not first.drain(0.5)
    first.stop()
    broker.start()
    with closing(Subscriber(broker.port)) as subscriber:
        second = new_publisher(broker.url)
        second.submit(TOPIC, {"number": 8})
        assert second.drain(10)
        assert wait_until(lambda: numbers(subscriber) == [7, 8])
        assert [event["sequence"] for event in subscriber.events()] == [1, 2]


def test_the_second_server_is_used_when_the_first_is_away(
    mosquitto: Mosquitto, subscriber: Subscriber, new_publisher: NewPublisher
) -> None:
    publisher = new_publisher(f"mqtt://127.0.0.1:{free_port()}", mosquitto.url)
    publisher.submit(TOPIC, {"number": 1})
    assert publisher.drain(10)
    assert wait_until(lambda: numbers(subscriber) == [1])


def test_an_event_nobody_hears_counts_as_delivered_and_as_unheard(
    mosquitto: Mosquitto, new_publisher: NewPublisher
) -> None:
    publisher = new_publisher(mosquitto.url)
    publisher.submit(TOPIC, {"number": 1})
    assert publisher.drain(10)
    assert wait_until(lambda: publisher.delivery.unheard == 1)


def test_wrong_credentials_are_said_and_the_events_wait(
    new_mosquitto: Callable[..., Mosquitto],
    new_publisher: NewPublisher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("pi:$7$101$MTIzNDU2Nzg5MDEy$AAAA\n")
    broker = new_mosquitto("allow_anonymous false", f"password_file {passwords}").start()
    secret = tmp_path / "secret"
    secret.write_text("not the right one\n")
    publisher = new_publisher(broker.url, username="pi", password_file=secret)
    publisher.submit(TOPIC, {"number": 1})
    assert not publisher.drain(2)
    assert "refused the connection" in caplog.text
    assert "check mqtt.username" in caplog.text
    assert "not the right one" not in caplog.text


def test_an_event_larger_than_the_broker_takes_becomes_a_dead_letter_and_the_others_arrive(
    new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher, tmp_path: Path
) -> None:
    broker = new_mosquitto("allow_anonymous true", "max_packet_size 2000").start()
    publisher = new_publisher(broker.url)
    with closing(Subscriber(broker.port)) as subscriber:
        publisher.submit(TOPIC, {"number": 1, "text": "x" * 5000})
        publisher.submit(TOPIC, {"number": 2})
        assert publisher.drain(10)
        assert wait_until(lambda: numbers(subscriber) == [2])
    publisher.stop()
    assert left(tmp_path) == (0, 1)


def test_an_event_the_acl_refuses_waits(
    new_mosquitto: Callable[..., Mosquitto],
    new_publisher: NewPublisher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic write {STATUS}\n")
    broker = new_mosquitto("allow_anonymous true", f"acl_file {rules}").start()
    publisher = new_publisher(broker.url)
    publisher.submit(TOPIC, {"number": 1})
    assert not publisher.drain(2)
    assert f"does not allow events on {TOPIC}" in caplog.text
    assert wait_until(lambda: publisher.delivery.state is BrokerState.HELD)
    publisher.stop()
    assert left(tmp_path) == (1, 0)


def test_a_camera_that_the_access_rules_forbid_blocks_no_other(
    new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher, tmp_path: Path
) -> None:
    rules = tmp_path / "acl"
    allowed = TOPIC.replace("door", "hall")
    rules.write_text(f"topic write {STATUS}\ntopic write {allowed}\ntopic read #\n")
    broker = new_mosquitto("allow_anonymous true", f"acl_file {rules}").start()
    with closing(Subscriber(broker.port)) as subscriber:
        publisher = new_publisher(broker.url)
        for number in range(60):
            publisher.submit(TOPIC, {"number": number})
        for number in range(60, 70):
            publisher.submit(allowed, {"number": number})
        assert wait_until(lambda: numbers(subscriber) == list(range(60, 70)))
    publisher.stop()
    assert left(tmp_path) == (60, 0)


def test_a_server_that_never_answers_is_given_up(
    mosquitto: Mosquitto, new_publisher: NewPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facemask_edge.mqtt.ANSWER_TIMEOUT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        held: list[socket.socket] = []
        threading.Thread(target=lambda: held.append(silent.accept()[0]), daemon=True).start()
        publisher = new_publisher(f"mqtt://127.0.0.1:{silent.getsockname()[1]}", mosquitto.url)
        publisher.submit(TOPIC, {"number": 1})
        assert publisher.drain(10)
        held[0].close()


def test_a_missing_password_file_is_explained(tmp_path: Path) -> None:
    store = Store(tmp_path / "outbox.sqlite3", max_bytes=1_000_000)
    config = MqttConfig(username="pi", password_file=tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"mqtt\.password_file"):
        Publisher(config, device="pi", store=store)


def test_the_stream_is_part_of_every_event(
    mosquitto: Mosquitto, subscriber: Subscriber, new_publisher: NewPublisher, tmp_path: Path
) -> None:
    publisher = new_publisher(mosquitto.url)
    publisher.submit(TOPIC, {"number": 1})
    assert wait_until(lambda: bool(subscriber.events()))
    publisher.stop()
    with closing(Outbox(tmp_path / "outbox.sqlite3", max_bytes=1_000_000)) as outbox:
        assert subscriber.events()[0]["stream"] == outbox.stream


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses, so that a test sees many tries."""
    for name, seconds in (("SHORTEST_BACKOFF", 0.1), ("LONGEST_BACKOFF", 0.4), ("RETURN_INTERVAL", 1.0)):
        monkeypatch.setattr(f"facemask_edge.mqtt.{name}", seconds)
    monkeypatch.setattr("facemask_edge.holds.HOLD", 1.0)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("poisons", [1, 3])
def test_an_event_for_which_a_broker_ends_the_connection_does_not_block_the_others(
    poisons: int, new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher, tmp_path: Path
) -> None:
    # MQTT 3.1.1 cannot say that an event is too large.
    broker = new_mosquitto("allow_anonymous true", "max_packet_size 2000").start()
    publisher = new_publisher(broker.url, protocol="3.1.1")
    with closing(Subscriber(broker.port)) as subscriber:
        for number in range(poisons):
            publisher.submit(TOPIC, {"number": -number, "text": "x" * 5000})
        for number in range(1, 51):
            publisher.submit(TOPIC, {"number": number})
        assert wait_until(lambda: len(set(numbers(subscriber))) == 50, 60)
        # Each proof takes another event that comes through.
        for number in range(51, 100):
            if publisher.delivery.store.dead_letters == poisons:
                break
            publisher.submit(TOPIC, {"number": number})
            wait_until(lambda: publisher.delivery.store.dead_letters == poisons, 1.0)
        assert publisher.drain(30)
        arrived = list(dict.fromkeys(numbers(subscriber)))
        assert arrived == list(range(1, len(arrived) + 1))
    publisher.stop()
    assert left(tmp_path) == (0, poisons)


@pytest.mark.usefixtures("soon")
def test_an_event_that_is_never_acknowledged_does_not_block_the_others(
    new_publisher: NewPublisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("facemask_edge.mqtt.ACKNOWLEDGE_TIMEOUT", 0.5)
    with closing(ScriptedBroker(Manner.IGNORES_POISON)) as broker:
        publisher = new_publisher(broker.url)
        publisher.submit(TOPIC, {"poison": True})
        for number in range(40):
            publisher.submit(TOPIC, {"number": number})
            time.sleep(0.25)
        assert wait_until(lambda: {event["number"] for event in broker.events} == set(range(40)), 30)
        assert wait_until(lambda: publisher.delivery.store.dead_letters == 1, 30)
    publisher.stop()
    assert left(tmp_path) == (0, 1)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("manner", [Manner.DROPS_EVENTS, Manner.DROPS_ALL])
def test_a_broker_that_ends_every_connection_makes_no_dead_letter(
    manner: Manner, new_publisher: NewPublisher, tmp_path: Path
) -> None:
    with closing(ScriptedBroker(manner)) as broker:
        publisher = new_publisher(broker.url)
        for number in range(10):
            publisher.submit(TOPIC, {"number": number})
        assert wait_until(lambda: broker.connections > 20, 60)
    publisher.stop()
    assert left(tmp_path) == (10, 0)


@pytest.mark.usefixtures("soon")
def test_events_come_after_the_status_and_a_few_at_a_time(new_publisher: NewPublisher, tmp_path: Path) -> None:
    with closing(ScriptedBroker(Manner.NEVER_ACKNOWLEDGES)) as broker:
        publisher = new_publisher(broker.url)
        publisher.submit(TOPIC, {"number": 1})
        assert wait_until(lambda: broker.topics == [STATUS])
        assert not publisher.drain(1)
        assert broker.topics == [STATUS]
    publisher.stop()
    assert left(tmp_path) == (1, 0)


@pytest.mark.usefixtures("soon")
def test_while_one_camera_is_refused_the_events_of_another_do_not_come_again_and_again(
    new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher, tmp_path: Path
) -> None:
    rules = tmp_path / "acl"
    allowed = f"topic write {STATUS}\ntopic read #\ntopic write facemask/pi/yard/violation\n"
    rules.write_text(allowed)
    broker = new_mosquitto("allow_anonymous true", f"acl_file {rules}").start()
    publisher = new_publisher(broker.url)
    with closing(Subscriber(broker.port)) as subscriber:
        publisher.submit(TOPIC, {"number": 0})
        for number in range(1, 6):
            publisher.submit("facemask/pi/yard/violation", {"number": number})
        assert wait_until(lambda: publisher.delivery.state == BrokerState.HELD)
        assert not publisher.drain(4)
        assert sorted(numbers(subscriber)) == [1, 2, 3, 4, 5]
        rules.write_text(f"{allowed}topic write {TOPIC}\n")
        broker.reload()
        assert publisher.drain(15)
        assert wait_until(lambda: sorted(numbers(subscriber)) == [0, 1, 2, 3, 4, 5])
        assert publisher.delivery.reason is None


def test_a_broker_that_could_not_be_told_of_the_stop_says_offline(new_publisher: NewPublisher) -> None:
    with closing(ScriptedBroker(Manner.NEVER_ACKNOWLEDGES)) as scripted:
        publisher = new_publisher(scripted.url)
        assert wait_until(lambda: bool(scripted.topics))
        publisher.stop()
        assert wait_until(lambda: scripted.ended == 1)
        assert scripted.goodbyes == 0


def test_a_clean_stop_is_said_to_the_end(mosquitto: Mosquitto, new_publisher: NewPublisher) -> None:
    with closing(Subscriber(mosquitto.port, STATUS)) as subscriber:
        for _ in range(5):
            publisher = new_publisher(mosquitto.url)
            assert publisher.drain(10)
            assert wait_until(lambda: publisher.delivery.state == BrokerState.CONNECTED)  # noqa: B023 - in this turn
            publisher.stop()
        assert wait_until(lambda: subscriber.payloads(STATUS) == ["online", "stopped"] * 5)


def test_a_broker_that_takes_one_event_at_a_time_gets_one_at_a_time(
    new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher
) -> None:
    # What it says as Receive Maximum when a device connects.
    broker = new_mosquitto("allow_anonymous true", "max_inflight_messages 1").start()
    publisher = new_publisher(broker.url)
    with closing(Subscriber(broker.port)) as subscriber:
        for number in range(50):
            publisher.submit(TOPIC, {"number": number})
        assert publisher.drain(30)
        assert wait_until(lambda: numbers(subscriber) == list(range(50)))


def test_what_two_threads_send_while_the_network_stalls_is_not_mixed(
    new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    # As it comes, Mosquitto drops what a subscriber is too slow for.
    broker = new_mosquitto("allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0").start()
    with closing(Subscriber(broker.port)) as subscriber:
        publisher = new_publisher(broker.url)
        publisher.submit(TOPIC, {"number": 0})
        assert publisher.drain(10)
        broker.freeze()
        # More than the system keeps for a connection whose other side does not read.
        for number in range(1, 201):
            publisher.submit(TOPIC, {"number": number, "text": "x" * 1000})
            for _ in range(20):
                publisher.publish_latest("facemask/pi/door/people", "y" * 5000)
        threading.Event().wait(3)
        broker.resume()
        assert publisher.drain(60)
        assert wait_until(lambda: numbers(subscriber) == list(range(201)), 60)
        assert {len(payload) for payload in subscriber.payloads("facemask/pi/door/people")} == {5000}
    assert "lost" not in caplog.text


def test_a_broker_that_refuses_an_event_and_ends_the_connection_is_tried_less_and_less_often(
    new_mosquitto: Callable[..., Mosquitto],
    new_publisher: NewPublisher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("facemask_edge.mqtt.SHORTEST_BACKOFF", 0.1)
    rules = tmp_path / "acl"
    rules.write_text(f"topic write {STATUS}\n")
    # With this setting Mosquitto 2.0.11 ends the connection after it has refused an event.
    broker = new_mosquitto("allow_anonymous true", "max_queued_messages 0", f"acl_file {rules}").start()
    publisher = new_publisher(broker.url)
    publisher.submit(TOPIC, {"number": 1})
    assert wait_until(lambda: caplog.text.count(" lost: it ended the connection") >= 6, 30)
    pauses = [float(line.split(" in ")[1].split()[0]) for line in caplog.messages if " lost: " in line]
    assert pauses[5] > 1.5, pauses
    publisher.stop()
    assert left(tmp_path) == (1, 0)


def test_a_state_larger_than_the_broker_takes_is_left_out(
    new_mosquitto: Callable[..., Mosquitto], new_publisher: NewPublisher
) -> None:
    broker = new_mosquitto("allow_anonymous true", "max_packet_size 330").start()
    with closing(Subscriber(broker.port)) as subscriber:
        publisher = new_publisher(broker.url)
        publisher.publish_latest("facemask/pi/health", "x" * 400, qos=1)
        publisher.submit(TOPIC, {"number": 1})
        assert publisher.drain(10)
        assert wait_until(lambda: numbers(subscriber) == [1])
        assert subscriber.payloads("facemask/pi/health") == []
