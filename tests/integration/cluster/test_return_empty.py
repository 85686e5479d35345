"""A node comes back with an empty disk: it takes everything from the others, and has no vote before that."""

from __future__ import annotations

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.integration.cluster.members import Keepsake, said, status, until, view
from tests.integration.cluster.test_growth import joined, member_ids
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load

INSTALLED = "the snapshot is in place"
LOG_KEPT = 4 * 1024 * 1024
"""What a node keeps of the log before its snapshot: for those that were away for a moment only."""


def snapshots_everywhere(cluster: ClusterProcesses, guests: Guests) -> None:
    """More goes through the log than any node keeps: whoever is empty can't be given it from its beginning."""
    publisher = guests.passing(cluster[1])
    payload = bytes(250_000)
    for _ in range(LOG_KEPT // len(payload) + 4):
        assert publisher.publish("large", payload, 1, retain=True) == 0
    for member in cluster:
        # A backup is one that is taken now, and copied.
        member.ask("backup", 60, path=str(member.directory / "backup"))


def incarnation(here: Member, number: int) -> int:
    found: int = view(here, number)["incarnation"]
    return found


def test_an_empty_disk_has_no_vote_until_it_has_caught_up(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up("plugins.rmq-cluster-raft.quorum_timeout=1s")
    cluster.start()
    kept = Keepsake(guests, cluster[1])
    snapshots_everywhere(cluster, guests)
    one, two, empty = cluster
    before = incarnation(one, 3)
    empty.kill()
    empty.wipe()
    two.pause()
    try:
        until(one, "without a majority", lambda: not status(one)["has_quorum"])
        empty.start()
        until(empty, "linked with node 1", lambda: view(empty, 1).get("link_up"))
        # Two of three are here; but one of them has forgotten what it promised, and its vote is worth nothing.
        assert not one.serves() and not empty.serves()
        assert status(one)["leader"] is None and status(empty)["leader"] is None
        assert any("doesn't vote" in alarm for alarm in status(empty)["alarms"])
        assert not said(empty, INSTALLED)
    finally:
        two.resume()
    cluster.wait_until_serving()
    until(empty, "in possession of a snapshot", lambda: said(empty, INSTALLED))
    assert incarnation(one, 3) > before
    until(empty, "sound", lambda: not status(empty)["alarms"])
    # Now its vote is as good as any.
    one.kill()
    cluster.wait_until_serving(2, 3)
    kept.check(two, empty)
    one.start()
    cluster.wait_until_serving()


def test_a_removed_nodes_id_comes_back_empty(set_up: SetUp, guests: Guests) -> None:
    """What clients had there is theirs, at the others and at the new one; its life before is over."""
    cluster = set_up("plugins.rmq-cluster-raft.quorum_timeout=1s")
    cluster.start()
    one, two, gone = cluster
    kept = Keepsake(guests, gone)
    snapshots_everywhere(cluster, guests)
    before = incarnation(one, 3)
    there = guests.connect(gone, "there")
    there.subscribe(("t", 1))
    gone.ask("leave", 60)
    for member in (one, two):  # it is committed where it was asked for, and applied here a moment later
        until(member, "without node 3", lambda: member_ids(member) == [1, 2])  # noqa: B023 -- called at once
    guests.connect(one, "there", present=True)
    kept.check(one, two)
    assert not gone.serves()
    gone.stop()
    gone.start()
    assert gone.wait(30) != 0
    assert "removed" in gone.log and "Traceback" not in gone.log, gone.log
    gone.wipe()
    joined(cluster, gone, one, two)
    assert incarnation(one, 3) > before and member_ids(two) == [1, 2, 3]
    assert said(gone, INSTALLED)
    kept.check(gone, one, two)
    back = guests.connect(gone, "there", present=True)
    assert guests.passing(two).publish("t", b"for you", 1) == 0
    back.receive_publish(b"for you")


@pytest.mark.slow
def test_under_load_empty_disks_catch_up_by_snapshots(set_up: SetUp, guests: Guests) -> None:
    """All three, one after the other: in the end nobody has anything of what there was at first but by a snapshot."""
    cluster = set_up("storage.snapshot_after=1MB")
    cluster.start()
    kept = Keepsake(guests, cluster[2])
    snapshots_everywhere(cluster, guests)
    with Load(cluster, 1) as load:
        for number in (3, 1, 2):
            member = cluster[number]
            load.wait_for(100)
            load.fault(f"node {number} is killed, and its disk is lost")
            member.kill()
            load.wait_for(100)
            member.wipe()
            member.start()
            load.over()
            until(member, "in possession of a snapshot", lambda: said(member, INSTALLED))  # noqa: B023 -- called at once
            load.wait_for(100)
        load.finish()
    kept.check(*cluster)
    for member in cluster:
        until(member, "sound", lambda: not status(member)["alarms"])  # noqa: B023 -- called at once


@pytest.mark.slow
def test_under_load_a_removed_node_comes_back_empty(set_up: SetUp) -> None:
    """Removed while it works, the leader as well: its id is soon used again, for operations of another life."""
    cluster = set_up("storage.snapshot_after=1MB")
    cluster.start()
    with Load(cluster, 1) as load:
        for leads in (False, True, False):
            load.wait_for(150)
            leader = cluster.leader()
            gone = leader if leads else cluster.others(leader.number)[1]
            here, there = cluster.others(gone.number)
            before = incarnation(here, gone.number)
            load.fault(f"node {gone.number} is removed")
            here.ask("remove", 60, node_id=gone.number)
            until(gone, "told", lambda: said(gone, "this node was removed from the cluster"))  # noqa: B023 -- called at once
            gone.kill()
            gone.wipe()
            load.wait_for(50)
            joined(cluster, gone, here, there)
            until(here, "with a voter more", lambda: view(here, gone.number).get("voter"))  # noqa: B023 -- called at once
            load.over()
            assert incarnation(here, gone.number) > before
        load.finish()
    for member in cluster:
        until(member, "sound", lambda: not status(member)["alarms"])  # noqa: B023 -- called at once
