"""Runs three nodes on this machine as one cluster, until Ctrl-C: `make cluster`.

    .venv/bin/python scripts/cluster.py [--data DIRECTORY]

MQTT on 127.0.0.1:1884 to 1886, WebSocket on 8084 to 8086, the HTTP API on 6061 to 6063, between the nodes 5363 to 5365;
node N has its data, configuration and log in DIRECTORY/cluster-N (default: data), and the secret is in
DIRECTORY/cluster-secret.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from rmq.cli.control_client import NodeUnavailable, Refused, ask

HOST: Final = "127.0.0.1"
READY_TIMEOUT_S: Final = 60.0
# More than node.shutdown_timeout, after which a node ends by itself.
STOP_TIMEOUT_S: Final = 15.0
LOG_LINES_SHOWN: Final = 20


class NotReady(Exception):
    """The nodes didn't become a cluster; the text says which one stands in the way, and what its log ends with."""


@dataclass(frozen=True)
class Ports:
    """The ports of one node."""

    mqtt: int
    websocket: int
    links: int
    http: int


PORTS: Final = {number: Ports(1883 + number, 8083 + number, 5362 + number, 6060 + number) for number in (1, 2, 3)}


def node_program() -> list[str]:
    """rmq-node of the environment that this Python is of."""
    return [str(Path(sys.executable).parent / "rmq-node")]


