"""Clusters of three processes: one that many tests share, and some that a test may do anything to."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.integration.cluster.guests import Guests
from tests.support.cluster_network import network_or_skip
from tests.support.cluster_processes import CLIENTS, ClusterProcesses

OPTIONS: Final = ("listener.tcp.external.max_mqueue_len=60000", "listener.tcp.external.delayed_publish=true")

SetUp = Callable[..., ClusterProcesses]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it lives by the real clock."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.path.name != "test_ledger.py":
            item.add_marker(pytest.mark.realtime)


def end(cluster: ClusterProcesses) -> None:
    """End the nodes; none may have met a bug. The logs of one that has are kept."""
    cluster.close()
    confused = [member for member in cluster if "Traceback" in member.whole_log]
    if confused:
        place = Path(tempfile.mkdtemp(prefix="rmq-cluster-"))
        for member in cluster:
            if member.log_path.exists():
                shutil.copy(member.log_path, place / f"node-{member.number}.log")
        trace = confused[0].whole_log.partition("Traceback")[2][:3000]
        pytest.fail(f"nodes {[each.number for each in confused]} met a bug, their logs are in {place}: {trace}")


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcesses]:
    """One cluster for all tests that do it no harm."""
    cluster = ClusterProcesses(tmp_path_factory.mktemp("cluster"), OPTIONS)
    try:
        cluster.start()
        yield cluster
    finally:
        end(cluster)


@pytest.fixture
def cluster(shared_cluster: ClusterProcesses) -> ClusterProcesses:
    """The shared cluster, in order: whoever left it otherwise has failed already."""
    shared_cluster.wait_until_serving()
    return shared_cluster


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[SetUp]:
    """Makes a cluster for one test, with ``--set`` options, in a network of its own if it is asked for; not started."""
    with ExitStack() as stack:

        def make(*sets: str, size: int = 3, own_network: bool = False) -> ClusterProcesses:
            hosts = [*(str(number) for number in range(1, size + 1)), CLIENTS]
            network = stack.enter_context(network_or_skip(hosts)) if own_network else None
            made = ClusterProcesses(tmp_path, [*OPTIONS, *sets], size=size, network=network)
            stack.callback(end, made)
            return made

        yield make


@pytest.fixture
def guests() -> Iterator[Guests]:
    """Clients of the test, whose connections are closed at its end."""
    with Guests() as made:
        yield made


@pytest.fixture
def name() -> str:
    """A client id, and a topic level, that no other test uses."""
    return secrets.token_hex(4)


@pytest.fixture
def _root() -> None:
    """Only root gives a process a boot id of its own, or a file system."""
    if os.geteuid() != 0:
        pytest.skip("takes root: mounts in a namespace of the test's own")
