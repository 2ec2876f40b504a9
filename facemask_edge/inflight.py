"""Events on their way to the broker, and how many may be."""

import time

from facemask_edge.events import Message


class Inflight:
    """What was sent on one connection and is not acknowledged, by paho's numbers, oldest first.

    None may be sent until the broker took the status, then one, then more and more. So the event that a broker ends
    connections for is found: it comes to be the first one, which goes alone.
    """

    def __init__(self) -> None:
        self._sent: dict[int, tuple[Message | None, float]] = {}
        self._window = self._widest_window = 0

    def open(self, status: int, *, widest_window: int) -> None:
        """Begin with a new connection, on which the status was sent under this number."""
        self._sent = {status: (None, time.monotonic())}
        self._window, self._widest_window = 0, widest_window

    def clear(self) -> None:
        """Forget what was sent."""
        self._sent.clear()

    def add(self, number: int, message: Message) -> None:
        """Note that an event was sent."""
        self._sent[number] = message, time.monotonic()

    def __contains__(self, number: int) -> bool:
        """Whether this is on its way."""
        return number in self._sent

    def acknowledged(self, number: int) -> Message | None:
        """Note that the broker answered; the event, None for the status.

        Raises:
            KeyError: Nothing of that number is on its way.
        """
        message, _ = self._sent.pop(number)
        self._window = min(max(1, 2 * self._window), self._widest_window)
        return message

    @property
    def room(self) -> int:
        """How many more may be sent."""
        return max(self._window - len(self._sent), 0)

    @property
    def is_open_and_empty(self) -> bool:
        """Whether an event could go alone."""
        return self._window > 0 and not self._sent

    @property
    def messages(self) -> list[Message]:
        """The events on their way."""
        return [message for message, _ in self._sent.values() if message is not None]

    @property
    def alone(self) -> Message | None:
        """The event that is the only thing on its way."""
        return self.messages[0] if len(self._sent) == 1 and self.messages else None

    def oldest_age(self) -> float:
        """Seconds for which the oldest has been waiting for its acknowledgement."""
        return time.monotonic() - next(iter(self._sent.values()))[1] if self._sent else 0.0
