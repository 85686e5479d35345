"""The places, each started once for a module."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.http_api.described import DescribedHttp
from tests.integration.http_api.places import NARROW, SETS, Place
from tests.support.broker_process import BrokerProcess
from tests.support.cluster_processes import ClusterProcesses, fixed_ports

DOWN_TIMEOUT_S = 30.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it lives by the real clock."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.realtime)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A node alone, with the API."""
    process = BrokerProcess(tmp_path_factory.mktemp("node"), SETS, {"narrow": NARROW})
    try:
        yield process
    finally:
        process.stop()
    assert "Traceback" not in process.log


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcesses]:
    """Three nodes, with the API."""
    made = ClusterProcesses(tmp_path_factory.mktemp("cluster"), SETS)
    for member, port in zip(made, fixed_ports(3), strict=True):
        member.sets += [f"listener.tcp.narrow.{item}" for item in (f"addr=127.0.0.1:{port}", *NARROW)]
        member.sets.append("listener.tcp.narrow.allow_anonymous=true")
    try:
        made.start()
        yield made
    finally:
        made.close()
    assert not any("Traceback" in member.whole_log for member in made)


def place_of(cluster: ClusterProcesses, *dead: int) -> Place:
    """Node 1 is asked, and node 2 has the clients."""
    narrow = next(item for item in cluster[2].sets if item.startswith("listener.tcp.narrow.addr="))
    port = int(narrow.rpartition(":")[2])
    return Place(DescribedHttp.of(cluster[1]), 2, cluster[2].address, ("127.0.0.1", port), (1, 2, 3), dead)


def wait_until_down(cluster: ClusterProcesses, number: int, *others: int) -> None:
    """Wait until these nodes have it that a node is down."""
    deadline = time.monotonic() + DOWN_TIMEOUT_S
    for other in others:
        while True:
            members = cluster[other].ask("status")["members"]
            if {member["node_id"]: member["state"] for member in members}[number] == "down":
                break
            assert time.monotonic() < deadline, f"node {number} isn't down for node {other}"
            threading.Event().wait(0.05)


@pytest.fixture(scope="module", params=["alone", "three", "one dead"])
def shared_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Each place after the other; the last one is the second with a node killed."""
    if request.param == "alone":
        node: BrokerProcess = request.getfixturevalue("node")
        yield Place(DescribedHttp.of(node), 1, node.address, node.addresses["narrow"], (1,))
        return
    cluster: ClusterProcesses = request.getfixturevalue("cluster")
    if request.param == "one dead":
        cluster[3].kill()
        wait_until_down(cluster, 3, 1, 2)
        yield place_of(cluster, 3)
        return
    yield place_of(cluster)


@pytest.fixture
def place(shared_place: Place) -> Iterator[Place]:
    """A place whose clients are gone when the test ends."""
    yield shared_place
    shared_place.leave()
