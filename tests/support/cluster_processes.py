"""A cluster of real processes for tests: its nodes are started, killed, paused, wiped and started again one by one."""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from rmq.cli.control_client import NodeUnavailable, Refused, ask
from tests.support import wire
from tests.support.broker_process import STOP_TIMEOUT_S, interpreter
from tests.support.client import Client, ConnectionClosed, Silence
from tests.support.cluster_network import Network
from tests.support.wire import Properties, Will
from tests.support.wire_parser import Connack

SERVING_TIMEOUT_S: Final = 90.0
"""How long the nodes may take from their start until a client can connect, on a busy machine."""

DIAL_TIMEOUT_S: Final = 5.0
SECRET: Final = "a secret of tests, known to all"
ODD_MACHINE: Final = Path(__file__).with_name("odd_machine.py")
MQTT_PORT: Final = 1883
CLUSTER_PORT: Final = 5363
"""Where nodes listen that have an address of their own."""

COME_LATER: Final = frozenset({0x88, 0x89, 0x9C, 0x9D})
"""What a node may answer to a CONNECT that it can't serve now."""

CLIENTS: Final = "clients"
"""The host in a network that the clients' connections come from."""

Dial = Callable[[tuple[str, int]], socket.socket]


class MortalSocket:
    """A TCP connection whose end is an error: a dying node may close it in the middle of a packet."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self.sendall = sock.sendall
        self.settimeout = sock.settimeout
        self.setsockopt = sock.setsockopt
        self.close = sock.close

    def recv(self, size: int, /) -> bytes:
        """Read; ConnectionResetError at the end."""
        data = self._socket.recv(size)
        if not data:
            raise ConnectionResetError("the end")
        return data


class Member:
    """One node: ``number`` is its id, ``address`` where clients connect, ``cluster_address`` where the others do.

    ``clock_off_s`` is by how much its wall clock is wrong, ``sync_record`` the file of what is safe on its disk,
    ``before_command`` stands before its command line; all of them count from the next start on.
    """

    def __init__(
        self, number: int, directory: Path, address: tuple[str, int], cluster_address: tuple[str, int], dial: Dial
    ) -> None:
        self.number = number
        self.directory = directory
        self.address = address
        self.cluster_address = cluster_address
        self.data = directory / "data"
        self.log_path = directory / "node.log"
        self.sets: list[str] = []
        self.arguments: list[str] = []
        self.before_command: list[str] = []
        self.clock_off_s = 0.0
        self.sync_record: Path | None = None
        self._dial = dial
        self._log_begin = 0
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir()

    @property
    def is_running(self) -> bool:
        """Whether its process lives; a paused one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running node."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the node has written since its last start."""
        return self.log_path.read_bytes()[self._log_begin :].decode(errors="replace")

    @property
    def whole_log(self) -> str:
        """What the node has written since the test began."""
        return self.log_path.read_bytes().decode(errors="replace") if self.log_path.exists() else ""

    def start(self, *further: str) -> None:
        """Start it, with its data if there are any; ``further`` arguments are for this once."""
        assert not self.is_running, f"node {self.number} runs"
        python, environment = interpreter()
        environment["RMQ_CLUSTER_SECRET"] = SECRET
        command = [*self.before_command, python]
        if self.clock_off_s or self.sync_record is not None:
            command += ["-P", str(ODD_MACHINE), str(self.clock_off_s), str(self.sync_record or "-")]
        else:
            command += ["-m", "rmq"]
        host, port = self.address
        command += ["--id", str(self.number), "--data-dir", str(self.data), *self.arguments]
        for item in (f"listener.tcp.external.addr={host}:{port}", *self.sets):
            command += ["--set", item]
        self._log_begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *further],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """End it at once, running or paused: SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and does nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on, and knows nothing of the time between."""
        self._signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        self._signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> int:
        """Wait until it has ended by itself; its exit code. AssertionError when it hasn't."""
        assert self.ends_within(timeout_s), f"node {self.number} runs on after {timeout_s} s\n{self.log[-1500:]}"
        assert self._process is not None
        return self._process.wait()

    def ends_within(self, timeout_s: float) -> bool:
        """Wait so long at most for its end; whether it has come."""
        assert self._process is not None
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """SIGTERM, and wait for an end in good order."""
        self.ask_to_stop()
        code = self.wait(STOP_TIMEOUT_S)
        assert code == 0, f"node {self.number} ended with {code}:\n{self.log[-1500:]}"

    def wipe(self) -> None:
        """Its disk is lost."""
        assert not self.is_running
        shutil.rmtree(self.data)

    def connect(
        self,
        client_id: str,
        level: int = 5,
        *,
        clean: bool = False,
        expiry: int = 1000,
        properties: Properties = (),
        will: Will | None = None,
        present: bool | None = None,
    ) -> Client:
        """A connected client; by default one whose session outlives its connection."""
        client, connack = self.try_to_connect(
            client_id, level, clean=clean, expiry=expiry, properties=properties, will=will
        )
        try:
            assert connack.code == 0 and present in (None, connack.session_present), (client_id, self.number, connack)
        except BaseException:
            client.close()
            raise
        return client

    def try_to_connect(
        self,
        client_id: str,
        level: int = 5,
        *,
        clean: bool = False,
        expiry: int = 1000,
        properties: Properties = (),
        will: Will | None = None,
        timeout_s: float = 10.0,
    ) -> tuple[Client, Connack]:
        """A client and what the node said to its CONNECT. Raises ConnectionClosed, OSError, Silence."""
        client = Client(self.address, client_id, level, MortalSocket(self._dial(self.address)))
        try:
            if level == 5:
                properties = [(wire.SESSION_EXPIRY, expiry), *properties]
            client.send(wire.connect(client_id, level, clean, 60, properties if level == 5 else (), will))
            return client, client.expect(Connack, timeout_s)
        except BaseException:
            client.close()
            raise

    def serves(self, timeout_s: float = 10.0) -> bool:
        """Whether a client gets in now: to let one in takes a decision of the cluster."""
        try:
            client, connack = self.try_to_connect("", clean=True, expiry=0, timeout_s=timeout_s)
        except (ConnectionClosed, OSError, Silence):
            return False
        client.close()
        assert connack.code == 0 or connack.code in COME_LATER, connack
        return connack.code == 0

    def ask(self, command: str, timeout_s: float | None = 10.0, **arguments: object) -> Any:
        """The answer to a command about the cluster, by the node's control socket. Raises NodeUnavailable, Refused."""
        return ask(self.data / "control.sock", command, timeout_s, **arguments)

    def leader_it_knows(self) -> int | None:
        """Who leads, as far as this node knows; None as long as it knows of nobody."""
        try:
            leader: int | None = self.ask("status")["leader"]
        except (NodeUnavailable, Refused):
            return None
        return leader

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of its log since the last start that are JSON objects."""
        for line in self.log.splitlines():
            if line.startswith("{"):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # its last line, half written

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None and self.is_running, f"node {self.number} doesn't run"
        self._process.send_signal(number)


class ClusterProcesses:
    """``members`` by their numbers, 1 to ``size``, none of which runs yet; each keeps its data in a folder of its own.

    With a ``network`` each node is the host "1", "2", … there, and clients connect from the host "clients".
    """

    def __init__(
        self, directory: Path, sets: Sequence[str] = (), *, size: int = 3, network: Network | None = None
    ) -> None:
        self.directory = directory
        self.network = network
        self.members: dict[int, Member] = {}
        ports = fixed_ports(2 * size) if network is None else [MQTT_PORT, CLUSTER_PORT] * size
        for number in range(1, size + 1):
            host = "127.0.0.1" if network is None else network.address(str(number))
            mqtt, cluster = ports[2 * number - 2 : 2 * number]
            member = Member(number, directory / str(number), (host, mqtt), (host, cluster), self.dial)
            if network is not None:
                member.before_command = network.command(str(number))
            member.sets = ["listener.tcp.external.allow_anonymous=true", *sets]
            self.members[number] = member
        for member in self.members.values():
            member.arguments = ["--cluster-nodes", self.node_list()]

    def node_list(self) -> str:
        """All nodes, as ``--cluster-nodes`` wants them."""
        return ",".join(f"{n}@{m.cluster_address[0]}:{m.cluster_address[1]}" for n, m in self.members.items())

    def __getitem__(self, number: int) -> Member:
        return self.members[number]

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members.values())

    def dial(self, address: tuple[str, int]) -> socket.socket:
        """A TCP connection of a client."""
        if self.network is None:
            return socket.create_connection(address, DIAL_TIMEOUT_S)
        return self.network.connect(CLIENTS, address, DIAL_TIMEOUT_S)

    def start(self) -> None:
        """Start all nodes, and wait until all serve clients."""
        for member in self:
            member.start()
        self.wait_until_serving()

    def wait_until_serving(self, *numbers: int, timeout_s: float = SERVING_TIMEOUT_S) -> None:
        """Wait until these nodes let clients in; all if none is named."""
        deadline = time.monotonic() + timeout_s
        for member in [self[number] for number in numbers] or self:
            pause_s = 0.02
            while not member.serves():
                assert member.is_running, f"node {member.number} ended:\n{member.log[-1500:]}"
                if time.monotonic() > deadline:
                    logs = "\n".join(f"--- node {each.number}\n{each.log[-1500:]}" for each in self)
                    raise AssertionError(f"node {member.number} lets nobody in after {timeout_s} s\n{logs}")
                # Wakes up early when the node ends: nothing to wait for any more.
                member.ends_within(pause_s)
                pause_s = min(2 * pause_s, 0.3)

    def wait_for_control(self, member: Member, timeout_s: float = SERVING_TIMEOUT_S) -> None:
        """Wait until a node takes commands, which it does before it is in a cluster."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                member.ask("status")
                return
            except Refused:
                return
            except NodeUnavailable:
                assert not member.ends_within(0.05), f"node {member.number} ended:\n{member.log[-1500:]}"
                assert time.monotonic() < deadline, f"node {member.number} takes no commands"

    def leader(self, *numbers: int, timeout_s: float = SERVING_TIMEOUT_S) -> Member:
        """The leader, when these nodes agree on one of them; all if none is named."""
        asked = [self[number] for number in numbers] or list(self)
        deadline = time.monotonic() + timeout_s
        while True:
            named = {member.leader_it_knows() for member in asked}
            for member in asked:
                if named == {member.number}:
                    return member
            assert time.monotonic() < deadline, f"no leader after {timeout_s} s: {named}"
            asked[0].ends_within(0.05)

    def others(self, *numbers: int) -> list[Member]:
        """All nodes but these."""
        return [member for member in self if member.number not in numbers]

    def close(self) -> None:
        """End all nodes, however they are."""
        for member in self:
            member.kill()


def fixed_ports(count: int) -> list[int]:
    """So many TCP ports nobody listens on just now, all different.

    They are below those the kernel gives to outgoing connections: the port of a node that is down for a while must
    not become that of somebody's connection, and a node that dials it must not meet itself there.
    """
    first, last = 20_000, _first_outgoing_port() - 1
    with ExitStack() as held:
        found: list[int] = []
        while len(found) < count:
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.randrange(first, last)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in found:  # which SO_REUSEADDR allows to bind twice while nobody listens
                found.append(port)
        return found


def _first_outgoing_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768
