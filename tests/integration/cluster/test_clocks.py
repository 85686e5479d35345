"""The wall clock of one node is an hour off: what is due comes when it is due, once, by the time of the majority."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.support import wire
from tests.support.cluster_processes import ClusterProcesses
from tests.support.retained import retained_at
from tests.support.wire import Will

pytestmark = pytest.mark.slow

HOUR_S: Final = 3600.0
IN_TIME_S: Final = 30.0
"""Long after a few seconds on the busiest machine, and far from an hour."""


@pytest.fixture(params=[HOUR_S, -HOUR_S], ids=["fast", "slow"])
def cluster(request: pytest.FixtureRequest, set_up: SetUp) -> ClusterProcesses:
    """A cluster whose node 1 has a wrong clock, started; it is the leader."""
    made = set_up()
    made[1].clock_off_s = request.param
    made.start()
    if made.leader() is not made[1]:
        assert made.leader().ask("transfer_leadership", node_id=1) == 1
    assert made.leader() is made[1]
    return made


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S])
def test_a_node_alone_believes_its_clock(set_up: SetUp, off_s: float) -> None:
    """So it is really wrong in the other tests: the times of its connections are those of its clock."""
    alone = set_up(size=1)
    alone[1].arguments = []
    alone[1].clock_off_s = off_s
    alone.start()
    alone[1].stop()
    event = next(event for event in alone[1].events() if event["event"] == "client connected")
    told = datetime.fromisoformat(event["timestamp"]).timestamp() - time.time()
    assert abs(told - off_s) < 60


def test_everything_is_due_in_time(cluster: ClusterProcesses, guests: Guests) -> None:
    watchers = [guests.passing(member) for member in cluster]
    for watcher in watchers:
        watcher.subscribe(("due/#", 1))
    publisher = guests.passing(cluster[1])
    began = time.monotonic()
    for member in cluster:
        number = member.number
        delayed: wire.Properties = [(wire.WILL_DELAY, 2)]
        guests.connect(member, f"w{number}", will=Will(f"due/will/{number}", b"w", 1, properties=delayed)).abort()
        guests.off_line(member, f"short{number}", ("t", 1), expiry=2)
        guests.off_line(member, f"long{number}", ("t", 1), expiry=1800)
        at = guests.passing(member)
        at.publish(f"$delayed/2/due/delayed/{number}", b"d", 1)
        at.publish(f"$delayed/1800/due/later/{number}", b"d", 1)
        for topic, seconds in (("short", 2), ("long", 1800)):
            at.publish(f"r/{topic}/{number}", b"r", 1, retain=True, properties=[(wire.MESSAGE_EXPIRY, seconds)])
            at.publish("t", topic.encode(), 1, properties=[(wire.MESSAGE_EXPIRY, seconds)])
    expected = {f"due/{what}/{number}" for what in ("will", "delayed") for number in (1, 2, 3)}
    for watcher in watchers:
        assert {watcher.receive_publish(timeout_s=IN_TIME_S).topic for _ in expected} == expected
    took = time.monotonic() - began
    assert 2 <= took < IN_TIME_S, "neither before its time nor long after"
    for member in cluster:
        assert set(retained_at(member, "r/#")) == {f"r/long/{number}" for number in (1, 2, 3)}
        guests.connect(member, f"short{member.number}", present=False)
        session = guests.connect(cluster[1 + member.number % 3], f"long{member.number}", present=True)
        found = session.receive_publishes(4 - member.number)  # published since it was made
        assert {m.payload for m in found} == {b"long"}
        assert all(1700 < left(m.get(wire.MESSAGE_EXPIRY)) <= 1800 for m in found)
        session.expect_nothing()
    publisher.publish("due/barrier", b"", 1)
    for watcher in watchers:
        watcher.receive_publish(b"")
        watcher.expect_nothing()


def left(value: object) -> int:
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("next_leader", [1, 2])
def test_time_goes_on_evenly_when_the_leader_changes(
    cluster: ClusterProcesses, guests: Guests, next_leader: int
) -> None:
    """To and from the node whose clock is wrong: nothing is due an hour early, or an hour late."""
    if next_leader == 1:
        cluster[2].ask("transfer_leadership", node_id=2)
    watcher = guests.passing(cluster[3])
    watcher.subscribe(("due/#", 1))
    publisher = guests.passing(cluster[3])
    publisher.publish("$delayed/1800/due/later", b"", 1)
    began = time.monotonic()
    publisher.publish("$delayed/3/due/soon", b"soon", 1)
    cluster[3].ask("transfer_leadership", node_id=next_leader)
    watcher.receive_publish(b"soon", IN_TIME_S)
    assert 3 <= time.monotonic() - began < IN_TIME_S
    watcher.expect_nothing()
