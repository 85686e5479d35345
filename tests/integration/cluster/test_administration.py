"""``rmq-node cluster …`` given to real nodes, as a person types it."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.integration.cluster.members import Keepsake, refused, status, typed, until, view
from tests.integration.cluster.test_growth import entry, joined, member_ids
from tests.support import wire
from tests.support.client import Client, ConnectionClosed
from tests.support.cluster_processes import ClusterProcesses
from tests.support.load.load import Load
from tests.support.wire_parser import Connack, Disconnect

USE_ANOTHER_SERVER = 0x9C
UNAVAILABLE_3 = 3


def test_status_and_leadership(cluster: ClusterProcesses) -> None:
    leader = cluster.leader()
    heir, other = cluster.others(leader.number)
    told = typed(heir, "status")
    cluster_id = status(leader)["cluster_id"]
    assert told.splitlines()[0] == f"cluster  {cluster_id}, as node {heir.number} sees it"
    assert f"node {leader.number}" in told and "ALARM" not in told and "DOWN" not in told
    for member in cluster:
        row = next(line.split() for line in told.splitlines() if line.startswith(f"{member.number} "))
        host, port = member.cluster_address
        assert row[2:6] == [f"{host}:{port}", "up", "yes", "leader" if member is leader else "follower"]
    as_json = json.loads(typed(heir, "status", "--json"))
    assert as_json["has_quorum"] and [each["node_id"] for each in as_json["members"]] == [1, 2, 3]
    # Any member can be told; a certain one or whoever is best.
    assert typed(other, "transfer-leader", str(heir.number)) == f"node {heir.number} leads\n"
    assert cluster.leader() is heir
    assert typed(other, "transfer-leader", str(heir.number)) == f"node {heir.number} leads\n"
    chosen = typed(heir, "transfer-leader")
    assert cluster.leader() is not heir and chosen == f"node {cluster.leader().number} leads\n"


def test_what_cannot_be_done_is_told_in_a_line(cluster: ClusterProcesses) -> None:
    one, two, _ = cluster
    assert refused(one, "transfer-leader", "9") == "node 9 isn't a member of the cluster"
    assert refused(one, "remove", "9", "--yes") == "node 9 isn't a member of the cluster"
    assert "already" in refused(one, "join", entry(two))
    assert "majority is here" in refused(one, "rescue", "--yes")
    assert "already" in refused(one, "bootstrap", "--nodes", "1,2")
    assert "empty" in refused(one, "restore", str(one.directory / "nowhere"), "--yes")
    assert member_ids(one) == [1, 2, 3]


def farewell(client: Client) -> Disconnect | None:
    """What a node says at the end of a connection; None for nothing but the end."""
    try:
        while True:
            packet = client.receive(10)
            if isinstance(packet, Disconnect):
                client.expect_closed(10)
                return packet
    except ConnectionClosed:
        return None


def test_drain_moves_clients_to_where_they_are_told(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up()
    for member in cluster:
        member.sets.append(f"listener.tcp.external.advertise=mqtt-{member.number}.example:1883")
    cluster.start()
    drained = cluster.leader()
    here, there = cluster.others(drained.number)
    kept = Keepsake(guests, drained)
    elsewhere = {f"mqtt-{member.number}.example:1883" for member in (here, there)}
    newer = [guests.connect(drained, f"v5-{number}") for number in range(10)]
    older = [guests.connect(drained, f"v3-{number}", 4) for number in range(5)]
    for client in (*newer, *older):
        client.subscribe(("t", 1))
    transient = guests.passing(drained)
    assert typed(drained, "drain", "--rate", "200") == "draining\n"
    assert cluster.leader(here.number, there.number) in (here, there)
    for client in (*newer, transient):
        last = farewell(client)
        assert last is not None and last.code == USE_ANOTHER_SERVER, last
        assert last.get(wire.SERVER_REFERENCE) in elsewhere, last
    for client in older:
        assert farewell(client) is None
    # Nobody is let in, and everybody is told where to go.
    _, connack = guests.try_to_connect(drained, "late")
    assert connack.code == USE_ANOTHER_SERVER and connack.get(wire.SERVER_REFERENCE) in elsewhere, connack
    _, connack = guests.try_to_connect(drained, "late", 4)
    assert connack == Connack(False, UNAVAILABLE_3, properties=connack.properties)
    told = typed(drained, "status")
    assert "clients of this node are moved away" in told
    # All have their sessions where they come to, and messages that were published meanwhile.
    assert guests.passing(there).publish("t", b"meanwhile", 1) == 0
    for client in (*newer, *older):
        guests.connect(here, client.client_id, client.level, present=True).receive_publish(b"meanwhile")
    kept.check(here, there)
    assert typed(drained, "undrain") == "takes clients\n"
    cluster.wait_until_serving()
    kept.check(drained)
    # A drained node names no node that is drained as well.
    typed(here, "drain")
    typed(drained, "drain")
    until(there, "told of both", lambda: cluster.leader() is there)
    until(
        drained,
        "sending clients to the last one",
        lambda: (
            guests.try_to_connect(drained, "late")[1].get(wire.SERVER_REFERENCE) == f"mqtt-{there.number}.example:1883"
        ),
    )


def test_who_leaves_is_drained_first(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up()
    for member in cluster:
        member.sets.append(f"listener.tcp.external.advertise=mqtt-{member.number}.example:1883")
    cluster.start()
    gone = cluster.leader()
    here, there = cluster.others(gone.number)
    kept = Keepsake(guests, gone)
    elsewhere = {f"mqtt-{member.number}.example:1883" for member in (here, there)}
    clients = [guests.connect(gone, f"c-{number}") for number in range(10)]
    for client in clients:
        client.subscribe(("t", 1))
    begun = time.monotonic()
    assert typed(gone, "leave", "--rate", "20") == "left\n"
    assert time.monotonic() - begun > 0.3, "not all of them at once"
    for client in clients:
        last = farewell(client)
        assert last is not None and last.code == USE_ANOTHER_SERVER, last
        assert last.get(wire.SERVER_REFERENCE) in elsewhere, last
    assert member_ids(here) == member_ids(there) == sorted([here.number, there.number])
    assert guests.passing(there).publish("t", b"meanwhile", 1) == 0
    for client in clients:
        guests.connect(here, client.client_id, client.level, present=True).receive_publish(b"meanwhile")
    kept.check(here, there)
    gone.stop()


def test_who_was_stopped_is_told_apart_from_who_died(set_up: SetUp) -> None:
    cluster = set_up()
    cluster.start()
    here, stopped, dead = cluster.leader(), *cluster.others(cluster.leader().number)
    stopped.stop()
    until(here, "told that it was stopped", lambda: view(here, stopped.number).get("state") == "left")
    assert view(dead, stopped.number)["state"] == "left"
    told = next(line.split() for line in typed(dead, "status").splitlines() if line.startswith(f"{stopped.number} "))
    assert told[3] == "stopped" and "DOWN" in told
    stopped.start()
    cluster.wait_until_serving()
    assert view(here, stopped.number)["state"] == "up"
    dead.kill()
    until(here, "sure that it died", lambda: view(here, dead.number)["state"] == "down")
    assert view(stopped, dead.number)["state"] == "down"


def test_a_backup_is_restored_in_a_new_cluster(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up()
    cluster.start()
    one, two, three = cluster
    kept = Keepsake(guests, one)
    backup = cluster.directory / "a backup"
    assert typed(two, "backup", str(backup)).startswith(f"{backup}: ")
    assert "there already" in refused(two, "backup", str(backup))
    # What is done after it is no part of it.
    assert guests.passing(one).publish("kept/r/late", b"x", 1, retain=True) == 0
    guests.off_line(one, "late", ("t", 1))
    old_id = status(one)["cluster_id"]
    for member in cluster:
        member.kill()
        member.wipe()
    one.start()
    cluster.wait_for_control(one)
    assert "missing" in refused(one, "restore", str(without_a_file(backup)), "--yes")
    assert typed(one, "restore", str(backup), "--yes") == "restored\n"
    two.start()
    three.start()
    cluster.wait_until_serving()
    assert status(one)["cluster_id"] == status(three)["cluster_id"] != old_id
    kept.check(*cluster)
    guests.connect(two, "late", present=False)
    # It is on their disks.
    for member in cluster:
        member.kill()
    for member in cluster:
        member.start()
    cluster.wait_until_serving()
    kept.check(*cluster)


def without_a_file(backup: Path) -> Path:
    """A copy of it that isn't whole."""
    copy = backup.with_name("half a backup")
    shutil.copytree(backup, copy)
    next(path for path in copy.iterdir() if path.suffix != ".json").unlink()
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
def test_rescue_goes_on_from_one_node(set_up: SetUp, guests: Guests, runs: bool) -> None:
    """And those that were left behind come back without what they had."""
    cluster = set_up("plugins.rmq-cluster-raft.quorum_timeout=1s")
    cluster.start()
    one, two, three = cluster
    kept = Keepsake(guests, one)
    cluster_id = status(one)["cluster_id"]
    two.kill()
    three.kill()
    if runs:
        until(one, "without a majority", lambda: not status(one)["has_quorum"])
        told = typed(one, "status")
        assert "quorum   NO" in told and "ALARM    There is no majority: no link to nodes 2, 3." in told, told
        for arguments in (("leave",), ("remove", "2", "--yes"), ("transfer-leader",)):
            assert "too few nodes are in contact" in refused(one, *arguments)
    else:
        one.kill()
    typed(one, "rescue", "--yes")
    if not runs:
        one.start()
    cluster.wait_until_serving(1)
    assert status(one)["cluster_id"] == cluster_id and status(one)["alarms"] == []
    kept.check(one)
    assert guests.passing(one).publish("kept/r/0", b"since", 1, retain=True) == 0
    kept.retained["kept/r/0"] = b"since"
    for member in (two, three):
        member.start()
        until(member, "refused", lambda: "left behind" in member.log)  # noqa: B023 -- called at once
        assert not member.serves()
        member.kill()
        typed(member, "rebuild", "--yes")
        member.start()
        cluster.wait_until_serving(member.number)
        kept.check(member)
    assert member_ids(one) == [1, 2, 3]
    kept.check(*cluster)


