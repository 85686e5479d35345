"""Nodes between which only a person can decide: two processes with one id, and two histories of one cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.integration.cluster.members import events, status, typed, until, view
from tests.support.cluster_processes import ClusterProcesses, Member, fixed_ports
from tests.support.load.load import Load


@contextmanager
def second(cluster: ClusterProcesses, number: int) -> Iterator[Member]:
    """A node with the configuration of another one, on a machine of its own; not started."""
    first = cluster[number]
    client_port, cluster_port = fixed_ports(2)
    made = Member(
        number, cluster.directory / "second", ("127.0.0.1", client_port), ("127.0.0.1", cluster_port), cluster.dial
    )
    made.arguments = list(first.arguments)
    made.sets = [*first.sets, f"plugins.rmq-cluster-raft.bind=127.0.0.1:{cluster_port}"]
    try:
        yield made
    finally:
        made.kill()


@pytest.mark.parametrize("what", ["configuration", pytest.param("machine", marks=pytest.mark.slow)])
def test_a_second_process_with_an_id_is_refused(set_up: SetUp, guests: Guests, what: str) -> None:
    """A copied configuration, and a copied machine with its data. The first one goes on as if there were no other."""
    cluster = set_up()
    cluster.start()
    one, first, three = cluster
    if what == "machine":
        first.stop()
        shutil.copytree(first.data, cluster.directory / "copy")
        first.start()
        cluster.wait_until_serving()
    until(first, "linked to both", lambda: len(events(first, "cluster link up")) == 2)
    incarnation = view(one, 2)["incarnation"]
    client = guests.connect(first, "c")
    client.subscribe(("t", 1))
    with second(cluster, 2) as copy, Load(cluster, 1) as load:
        if what == "machine":
            shutil.copytree(cluster.directory / "copy", copy.data)
        load.wait_for(100)
        copy.start()
        told = "another process with the node id 2 has a link to node 1"
        until(copy, "told that it is the second one", lambda: told in copy.log)
        until(one, "aware of it", lambda: any(told in alarm for alarm in status(one)["alarms"]))
        assert any(line.get("reason") == "same_id" for line in events(one, "cluster handshake refused")), one.log
        assert any(told in alarm for alarm in status(copy)["alarms"]), status(copy)
        load.wait_for(200)
        assert not copy.serves()
        assert guests.passing(three).publish("t", b"for the first", 1) == 0
        client.receive_publish(b"for the first")
        load.finish()
    assert len(events(first, "cluster link up")) == 2 and not events(first, "cluster link down")
    assert view(one, 2)["incarnation"] == view(three, 2)["incarnation"] == incarnation
    until(one, "sure that it is gone", lambda: not status(one)["alarms"])


@pytest.mark.parametrize("rescued", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_two_that_a_rescue_left_behind_are_told_of(set_up: SetUp, rescued: int) -> None:
    """They go on as the cluster of before, being its majority: both sides say so until somebody ends it."""
    cluster = set_up("plugins.rmq-cluster-raft.quorum_timeout=1s")
    cluster.start()
    alone = cluster[rescued]
    others = cluster.others(rescued)
    for member in others:
        member.kill()
    until(alone, "without a majority", lambda: not status(alone)["has_quorum"])
    typed(alone, "rescue", "--yes")
    cluster.wait_until_serving(rescued)
    for member in others:
        member.start()
    for member in others:
        told = f"node {member.number} was left behind when the cluster was rescued with node {rescued}"
        for here in (alone, member):
            until(here, "aware of it", lambda: any(told in alarm for alarm in status(here)["alarms"]))  # noqa: B023 -- called at once
    assert f"ALARM    Node {others[0].number} " in typed(alone, "status")
    for member in others:
        member.kill()
        typed(member, "rebuild", "--yes")
        member.start()
    cluster.wait_until_serving()
    until(alone, "content", lambda: not status(alone)["alarms"])
