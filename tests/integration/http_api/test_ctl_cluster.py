"""rmq-ctl and a cluster of three: founded, grown, drained, shrunk, lost, rescued and restored by it alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.http_api.conftest import wait_until_down
from tests.integration.http_api.ctl import Ctl, Ended
from tests.integration.http_api.places import SETS
from tests.support.cluster_processes import ClusterProcesses, Member

PATIENCE_S = 60.0


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[ClusterProcesses]:
    """Three nodes that don't run yet."""
    made = ClusterProcesses(tmp_path, SETS)
    try:
        yield made
    finally:
        made.close()
    assert not any("Traceback" in member.whole_log for member in made)


def until(ask: Callable[[], Ended], is_there: Callable[[Ended], bool]) -> Ended:
    """Ask until it is so: nodes see a change each in its time."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_there(ended := ask()):
        assert time.monotonic() < deadline, ended
        threading.Event().wait(0.1)  # between two questions; nothing tells when it is so
    return ended


def start(node: Member, nodes: ClusterProcesses) -> Ctl:
    """Start a node; the command line for its API, once it takes commands."""
    node.start()
    nodes.wait_for_control(node)
    return Ctl.of(node)


def members(ctl: Ctl) -> dict[str, str]:
    """Each member with its state."""
    found = ctl.good("cluster", "status", "--json").json["members"]
    return {str(member["node_id"]): member["state"] for member in found}


@pytest.mark.slow
def test_the_life_of_a_cluster(nodes: ClusterProcesses, tmp_path: Path) -> None:
    one, _ = (start(nodes[number], nodes) for number in (1, 2))
    assert one.run("health").code == 1  # nobody is in a cluster yet, and the API is there all the same
    found_it(one, nodes)
    three = start(nodes[3], nodes)
    host, port = nodes[1].cluster_address
    first = f"1@{host}:{port}"
    assert three.good("cluster", "join", first).out == "joined\n"
    nodes.wait_until_serving()
    look(one, nodes)
    lead_and_drain(one, nodes)
    backup = tmp_path / "monday"
    one.good("publish", "kept", "first", "--qos", "1", "--retain", "-q")
    written = one.good("cluster", "backup", str(backup))
    assert written.out.startswith(f"{backup}: ") and backup.exists()
    assert one.run("cluster", "backup", str(backup)).code == 1  # it is there already
    one_is_dead(one, nodes)
    assert one.good("cluster", "remove", "3", "--yes").out == "node 3 is removed\n"
    assert members(one).keys() == {"1", "2"}
    nodes[3].wipe()
    three = start(nodes[3], nodes)
    three.good("cluster", "join", first)
    three = rebuild(three, nodes)
    assert three.good("cluster", "leave", "--rate", "500").out == "left\n"
    assert members(one).keys() == {"1", "2"}
    no_majority(one, nodes)
    assert one.good("cluster", "rescue", "--yes").out.startswith("this node is the cluster now")
    until(lambda: one.run("health", "--node", "1"), lambda ended: ended.code == 0)
    one.good("publish", "kept", "second", "--qos", "1", "--retain", "-q")
    assert one.run("cluster", "leave").code == 1  # the last one
    for node in nodes:
        node.kill()
    nodes[1].wipe()
    one = start(nodes[1], nodes)
    assert one.good("cluster", "restore", str(backup), "--yes").out == "restored\n"
    kept = until(lambda: one.run("retained", "kept"), lambda ended: "first" in ended.out)
    assert kept.lines[1][0] == "kept"


def found_it(one: Ctl, nodes: ClusterProcesses) -> None:
    """Of two of the three, who see each other first."""
    until(lambda: one.run("cluster", "bootstrap", "--nodes", "1,2"), lambda ended: ended.code == 0)
    nodes.wait_until_serving(1, 2)
    assert members(one) == {"1": "up", "2": "up"}


def look(one: Ctl, nodes: ClusterProcesses) -> None:
    """Whatever is asked of one node is answered for all of them."""
    until(lambda: one.run("status"), lambda ended: ended.code == 0 and "3 members" in ended.out)
    assert [line[:3] for line in one.good("nodes").lines[1:]] == [[str(n), str(n), "Running"] for n in (1, 2, 3)]
    assert [line[1] for line in one.good("health").lines[1:]] == ["yes"] * 3
    at_two, at_three = nodes[2].connect("at-two"), nodes[3].connect("at-three")
    try:
        at_two.subscribe(("t", 1))
        assert [line[:2] for line in one.good("clients").lines[1:]] == [["at-two", "2"], ["at-three", "3"]]
        assert one.good("client", "at-three", "--json").json["node_id"] == 3
        assert one.good("routes", "t").lines[1] == ["t", "2"]
        assert ["connections.count", "0", "1", "1"] in one.good("stats", "connections").lines
        assert ["connections.count", "2"] in one.good("stats", "connections", "--sum").lines
        for command in ("unload", "load", "reload"):
            assert len(one.good("plugins", command, "rmq-acl").lines) == 3
        assert one.good("plugins", "config", "rmq-acl", "--json").json.keys() == {"1", "2", "3"}
        assert one.good("kick", "at-two", "at-three").out.count("kicked") == 2
    finally:
        at_two.close()
        at_three.close()


def lead_and_drain(one: Ctl, nodes: ClusterProcesses) -> None:
    assert one.good("cluster", "transfer-leader", "2").out == "node 2 leads\n"
    assert one.good("cluster", "transfer-leader").out.endswith(" leads\n")
    assert one.good("cluster", "drain", "3", "--rate", "50").out == "draining node 3\n"
    assert not nodes[3].serves()
    assert "drained" in one.run("health").out
    assert one.good("cluster", "undrain", "3").out == "node 3 takes clients\n"
    nodes.wait_until_serving(3)


def one_is_dead(one: Ctl, nodes: ClusterProcesses) -> None:
    """What is missing is said, and the exit code says so too."""
    nodes[3].kill()
    wait_until_down(nodes, 3, 1, 2)
    for args in (
        ("status",),
        ("nodes",),
        ("health",),
        ("stats",),
        ("metrics", "--sum", "--json"),
        ("plugins", "list"),
    ):
        ended = one.run(*args)
        assert (ended.code, ended.err) == (6, "rmq-ctl: incomplete: nothing from node 3\n"), (args, ended)
        assert ended.out
    assert one.run("nodes", "3").code == 5
    assert one.run("health", "--node", "3").code == 1
    down = [line for line in one.good("cluster", "status").lines if line[:2] == ["3", "3"]]
    assert "DOWN" in down[0]


def rebuild(three: Ctl, nodes: ClusterProcesses) -> Ctl:
    """Node 3 takes all anew from the others when it is started again."""
    until(lambda: three.run("health"), lambda ended: ended.code == 0)
    assert three.good("cluster", "rebuild", "--yes").out == "rebuilding\n"
    nodes[3].stop()
    again = start(nodes[3], nodes)
    nodes.wait_until_serving(3)
    until(lambda: again.run("health"), lambda ended: ended.code == 0)
    return again


def no_majority(one: Ctl, nodes: ClusterProcesses) -> None:
    """Then nothing that is kept can be changed."""
    nodes[3].kill()
    nodes[2].kill()
    until(lambda: one.run("health", "--node", "1"), lambda ended: ended.code == 1)
    assert "NO QUORUM" in until(lambda: one.run("status"), lambda ended: "NO QUORUM" in ended.out).out
    refused = one.run("publish", "kept", "lost", "--qos", "1", "--retain")
    assert (refused.code, refused.out) == (5, "")
    assert one.run("cluster", "remove", "2", "--yes").code == 5
