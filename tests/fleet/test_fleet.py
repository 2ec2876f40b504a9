"""A short version of ``make test-fleet``: a node of a real cluster is killed, and nothing is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fleet.cluster import NATS, NO_BROKERS, RABBITMQ, Cluster, Nats, RabbitMq
from tests.fleet.scenario import PUBLISHERS_NODE, SUBSCRIBERS_NODE, play

pytestmark = pytest.mark.skipif(NATS is None or RABBITMQ is None, reason=NO_BROKERS)


@pytest.mark.parametrize(("kind", "killed"), [(Nats, SUBSCRIBERS_NODE), (RabbitMq, PUBLISHERS_NODE)])
def test_a_node_that_is_killed_takes_nothing_with_it(
    kind: Callable[[Path], Cluster], killed: int, tmp_path: Path
) -> None:
    outcome = play(kind, tmp_path, rate=21, seconds=10, devices=6, killed=killed)
    assert outcome.decided == 420
    assert outcome.unacknowledged == 0
    assert outcome.lost == 0
    assert outcome.under_two_keys == 0
    assert outcome.gaps_in_sequence == 0
