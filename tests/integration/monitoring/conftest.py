"""A live exposition: a cluster of three, one of them with TLS, that has had something to do."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.certificates import Certificates
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses, fixed_ports

API: Final = re.compile(r"listens  127\.0\.0\.1:(\d+) \(rmq-http-api\)")
WAIT_S: Final = 20.0

Promtool = Callable[[Sequence[str], str], str]


@dataclass(frozen=True)
class Expositions:
    """The texts: ``own`` of one node as a scraper gets it, ``each`` of all nodes, ``sum`` of all as one."""

    own: str
    each: str
    sum: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it lives by the real clock."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.realtime)


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Runs promtool, which must be content, and answers what it says."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is missing (Debian package prometheus): see scripts/test_packages.sh")

    def run(arguments: Sequence[str], given: str = "") -> str:
        done = subprocess.run(
            [program, *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"promtool {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run


def scrape(log: str, path: str) -> str:
    """What a node's API says at a path."""
    (port,) = API.findall(log)[-1:]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=WAIT_S) as answer:
        text: str = answer.read().decode()
        return text


@pytest.fixture(scope="session")
def expositions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Expositions]:
    """Scraped once."""
    pair = Certificates(tmp_path_factory.mktemp("certificates")).authority.server
    cluster = ClusterProcesses(tmp_path_factory.mktemp("cluster"))
    (port,) = fixed_ports(1)
    cluster[1].sets += [
        f"listener.tls.external.{item}"
        for item in (f"addr=127.0.0.1:{port}", f"cert={pair.certfile}", f"key={pair.keyfile}")
    ]
    try:
        cluster.start()
        clients = [Client(cluster[number].address, f"c{number}") for number in (1, 2)]
        for client in clients:
            client.connect()
        clients[1].subscribe(("t", 1))
        deadline = time.monotonic() + WAIT_S
        while True:  # a subscription may need a moment to be known at the other node
            clients[0].publish("t", b"x", 1)
            each = scrape(cluster[1].log, "/api/v1/metrics/prometheus")
            if re.search(r'rmq_messages_delivered_total\{node="2",origin="custom"\} [1-9]', each):
                break
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
        log = cluster[1].log
        yield Expositions(scrape(log, "/metrics"), each, scrape(log, "/api/v1/metrics/prometheus/sum"))
        for client in clients:
            client.close()
    finally:
        cluster.close()
    assert not any("Traceback" in member.whole_log for member in cluster)
