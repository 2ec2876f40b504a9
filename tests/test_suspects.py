from facemask_edge.events import Key, Message
from facemask_edge.suspects import MOST, TIMES, Suspects

TOPIC = "facemask/pi/door/violation"


def event(sequence: int, topic: str = TOPIC) -> Message:
    return Message(sequence, Key("stream", sequence), topic, b"{}", 0.0)


def ends_alone(suspects: Suspects, message: Message, times: int = TIMES) -> None:
    for _ in range(times):
        suspects.connected()
        assert not suspects.ended(message)


def test_an_event_is_suspected_after_it_was_alone_several_times() -> None:
    suspects = Suspects()
    ends_alone(suspects, event(1), TIMES - 1)
    assert not suspects.suspects(event(1))
    ends_alone(suspects, event(1), 1)
    assert suspects.suspects(event(1))
    assert not suspects.suspects(event(2))


def test_a_suspect_is_convicted_where_others_come_through_several_times() -> None:
    suspects = Suspects()
    ends_alone(suspects, event(1))
    for turn in range(TIMES):
        suspects.connected()
        assert not suspects.is_due(event(1))
        suspects.came_through(event(2 + turn))
        assert suspects.is_due(event(1))
        assert suspects.ended(event(1)) == (turn == TIMES - 1)
    assert not suspects.suspects(event(1))


def test_without_others_nothing_is_convicted() -> None:
    suspects = Suspects()
    ends_alone(suspects, event(1), 100)


def test_an_event_of_another_camera_proves_nothing() -> None:
    suspects = Suspects()
    ends_alone(suspects, event(1))
    for _ in range(2 * TIMES):
        suspects.connected()
        suspects.came_through(event(2, "facemask/pi/yard/violation"))
        assert not suspects.ended(event(1))


def test_an_event_that_came_through_is_suspected_no_more() -> None:
    suspects = Suspects()
    ends_alone(suspects, event(1))
    suspects.came_through(event(1))
    assert not suspects.suspects(event(1))


def test_where_all_are_suspected_it_is_the_broker() -> None:
    suspects = Suspects()
    for sequence in range(1, MOST + 2):
        ends_alone(suspects, event(sequence))
    assert not any(suspects.suspects(event(sequence)) for sequence in range(1, MOST + 2))
