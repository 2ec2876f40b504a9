"""What the publisher takes from a broker, and what a broker need not let it do."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge.broker_connection import LONGEST_ORDER, Received
from facemask_edge.mqtt import MOST_ORDERS, Publisher
from facemask_edge.states import Once
from tests.conftest import Mosquitto, NewPublisher
from tests.faults.scripted_broker import Manner, ScriptedBroker
from tests.subscriber import Subscriber, wait_until

ORDERS = "facemask/pi/+/set"
THRESHOLD = "facemask/pi/threshold/set"
TOPIC = "facemask/pi/door/violation"
STATUS = "facemask/pi/status"
DISCOVERY = "homeassistant/device/pi/config"
NewMosquitto = Callable[..., Mosquitto]


def received_within(publisher: Publisher, count: int, seconds: float = 10) -> list[Received]:
    """What comes until there are so many."""
    received: list[Received] = []

    def are_enough() -> bool:
        received.extend(publisher.received())
        return len(received) >= count

    wait_until(are_enough, seconds)
    return received


def online(subscriber: Subscriber) -> bool:
    return wait_until(lambda: subscriber.payloads(STATUS)[-1:] == ["online"])


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_an_order_arrives(
    protocol: str, mosquitto: Mosquitto, subscriber: Subscriber, new_publisher: NewPublisher
) -> None:
    # Of long ago: it is none any more.
    subscriber.publish(THRESHOLD, "0.9", retain=True)
    publisher = new_publisher(mosquitto.url, protocol=protocol, listen_to=ORDERS)
    assert online(subscriber)
    assert received_within(publisher, 1, 1) == []
    subscriber.publish(THRESHOLD, "0.5")
    subscriber.publish("facemask/pi/enabled/set", "x" * 5_000)
    subscriber.publish("facemask/other/enabled/set", "OFF")
    assert received_within(publisher, 2) == [
        Received(THRESHOLD, b"0.5"),
        Received("facemask/pi/enabled/set", b"x" * LONGEST_ORDER),
    ]
    assert received_within(publisher, 1, 0.5) == []


def test_orders_arrive_after_the_broker_was_away(new_mosquitto: NewMosquitto, new_publisher: NewPublisher) -> None:
    broker = new_mosquitto().start()
    publisher = new_publisher(broker.url, listen_to=ORDERS)
    for payload in ("1", "2"):
        with closing(Subscriber(broker.port)) as subscriber:
            assert online(subscriber)
            assert heard(publisher, subscriber, payload)
        broker.stop()
        broker.start()


def heard(publisher: Publisher, subscriber: Subscriber, payload: str) -> bool:
    """Whether an order arrives."""
    subscriber.publish(THRESHOLD, payload)
    return Received(THRESHOLD, payload.encode()) in received_within(publisher, 1, 1)


def test_an_answer_is_told_once_and_not_kept(
    mosquitto: Mosquitto, subscriber: Subscriber, new_publisher: NewPublisher
) -> None:
    publisher = new_publisher(mosquitto.url)
    assert online(subscriber)
    publisher.tell(Once("facemask/pi/error", "no", "answer"))
    assert wait_until(lambda: subscriber.payloads("facemask/pi/error") == ["no"])
    with closing(Subscriber(mosquitto.port, "facemask/pi/#", qos=0)) as late:
        assert wait_until(lambda: late.payloads(STATUS) == ["online"])
        assert late.payloads("facemask/pi/error") == []


def test_a_broker_that_does_not_let_it_announce_itself_still_gets_the_events(
    new_mosquitto: NewMosquitto, new_publisher: NewPublisher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic facemask/pi/#\n")
    broker = new_mosquitto("allow_anonymous true", f"acl_file {rules}").start()
    publisher = new_publisher(broker.url)
    publisher.publish_latest(DISCOVERY, "{}", extra="announce itself")
    with closing(Subscriber(broker.port, TOPIC)) as subscriber:
        publisher.submit(TOPIC, {"number": 1})
        assert publisher.drain(10)
        assert wait_until(lambda: len(subscriber.events()) == 1)
    assert wait_until(lambda: "does not let this device announce itself: Not authorized" in caplog.text)


def test_a_broker_that_does_not_let_it_listen_gets_the_events(
    new_publisher: NewPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(ScriptedBroker(Manner.DENIES_SUBSCRIBERS)) as scripted:
        publisher = new_publisher(scripted.url, listen_to=ORDERS)
        publisher.submit(TOPIC, {"number": 1})
        assert publisher.drain(10)
        assert wait_until(lambda: "does not let this device listen to orders: Not authorized" in caplog.text)
        assert scripted.connections == 1


@pytest.mark.parametrize("manner", [Manner.DROPS_SUBSCRIBERS, Manner.QOS_2])
def test_a_broker_that_cannot_be_listened_to_gets_the_events_in_the_end(
    manner: Manner, new_publisher: NewPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facemask_edge.mqtt.LONGEST_BACKOFF", 0.2)
    monkeypatch.setattr("facemask_edge.mqtt.SHORTEST_BACKOFF", 0.1)
    with closing(ScriptedBroker(manner)) as scripted:
        publisher = new_publisher(scripted.url, listen_to=ORDERS)
        publisher.submit(TOPIC, {"number": 1})
        assert publisher.drain(20)
        assert [event["number"] for event in scripted.events][:1] == [1]


def test_of_a_flood_of_orders_only_so_many_wait(new_publisher: NewPublisher) -> None:
    with closing(ScriptedBroker(Manner.FLOODS)) as scripted:
        publisher = new_publisher(scripted.url, listen_to=ORDERS)
        waiting = publisher._received  # noqa: SLF001 - it is emptied by being read
        assert wait_until(lambda: waiting.qsize() == MOST_ORDERS)
        time.sleep(1)
        assert waiting.qsize() == MOST_ORDERS
        assert publisher.is_working
