"""rmq: three nodes in a cluster, or one alone, with the configuration that ships."""

from __future__ import annotations

import json
import subprocess
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.cluster.servers import BenchError, Ports, Server, wait_until_listening
from tests.bench.cluster.system import START_TIMEOUT_S, System
from tests.bench.load_tool import LoadTool

NODES = 3
ACK_POLICY = "quorum"
# A node that isn't behind by more entries of the log has caught up, while more of them come.
ON_ITS_WAY = 50


class Rmq(System):
    """`size` nodes; more than one are a cluster, founded at its first start."""

    def __init__(
        self,
        folder: Path,
        cores: frozenset[int],
        ports: Ports,
        command: Sequence[str],
        etc: Path,
        size: int = NODES,
        settings: Sequence[str] = (),
    ) -> None:
        super().__init__("rmq" if size > 1 else "rmq alone", folder, cores)
        self._command = list(command)
        self._etc = etc
        self._settings = settings
        self._links = [ports.take() for _ in range(size)]
        self.ports = [ports.take() for _ in range(size)]

    def start(self) -> None:
        self.servers = [self._launch(index) for index in range(len(self.ports))]
        for server, port in zip(self.servers, self.ports, strict=True):
            wait_until_listening(server, port, START_TIMEOUT_S)

    def data(self, index: int) -> Path:
        """The data folder of a node."""
        return self.folder / f"data-{index + 1}"

    def waited_for_processor(self, index: int) -> float:
        """For how many seconds a node has wanted to run while others did."""
        return self.servers[index].waited_for_processor()

    def restart(self, index: int, timeout_s: float = START_TIMEOUT_S) -> float:
        """Start a node that has ended, with the data it has; seconds until it serves clients."""
        begun = time.monotonic()
        self.servers[index] = self._launch(index)
        wait_until_listening(self.servers[index], self.ports[index], START_TIMEOUT_S)
        self.wait_until_back(index, begun + timeout_s)
        return time.monotonic() - begun

    def status(self, index: int) -> dict[str, Any]:
        """What a node says about the cluster; BenchError when it says nothing."""
        done = _run([*self._command, "cluster", "status", "--json", *self._identity(index)])
        if done.returncode:
            raise BenchError(f"rmq-node cluster status of node {index + 1}: {done.stderr.strip()}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def leader(self, among: Sequence[int], timeout_s: float = 30.0) -> int:
        """Index of the node that leads, as these nodes (by index) say; they have to agree."""
        deadline = time.monotonic() + timeout_s
        while True:
            told = {self.status(index)["leader"] for index in among}
            if len(told) == 1 and (found := told.pop()) is not None:
                return int(found) - 1
            if time.monotonic() > deadline:
                raise BenchError(f"rmq: no leader that nodes {[index + 1 for index in among]} agree on: {told}")

    def wait_until_whole(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when the leader sees every member up, and none behind by more than what is just on its way."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = self.status(self.leader(range(len(self.ports))))
            members = status["members"]
            behind = [m for m in members if not m["link_up"] or m["state"] != "up" or m["applied_lag"] > ON_ITS_WAY]
            if len(members) == len(self.ports) and not behind:
                return
            if time.monotonic() > deadline:
                raise BenchError(f"rmq: the cluster doesn't become whole: {status}")
            time.sleep(0.1)

    def verify(self, tool: LoadTool) -> dict[str, str]:
        """The settings in effect, as each node's program prints them, and in a cluster that all members vote."""
        found = {"storage.ack_policy": self._setting(("storage", "ack_policy"))}
        if found["storage.ack_policy"] != ACK_POLICY:
            raise BenchError(f"rmq: storage.ack_policy is not {ACK_POLICY}: {found}")
        if len(self.ports) > 1:
            self.wait_until_whole()
            status = self.status(0)
            voters = [member["node_id"] for member in status["members"] if member["voter"]]
            if len(voters) != NODES or not status["has_quorum"]:
                raise BenchError(f"rmq: not a cluster of {NODES} voters: {status}")
            found["cluster"] = f"{len(voters)} voters, all up, operation level {status['operation_level']}"
        return found

    def budgets(self) -> dict[str, str]:
        """What limits memory and disk of a node."""
        keys = ("memory_budget", "session_memory_budget", "pending_budget", "disk_budget", "snapshot_after")
        return {key: self._setting(("storage", key)) for key in keys}

    def effective_configuration(self) -> str:
        """All that is in effect on the first node."""
        return self._check(0).replace(str(self.folder), "TMP")

    def version(self) -> str:
        return _run([*self._command, "-V"]).stdout.strip()

    def _setting(self, key: tuple[str, str]) -> str:
        told = {str(tomllib.loads(self._check(index))[key[0]][key[1]]) for index in range(len(self.ports))}
        if len(told) != 1:
            raise BenchError(f"rmq: {'.'.join(key)} differs between nodes: {told}")
        return told.pop()

    def _check(self, index: int) -> str:
        done = _run([*self._node(index), "--check"])
        if done.returncode:
            raise BenchError(f"rmq-node --check: {done.stderr.strip()}")
        return done.stdout

    def _launch(self, index: int) -> Server:
        return Server(f"rmq{index + 1}", self._node(index), self.folder, cores=self.cores)

    def _identity(self, index: int) -> list[str]:
        return ["--id", str(index + 1), "--data-dir", str(self.data(index)), "-f", str(self._etc / "rmq.toml")]

    def _node(self, index: int) -> list[str]:
        command = [*self._command, *self._identity(index)]
        if len(self.ports) > 1:
            nodes = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(self._links, 1))
            command += ["--cluster-nodes", nodes]
        address = f"listener.tcp.external.addr=127.0.0.1:{self.ports[index]}"
        api = "plugins.rmq-http-api.http_laddr=127.0.0.1:0"
        for setting in (address, "listener.ws.external.enable=false", api, *self._settings):
            command += ["--set", setting]
        return command


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{command[0]}: {error}") from error