@pytest.mark.parametrize(
    "leads", [pytest.param(True, id="leader"), pytest.param(False, id="follower", marks=pytest.mark.slow)]
)
def test_rebuild_takes_everything_from_the_others(set_up: SetUp, guests: Guests, leads: bool) -> None:
    cluster = set_up()
    cluster.start()
    leader = cluster.leader()
    rebuilt = leader if leads else cluster.others(leader.number)[0]
    others = cluster.others(rebuilt.number)
    kept = Keepsake(guests, rebuilt)
    before = view(others[0], rebuilt.number)["incarnation"]
    typed(rebuilt, "rebuild", "--yes")
    cluster.leader(*(member.number for member in others))
    assert not rebuilt.serves()
    kept.check(*others)
    rebuilt.stop()
    rebuilt.start()
    cluster.wait_until_serving()
    assert "the data of this node are discarded" in rebuilt.log
    assert view(others[0], rebuilt.number)["incarnation"] > before
    kept.check(rebuilt, *others)


def test_a_person_founds_the_cluster_with_those_that_are_there(set_up: SetUp, guests: Guests) -> None:
    """The third one is let in when it comes, empty; with data of its own it isn't."""
    cluster = set_up()
    one, two, three = cluster
    one.start()
    two.start()
    for member in (one, two):
        until(member, "linked", lambda: any(each["link_up"] for each in status(member).get("members", ())))  # noqa: B023 -- called at once
    assert not one.serves()
    assert "node 3" in refused(one, "bootstrap", "--nodes", "1,3")
    assert "this node" in refused(one, "bootstrap", "--nodes", "2,3")
    assert typed(one, "bootstrap", "--nodes", "1,2") == "founded\n"
    cluster.wait_until_serving(1, 2)
    kept = Keepsake(guests, two)
    assert member_ids(one) == [1, 2]
    joined(cluster, three, one)
    kept.check(three)
    assert member_ids(one) == [1, 2, 3]


@pytest.mark.slow
def test_under_load_nothing_is_lost_by_what_an_administrator_does(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up()
    cluster.start()
    kept = Keepsake(guests, cluster[1])
    with Load(cluster, 1) as load:
        for turn in range(4):
            load.wait_for(100)
            load.fault("leadership is handed over")
            cluster[1 + turn % 3].ask("transfer_leadership", 30)
            load.over()
        for turn, member in enumerate((cluster.leader(), *cluster)):
            load.wait_for(100)
            load.fault(f"node {member.number} is drained")
            member.ask("drain", 30, rate=50)
            load.wait_for(200)
            assert not member.serves()
            member.ask("backup", 60, path=str(cluster.directory / f"backup-{turn}"))
            member.ask("undrain")
            load.over()
        load.wait_for(100)
        load.finish()
    kept.check(*cluster)
