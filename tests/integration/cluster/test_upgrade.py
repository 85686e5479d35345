"""Nodes of two builds in a cluster, the newer of which knows an operation more (tests/support/newer_build.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from rmq.cli.control_client import NodeUnavailable
from rmq.engine.replicated_port import OPERATION_LEVEL
from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.integration.cluster.members import Keepsake, events, only, status, until, view
from tests.integration.cluster.test_growth import entry, joined, member_ids
from tests.support.broker_process import interpreter
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load

NEWER_BUILD: Final = Path(__file__).parents[2] / "support" / "newer_build.py"
LEVEL: Final = OPERATION_LEVEL
NEW_LEVEL: Final = LEVEL + 1
NEW_OPERATION: Final = 200
STOP_S: Final = 15.0


def upgrade(member: Member) -> None:
    """From its next start on it is of the newer build."""
    python, _ = interpreter()
    member.before_command = [python, "-P", str(NEWER_BUILD)]


def downgrade(member: Member) -> None:
    """From its next start on it is of this build."""
    member.before_command = []


def level(member: Member) -> int:
    """The level of the operations that may be proposed, as committed; 0 while the node doesn't say."""
    found: int = status(member).get("operation_level", 0)
    return found


def announced(member: Member) -> list[int]:
    """The levels that the nodes announce, as this one has heard."""
    return [each["operation_level"] for each in status(member)["members"]]


def at_level(cluster: ClusterProcesses, wanted: int) -> None:
    """Wait until it is committed everywhere."""
    for member in cluster:
        until(member, f"at level {wanted}", lambda: level(member) == wanted)  # noqa: B023 -- called at once


def stepped_out(member: Member) -> dict[str, Any]:
    """Wait until the node has left because of an operation that it doesn't know: what it says, and that is all."""
    until(member, "out of the cluster", lambda: events(member, "this node steps out of the cluster"))
    errors = [each for each in member.events() if each.get("level") in ("error", "critical")]
    assert len(errors) == 1 and "Traceback" not in member.log, member.log[-3000:]
    assert str(NEW_OPERATION) in errors[0]["reason"] and "isn't known" in errors[0]["reason"], errors
    assert not member.serves()
    (alarm,) = status(member)["alarms"]
    assert str(NEW_OPERATION) in alarm, alarm
    return errors[0]


def test_a_level_is_raised_when_all_announce_it(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up()
    one, two, three = cluster
    upgrade(one)
    upgrade(three)
    cluster.start()
    at_level(cluster, LEVEL)
    until(one, "told of all", lambda: announced(one) == [NEW_LEVEL, LEVEL, NEW_LEVEL])
    kept = Keepsake(guests, one)
    # A member that is away may come back as it was: nothing is raised without it.
    two.kill()
    until(one, "sure that node 2 is down", lambda: view(one, 2)["state"] == "down")
    publisher = guests.passing(three)
    guests.off_line(three, "s", ("t", 1))
    for number in range(50):
        assert publisher.publish("t", b"%d" % number, 1) == 0
    assert level(one) == level(three) == LEVEL
    two.start()
    cluster.wait_until_serving()
    kept.check(two)
    two.stop()
    upgrade(two)
    two.start()
    cluster.wait_until_serving()
    at_level(cluster, NEW_LEVEL)
    assert announced(one) == [NEW_LEVEL] * 3
    assert publisher.publish("t", b"of the new kind", 1) == 0
    subscriber = guests.connect(two, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(51)] == [
        *(b"%d" % n for n in range(50)),
        b"of the new kind",
    ]
    kept.check(*cluster)


def test_an_old_node_leaves_at_what_it_doesnt_know(set_up: SetUp, guests: Guests) -> None:
    """It says so once, and the others go on; as a newer build it is back with its disk."""
    cluster = set_up()
    for member in cluster:
        upgrade(member)
    cluster.start()
    at_level(cluster, NEW_LEVEL)
    old = cluster.leader()
    here, there = cluster.others(old.number)
    old.stop()
    kept = Keepsake(guests, here)
    downgrade(old)
    old.start()
    stepped_out(old)
    publisher = guests.passing(there)
    for number in range(20):
        assert publisher.publish("kept/r/0", b"%d" % number, 1, retain=True) == 0
    kept.retained["kept/r/0"] = b"19"
    until(here, "sure that it is down", lambda: view(here, old.number)["state"] in ("down", "left"))
    kept.check(here, there)
    # Nor does it get any further when it is started once more.
    old.stop()
    old.start()
    stepped_out(old)
    old.stop()
    upgrade(old)
    old.start()
    cluster.wait_until_serving()
    kept.check(*cluster)
    assert not any(status(member)["alarms"] for member in cluster)


@pytest.mark.parametrize("number", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_an_old_node_doesnt_come_in(set_up: SetUp, guests: Guests, number: int) -> None:
    """Whatever its number, it is told why, and the others count it for nothing."""
    cluster = set_up()
    late = cluster[number]
    here, there = cluster.others(number)
    for member in (here, there):
        upgrade(member)
    only(cluster, here.number, there.number)
    here.start()
    there.start()
    cluster.wait_until_serving(here.number, there.number)
    until(here, "at the new level", lambda: level(here) == NEW_LEVEL)
    kept = Keepsake(guests, here)
    late.arguments = ["--cluster-nodes", ",".join(entry(each) for each in cluster)]
    late.start()
    cluster.wait_for_control(late)
    with pytest.raises(NodeUnavailable):  # nobody waits for it here
        late.ask("join", 2.0, members=[entry(here), entry(there)], discard_data=False)
    until(late, "told why not", lambda: f"level {NEW_LEVEL} is in use: upgrade it" in late.log)
    assert member_ids(here) == member_ids(there) == sorted([here.number, there.number])
    late.stop()
    upgrade(late)
    joined(cluster, late, here, there)
    kept.check(*cluster)


@pytest.mark.slow
def test_a_rolling_upgrade_under_load(set_up: SetUp) -> None:
    cluster = set_up("storage.snapshot_after=1MB")
    cluster.start()
    at_level(cluster, LEVEL)
    with Load(cluster, 1) as load:
        for member in (cluster[2], cluster[3], cluster[1]):
            assert {level(each) for each in cluster} == {LEVEL}
            load.wait_for(150)
            load.fault(f"node {member.number} is stopped, to be upgraded")
            member.ask_to_stop()
            assert member.wait(STOP_S) == 0, member.log[-1500:]
            load.wait_for(50)
            upgrade(member)
            member.start()
            load.over()
        at_level(cluster, NEW_LEVEL)
        load.wait_for(200)
        old = cluster[2]
        load.fault("node 2 is killed and comes back as an old build")
        old.kill()
        downgrade(old)
        load.wait_for(50)
        old.start()
        stepped_out(old)
        load.over(1, 3)
        load.wait_for(200)
        load.fault("node 2 is upgraded again")
        old.stop()
        upgrade(old)
        old.start()
        load.over()
        load.wait_for(100)
        load.finish()
    assert not any(status(member)["alarms"] for member in cluster)
