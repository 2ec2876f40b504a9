"""Whether each broker lets this device in, and whether a message comes back."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from facemask_edge.broker_address import BrokerAddress, parse_address
from facemask_edge.broker_visit import PATIENCE, RETAINED_PATIENCE, BrokerVisit, VisitError
from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.check.told import object_of
from facemask_edge.config import Config
from facemask_edge.messages import Topics

CHECK_RULES = "violations may be forbidden, too: see its access rules"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one broker did."""

    fault: str | None = None
    """Why the test failed; None when the message came back."""
    advice: str = ""
    """What to do about it."""
    is_let_in: bool = False
    seconds: float = 0.0
    """From publishing the message to its coming back."""
    health: dict[str, Any] | None = None
    """What the device last said about itself there."""


def check_brokers(config: Config) -> tuple[list[Finding], list[dict[str, Any]]]:
    """Connect to each server, publish to a test topic and read it back.

    Returns:
        The findings, and what the device last said on its topic ``health`` to each broker that keeps that.

    Raises:
        ConfigError: A file with a password or a certificate cannot be used.
    """
    addresses = [parse_address(server) for server in config.mqtt.servers]
    answers = [_asked(address, config) for address in addresses]
    is_one_enough = any(answer.is_let_in for answer in answers)
    findings = [
        _finding(address, answer, others_work=is_one_enough) for address, answer in zip(addresses, answers, strict=True)
    ]
    return findings, [answer.health for answer in answers if answer.health is not None]


def _finding(address: BrokerAddress, answer: Answer, *, others_work: bool) -> Finding:
    subject = f"broker {address}"
    if answer.fault is None:
        return ok(subject, f"a message came back after {1000 * answer.seconds:.0f} ms")
    if answer.is_let_in:
        return warning(subject, f"it lets this device in, but {answer.fault}", answer.advice)
    return (warning if others_work else problem)(subject, answer.fault, answer.advice)


def _asked(address: BrokerAddress, config: Config) -> Answer:
    with _Visit(address, config) as visit:
        return visit.answer()


class _Visit(BrokerVisit):
    """Asks what the daemon needs."""

    def __init__(self, address: BrokerAddress, config: Config) -> None:
        super().__init__(address, config.mqtt)
        topics = Topics(config.mqtt.prefix, config.device_name)
        self._health_topic, self._test_topic = topics.health, topics.check

    def answer(self) -> Answer:
        """All that is wanted of the broker, one after the other."""
        is_let_in = False
        try:
            self.connect()
            is_let_in = True
            may_read_test, _ = self.subscribe([self._test_topic, self._health_topic])
        except VisitError as error:
            return Answer(f"{error}", error.advice, is_let_in=is_let_in)
        if not may_read_test:
            return Answer(f"does not let it read {self._test_topic}", CHECK_RULES, is_let_in=True)
        return self._echo()

    def _echo(self) -> Answer:
        token = secrets.token_hex(16)
        started = time.monotonic()
        self.client.publish(self._test_topic, token, qos=1)
        health: dict[str, Any] | None = None
        seconds: float | None = None
        for kind, content in self.heard(PATIENCE):
            if kind == "published" and content.is_failure:
                fault = f"does not let it publish {self._test_topic}: {content}"
                return Answer(fault, CHECK_RULES, is_let_in=True, health=health)
            if kind == self._health_topic:
                health = object_of(content)
            if kind == self._test_topic and content == token.encode():
                seconds = time.monotonic() - started
                break
        if seconds is None:
            return Answer("nothing of what it publishes comes back", CHECK_RULES, is_let_in=True, health=health)
        if health is None:
            health = object_of(self.next(self._health_topic, RETAINED_PATIENCE))
        return Answer(is_let_in=True, seconds=seconds, health=health)
