"""Access rules in a cluster of three processes: a reload ends subscriptions on the node that it is done on alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.ctl import Ctl
from tests.integration.http_api.http import Http
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses
from tests.support.wire_parser import Publish

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

TIMEOUT_S: Final = 20.0
MAIN_FILE: Final = '[plugins]\ndefault_startups = ["rmq-acl", "rmq-http-api"]\n'
OPEN: Final = 'rules = [["allow", "all"]]\n'
CLOSED: Final = 'rules = [["deny", "all", "subscribe", ["secret/#"]], ["allow", "all"]]\n'


class Rules:
    """The files of each node, and the cluster that reads them."""

    def __init__(self, cluster: ClusterProcesses, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        for member in cluster:
            (folder / f"etc{member.number}" / "plugins").mkdir(parents=True)
            (folder / f"etc{member.number}" / "rmq.toml").write_text(MAIN_FILE)
            self.write(OPEN, member.number)
            member.arguments += ["-f", str(folder / f"etc{member.number}" / "rmq.toml")]

    def write(self, rules: str, *numbers: int) -> None:
        """Change the files of these nodes."""
        for number in numbers:
            (self.folder / f"etc{number}" / "plugins" / "rmq-acl.toml").write_text(rules)

    def ended(self) -> dict[int, int]:
        """How many subscriptions each node has ended."""
        api = Http.of(self.cluster[3])
        return {n: api.get(f"/api/v1/plugins/{n}/rmq-acl")["attrs"]["subscriptions_ended"] for n in (1, 2, 3)}

    def wait_for_ended(self, **expected: int) -> None:
        """Wait until they have."""
        wanted = {int(name[1:]): count for name, count in expected.items()}
        deadline = time.monotonic() + TIMEOUT_S
        while (ended := self.ended()) != wanted:
            assert time.monotonic() < deadline, ended
            threading.Event().wait(0.05)


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[Rules]:
    (tmp_path / "nodes").mkdir()
    cluster = ClusterProcesses(tmp_path / "nodes")
    rules = Rules(cluster, tmp_path)
    try:
        cluster.start()
        yield rules
    finally:
        cluster.close()


def heard(client: Client) -> list[str]:
    """The topics of what comes, up to the one that ends a round."""
    found: list[str] = []
    while not found or found[-1] != "open/end":
        found.append(client.expect(Publish).topic)
    return found


def test_a_reload_is_for_the_clients_of_its_node(rules: Rules) -> None:
    cluster = rules.cluster
    clients = {number: cluster[number].connect(f"c{number}") for number in (1, 2)}
    away = cluster[1].connect("away")
    for client in (*clients.values(), away):
        client.subscribe(("secret/#", 1), ("open/#", 1))
    away.disconnect()
    publisher = cluster[3].connect("p", clean=True, expiry=0)

    def publish_round() -> dict[int, list[str]]:
        for topic in ("secret/a", "open/end"):
            publisher.publish(topic, b"x")
        return {number: heard(client) for number, client in clients.items()}

    both = ["secret/a", "open/end"]
    assert publish_round() == {1: both, 2: both}

    # By the API of any node, for one of them: the others go on by what they have, though their files are changed too.
    rules.write(CLOSED, 1, 2, 3)
    answer = Http.of(cluster[3]).ask("PUT", "/api/v1/plugins/1/rmq-acl/config/reload")
    assert answer.status == 200, answer.text
    rules.wait_for_ended(n1=2, n2=0, n3=0)
    assert publish_round() == {1: ["open/end"], 2: both}
    assert clients[1].subscribe("secret/#").codes == [0x87]
    clients[2].subscribe("secret/b")

    # For all of them, as the command line does it.
    done = Ctl.of(cluster[3]).good("plugins", "reload", "rmq-acl")
    assert [line.partition(":")[0] for line in done.out.splitlines()] == ["node 1", "node 2", "node 3"]
    rules.wait_for_ended(n1=2, n2=2, n3=0)
    assert publish_round() == {1: ["open/end"], 2: ["open/end"]}

    # What waited for the one who was away before the reload is its own; no other node gives it what it lost at node 1.
    back = cluster[2].connect("away", present=True)
    publish_round()
    rounds = ["secret/a", "open/end", "open/end", "open/end", "open/end"]
    assert [back.expect(Publish).topic for _ in rounds] == rounds
    back.expect_nothing()
    for client in (*clients.values(), back, publisher):
        client.close()