class LocalCluster:
    """Nodes on this machine, each a process of its own with its files in ``folder``/cluster-<number>.

    ``program`` is rmq-node as a command line; ``settings`` is TOML that each node's file begins with.
    """

    def __init__(
        self, folder: Path, ports: dict[int, Ports], program: Sequence[str] | None = None, settings: str = ""
    ) -> None:
        self.folder = folder.absolute()
        self.ports = ports
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._program = list(program or node_program())
        self._settings = settings

    def data(self, number: int) -> Path:
        """The folder of a node."""
        return self.folder / f"cluster-{number}"

    def config_file(self, number: int) -> Path:
        """What a node is started with: ``rmq-node -f`` this."""
        return self.data(number) / "rmq.toml"

    def command(self, number: int) -> list[str]:
        """The command line of a node."""
        return [*self._program, "-f", str(self.config_file(number))]

    def start(self) -> None:
        """Start every node."""
        for number in self.ports:
            self.start_node(number)

    def start_node(self, number: int) -> None:
        """Start one node; its output is added to its log."""
        folder = self.data(number)
        folder.mkdir(parents=True, exist_ok=True)
        self.config_file(number).write_text(self._config(number), encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RMQ_")}
        with (folder / "node.log").open("ab") as log:
            # In a group of its own: Ctrl-C is for this program, which then tells the nodes, once.
            self.processes[number] = subprocess.Popen(
                self.command(number),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )

    def wait_until_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when every node takes clients, knows the leader and is up in the eyes of all. Raises ``NotReady``."""
        deadline = time.monotonic() + timeout_s
        for number, process in self.processes.items():
            while (missing := self._missing(number)) is not None:
                if process.poll() is not None:
                    raise NotReady(
                        f"node {number} ended ({ending(process)}); its log ends so:\n{self._log_end(number)}"
                    )
                if time.monotonic() > deadline:
                    raise NotReady(f"node {number}: {missing}; its log ends so:\n{self._log_end(number)}")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)

    def stop(self) -> dict[int, int]:
        """Tell every node to stop, wait for them; their exit codes. One that doesn't stop is killed."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in self.processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        return {number: process.wait() for number, process in self.processes.items()}

    def _missing(self, number: int) -> str | None:
        try:
            status = ask(self.data(number) / "control.sock", "status", 5.0)
        except (NodeUnavailable, Refused) as error:
            return str(error)
        assert isinstance(status, dict)
        if status["leader"] is None or not status["has_quorum"]:
            return "there is no leader"
        up = {member["node_id"] for member in status["members"] if member["state"] == "up"}
        if not up >= set(self.ports):
            return f"up are only the nodes {sorted(up)}"
        try:
            socket.create_connection((HOST, self.ports[number].mqtt), 1).close()
        except OSError as error:
            return f"takes no clients: {error.strerror}"
        return None

    def _config(self, number: int) -> str:
        ports = self.ports[number]
        nodes = [f"{other}@{HOST}:{others.links}" for other, others in self.ports.items()]
        return f"""\
# Written anew at each start by scripts/cluster.py.
{self._settings}
[node]
id = {number}
data_dir = {quoted(self.data(number))}
[listener.tcp.external]
addr = "{HOST}:{ports.mqtt}"
[listener.ws.external]
addr = "{HOST}:{ports.websocket}"
[plugins.rmq-http-api]
http_laddr = "{HOST}:{ports.http}"
[plugins.rmq-cluster-raft]
nodes = {nodes}
secret_file = {quoted(self._secret_file())}
"""

    def _secret_file(self) -> Path:
        file = self.folder / "cluster-secret"
        if not file.exists():
            with open(file, "x", encoding="ascii", opener=_for_the_owner) as opened:
                opened.write(secrets.token_hex(32) + "\n")
        return file

    def _log_end(self, number: int) -> str:
        lines = (self.data(number) / "node.log").read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-LOG_LINES_SHOWN:])


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def quoted(path: Path) -> str:
    """A path as a TOML string."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def ending(process: subprocess.Popen[bytes]) -> str:
    """How a process ended."""
    code = process.wait()
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def words(command: Sequence[str]) -> str:
    """A command line to be copied, paths below this folder short."""
    here = f"{Path.cwd()}{os.sep}"
    return shlex.join(word.removeprefix(here) for word in command)


def introduction(cluster: LocalCluster) -> str:
    """Where to connect and what to try."""
    lines = ["", "Three nodes are one broker now:", ""]
    for number, ports in cluster.ports.items():
        pid = cluster.processes[number].pid
        data = words([str(cluster.data(number))])
        lines.append(
            f"  node {number}   mqtt://{HOST}:{ports.mqtt}   ws://{HOST}:{ports.websocket}/mqtt   "
            f"pid {pid}   {data} (node.log)"
        )
    first, second, third = cluster.ports.values()
    status = [*cluster.command(1)[:1], "cluster", "status", "-f", str(cluster.config_file(1))]
    lines += [
        "",
        "A message from one node to another:",
        f"  mosquitto_sub -p {second.mqtt} -t 'demo/#' -v",
        f"  mosquitto_pub -p {first.mqtt} -t demo/hello -m 'from node 1'",
        "",
        "A session that outlives its node: subscribe, Ctrl-C, kill the node, publish, and fetch it elsewhere:",
        f"  mosquitto_sub -p {second.mqtt} -i me -c -q 1 -t 'demo/#' -v",
        f"  kill -9 {cluster.processes[2].pid}",
        f"  mosquitto_pub -p {first.mqtt} -q 1 -t demo/kept -m 'nobody was there'",
        f"  mosquitto_sub -p {third.mqtt} -i me -c -q 1 -t 'demo/#' -v",
        "",
        "How the cluster is, and a killed node back again:",
        f"  {words(status)}",
        f"  {words(cluster.command(2))}",
        "",
        "Ctrl-C ends all three.",
        "",
    ]
    return "\n".join(lines)


class _Ended(Exception):
    """A signal asked for the end."""


def _end(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # what follows is bounded in time
    raise _Ended


@contextlib.contextmanager
def _ends_at_signals() -> Iterator[None]:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with contextlib.suppress(_Ended):
        yield


def say(text: str) -> None:
    print(text, flush=True)


def watch(cluster: LocalCluster) -> None:
    """Say which nodes end, until none is left."""
    running = dict(cluster.processes)
    while running:
        for number, process in [*running.items()]:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
            del running[number]
            say(f"node {number} ended ({ending(process)}); again: {words(cluster.command(number))}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Three nodes on this machine as one cluster.")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder for all they keep (default: data)")
    cluster = LocalCluster(parser.parse_args().data, PORTS)
    exit_code = 0
    try:
        with _ends_at_signals():
            cluster.start()
            cluster.wait_until_ready()
            say(introduction(cluster))
            watch(cluster)
    except NotReady as error:
        say(f"cluster: {error}")
        exit_code = 1
    finally:
        codes = cluster.stop()
    for number, code in codes.items():
        say(f"node {number} stopped" if code == 0 else f"node {number} ended ({ending(cluster.processes[number])})")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
