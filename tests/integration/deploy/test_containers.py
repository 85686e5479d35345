"""Three nodes in containers by deploy/docker-compose.yml: all serve, one dies, the others go on, it comes back.

They take Docker, minutes and, once, a compiler: `make compose-test` runs them, with RMQ_TEST_COMPOSE=1. Ports, project
and secrets are their own, so that they can run beside `make compose-up`. RMQ_TEST_IMAGE names an image that is to be
tested instead of this checkout's.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.compose import NODES, Deployment
from scripts.docker_engine import Engine
from tests.support.broker_process import free_ports
from tests.support.client import Client

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("RMQ_TEST_COMPOSE") != "1", reason="containers: make compose-test runs this"),
]

IMAGE = os.environ.get("RMQ_TEST_IMAGE", "rmq:test")
BALANCER_IMAGE = "rmq-test-balancer"
# For machines that reach no registry: Debian's haproxy, in the place of the image that the compose file names.
BALANCER = "ARG BASE\nFROM ${BASE}\nRUN apt-get update && apt-get install -y --no-install-recommends haproxy\n"


ALL_RUN = {"1": "Running", "2": "Running", "3": "Running"}
# A connection that was closed is counted for as long as it takes a busy machine to see that.
SOON_S = 20.0


@dataclass(frozen=True)
class Containers:
    """Three nodes that serve, and a balancer in front; ``mqtt`` and ``api`` are ports of the host by name."""

    engine: Engine
    deployment: Deployment
    mqtt: dict[str, int]
    api: dict[str, int]

    def client(self, node: str, client_id: str) -> Client:
        client = Client(("127.0.0.1", self.mqtt[node]), client_id)
        client.connect()
        return client

    def curl(self, node: str, path: str, *arguments: str) -> tuple[int, bytes]:
        """Status and body."""
        command = ["curl", "--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}"]
        command += [*arguments, f"http://localhost:{self.api[node]}{path}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        body, _, code = done.stdout.rpartition(b"\n")
        return int(code), body

    def stats_sum(self, node: str) -> dict[str, Any]:
        code, body = self.curl(node, "/api/v1/stats/sum")
        assert code == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer

    def wait_for_connections(self, node: str, count: int) -> dict[str, Any]:
        """The sum as a node tells it, once it counts so many connections."""
        deadline = time.monotonic() + SOON_S
        while (found := self.stats_sum(node))["stats"]["connections.count"] != count:
            assert time.monotonic() < deadline, found
        return found

    def inspect(self, service: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", self.deployment.container(service)))
        return found[0]


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    ports = free_ports(8)
    mqtt = dict(zip((*NODES, "balancer"), ports[:4], strict=True))
    api = dict(zip((*NODES, "balancer"), ports[4:], strict=True))
    variables = {"RMQ_IMAGE": IMAGE, "RMQ_BALANCED_MQTT_PORT": str(mqtt["balancer"])}
    variables["RMQ_BALANCED_API_PORT"] = str(api["balancer"])
    for number, node in enumerate(NODES, 1):
        variables[f"RMQ_MQTT_PORT_{number}"] = str(mqtt[node])
        variables[f"RMQ_API_PORT_{number}"] = str(api[node])
    with Engine() as engine:
        if "RMQ_TEST_IMAGE" not in os.environ:
            engine.build(IMAGE)
        variables["HAPROXY_IMAGE"] = balancer_image(engine, tmp_path_factory.mktemp("balancer"))
        secrets = tmp_path_factory.mktemp("secrets") / "env"
        deployment = Deployment(engine, f"rmq-test-{os.getpid()}", secrets, variables, ["balancer"])
        try:
            deployment.up()
            yield Containers(engine, deployment, mqtt, api)
        finally:
            deployment.down(volumes=True)


def balancer_image(engine: Engine, context: Path) -> str:
    (context / "Dockerfile").write_text(BALANCER)
    engine.docker("build", "--tag", BALANCER_IMAGE, "--build-arg", f"BASE={engine.base_image()}", str(context))
    return BALANCER_IMAGE


def test_secrets_are_made_for_their_owner_only(containers: Containers) -> None:
    path = containers.deployment.secrets_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({line.partition("=")[2] for line in path.read_text().splitlines()}) == 4


@pytest.mark.parametrize("node", NODES)
def test_a_node_runs_without_privileges_and_with_limits(containers: Containers, node: str) -> None:
    found = containers.inspect(node)
    host = found["HostConfig"]
    assert host["Privileged"] is False
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"] and not host["CapAdd"]
    assert host["Memory"] > 0 and host["NanoCpus"] > 0 and host["PidsLimit"] > 0
    addresses = [bound["HostIp"] for many in found["NetworkSettings"]["Ports"].values() if many for bound in many]
    assert addresses == ["127.0.0.1"] * 2
    container = containers.deployment.container(node)
    status = containers.engine.docker("exec", container, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["10001"] * 4
    assert int(fields["CapEff"], 16) == 0 and fields["NoNewPrivs"] == "1"
    version = containers.engine.docker("exec", container, "rmq-node", "--version")
    assert ", compiled, " in version


def test_changes_take_the_token(containers: Containers) -> None:
    body = json.dumps({"topic": "news/today", "payload": "from the API", "qos": 1})
    message = ["--json", body]
    client = containers.client("node2", "reader")
    client.subscribe(("news/#", 1))
    code, answer = containers.curl("node1", "/api/v1/mqtt/publish", *message)
    assert code in (401, 403), answer
    token = ["--header", f"Authorization: Bearer {token_of(containers)}"]
    code, answer = containers.curl("node1", "/api/v1/mqtt/publish", *message, *token)
    assert code == 200, answer
    assert client.receive_publish(timeout_s=20).payload == b"from the API"
    client.close()


def test_the_balancer_serves_and_tells_the_clients_addresses(containers: Containers) -> None:
    client = containers.client("balancer", "balanced")
    client.subscribe(("balanced/#", 1))
    publisher = containers.client("node1", "not-balanced")
    publisher.publish("balanced/x", b"through", qos=1)
    assert client.receive_publish(timeout_s=20).payload == b"through"
    publisher.close()
    code, body = containers.curl("balancer", "/api/v1/clients/balanced")
    assert code == 200, body
    inside = containers.inspect("balancer")["NetworkSettings"]["Networks"].values()
    gateways = {network["Gateway"] for network in inside}
    assert json.loads(body)["ip_address"] in gateways  # where the host's connections come from, and not the balancer
    client.close()


def test_one_node_dies_and_comes_back(containers: Containers) -> None:
    clients = {node: containers.client(node, f"at-{node}") for node in NODES}
    for node in NODES:
        assert states(containers.wait_for_connections(node, 3)) == ALL_RUN
        clients[node].subscribe((f"to/{node}", 1))

    containers.engine.docker("kill", containers.deployment.container("node3"))
    clients["node3"].close()
    for node, other in (("node1", "node2"), ("node2", "node1")):
        clients[node].publish(f"to/{other}", b"without the third", qos=1)
        assert clients[other].receive_publish(timeout_s=20).payload == b"without the third"
        assert states(containers.wait_for_connections(node, 2)) == {**ALL_RUN, "3": "Down"}
        containers.client(node, f"new-at-{node}").close()  # a new one is taken, too

    containers.deployment.compose("start", "node3")
    containers.deployment.wait_until_ready("node3")
    back = containers.client("node3", "at-node3")
    back.subscribe(("to/node3", 1))
    clients["node1"].publish("to/node3", b"welcome", qos=1)
    assert back.receive_publish(timeout_s=20).payload == b"welcome"
    for node in NODES:
        assert states(containers.stats_sum(node)) == ALL_RUN
    for client in (clients["node1"], clients["node2"], back):
        client.close()


def states(stats: dict[str, Any]) -> dict[str, str]:
    """How the sum says that each node is."""
    return {number: node["status"] for number, node in stats["nodes"].items()}


def token_of(containers: Containers) -> str:
    lines = containers.deployment.secrets_file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)["RMQ_API_TOKEN"]
