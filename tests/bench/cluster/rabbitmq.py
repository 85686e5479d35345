"""RabbitMQ with its MQTT plugin, three nodes on this host, the queues of persistent sessions of type quorum."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.bench.cluster.servers import BenchError, Ports, Server, wait_until_listening
from tests.bench.cluster.system import START_TIMEOUT_S, System
from tests.bench.load_tool import LoadTool

_PROGRAMS = Path("/usr/lib/rabbitmq/bin")
NODES = 3
_SESSIONS = 6

CONF = """\
listeners.tcp = none
mqtt.listeners.tcp.1 = 127.0.0.1:{port}
mqtt.allow_anonymous = true
mqtt.durable_queue_type = quorum
mqtt.prefetch = 128
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = bench1@localhost
cluster_formation.classic_config.nodes.2 = bench2@localhost
cluster_formation.classic_config.nodes.3 = bench3@localhost
log.console = true
log.console.level = warning
log.file = false
"""


class RabbitMQ(System):
    """A cluster with an epmd of its own; nothing of the host's RabbitMQ is used or touched."""

    def __init__(self, folder: Path, cores: frozenset[int], ports: Ports) -> None:
        super().__init__("RabbitMQ", folder, cores)
        self._free = ports
        self._epmd_port = 0

    def start(self) -> None:
        epmd = shutil.which("epmd")
        if epmd is None or not (_PROGRAMS / "rabbitmq-server").exists():
            raise BenchError("RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)")
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(os.urandom(16).hex())
        cookie.chmod(0o400)
        self._epmd_port = self._free.take()
        command = [epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        self._epmd = Server("epmd", command, self.folder, self._environment(), self.cores)
        for number in range(1, NODES + 1):
            self._start_node(number)
        for server, port in zip(self.servers, self.ports, strict=True):
            wait_until_listening(server, port, START_TIMEOUT_S)
        self._wait_for_members()

    def _start_node(self, number: int) -> None:
        home = self.folder / str(number)
        home.mkdir()
        port = self._free.take()
        (home / "rabbitmq.conf").write_text(CONF.format(port=port))
        (home / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        environment = {
            **self._environment(),
            "RABBITMQ_NODENAME": f"bench{number}@localhost",
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_DIST_PORT": str(self._free.take()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        self.ports.append(port)
        command = [str(_PROGRAMS / "rabbitmq-server")]
        self.servers.append(Server(f"rabbitmq{number}", command, home, environment, self.cores))

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        }

    def _wait_for_members(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                status = json.loads(self._ctl("cluster_status"))
                running = status["running_nodes"]
            except (BenchError, json.JSONDecodeError, KeyError):
                running = []
            if len(running) == NODES:
                return
            if time.monotonic() > deadline:
                raise BenchError(f"RabbitMQ: of {NODES} nodes only {running} found each other")
            time.sleep(0.5)

    def stop(self) -> None:
        """Everything it has is temporary, so nothing is lost by killing it, and killing is quick."""
        for server in self.servers:
            server.kill()
        if self._epmd_port:
            self._epmd.kill()

    def verify(self, tool: LoadTool) -> dict[str, str]:
        """The queues of persistent sessions, looked at while there are some: type, members, who is on line."""
        found: list[dict[str, object]] = []

        def look() -> None:
            found.extend(json.loads(self._ctl("list_queues", "name", "type", "members", "online", "durable")))

        load = ["pair", "-c", str(_SESSIONS), "-q", "1", "--persistent", "-d", "1", "--warmup", "8", "-r", "10"]
        tool.run_with(self.ports[0], [*load, "--at", self.addresses()], look)
        queues = [queue for queue in found if str(queue["name"]).startswith("mqtt-subscription-bench-")]
        if len(queues) != _SESSIONS:
            raise BenchError(f"RabbitMQ: {len(queues)} queues for {_SESSIONS} persistent sessions: {found}")
        for queue in queues:
            members, online = queue["members"], queue["online"]
            if queue["type"] != "quorum" or not isinstance(members, list) or not isinstance(online, list):
                raise BenchError(f"RabbitMQ: the queue of a persistent session is not of type quorum: {queue}")
            if len(members) != NODES or len(online) != NODES:
                raise BenchError(f"RabbitMQ: a quorum queue has not {NODES} members on line: {queue}")
        environment = self._ctl("eval", "application:get_all_env(rabbitmq_mqtt).", formatted=False)
        if "{durable_queue_type,quorum}" not in environment:
            raise BenchError(f"RabbitMQ: mqtt.durable_queue_type is not quorum: {environment}")
        told = f"type quorum, {NODES} of {NODES} members on line ({len(queues)} looked at)"
        return {
            "queues of persistent sessions": told,
            "rabbitmq_mqtt": " ".join(environment.split()),
        }

    def version(self) -> str:
        return f"RabbitMQ {self._ctl('version', formatted=False).strip()}"

    def _ctl(self, *arguments: str, formatted: bool = True) -> str:
        command = [str(_PROGRAMS / "rabbitmqctl"), "--quiet", "-n", "bench1@localhost", *arguments]
        if formatted:
            command += ["--formatter", "json"]
        environment = {**os.environ, **self._environment()}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"rabbitmqctl {arguments[0]}: {error}") from error
        if done.returncode:
            raise BenchError(f"rabbitmqctl {arguments[0]}: {done.stderr.strip()}")
        return done.stdout
