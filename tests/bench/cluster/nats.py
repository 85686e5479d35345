"""NATS with JetStream and its MQTT, three nodes; every stream of the sessions has three replicas."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.bench.cluster.servers import BenchError, Ports, Server, wait_until_listening
from tests.bench.cluster.system import START_TIMEOUT_S, System
from tests.bench.load_tool import LoadTool

NODES = 3
STREAMS = ("$MQTT_sess", "$MQTT_msgs", "$MQTT_rmsgs")

CONF = """\
server_name: bench{number}
listen: 127.0.0.1:{client}
http: 127.0.0.1:{monitor}
jetstream {{ store_dir: "{data}" }}
cluster {{ name: bench, listen: 127.0.0.1:{route}, routes: [{routes}] }}
mqtt {{ host: 127.0.0.1, port: {mqtt}, max_ack_pending: 128, stream_replicas: 3 }}
"""


class Nats(System):
    """A cluster with the defaults of JetStream: three replicas, files synced every two minutes."""

    def __init__(self, folder: Path, cores: frozenset[int], ports: Ports) -> None:
        super().__init__("NATS", folder, cores)
        self._free = ports
        self._monitors: list[int] = []

    def start(self) -> None:
        program = _program()
        routes = [self._free.take() for _ in range(NODES)]
        for number, route in enumerate(routes, 1):
            home = self.folder / str(number)
            home.mkdir()
            self.ports.append(self._free.take())
            self._monitors.append(self._free.take())
            conf = home / "nats.conf"
            conf.write_text(
                CONF.format(
                    number=number,
                    client=self._free.take(),
                    monitor=self._monitors[-1],
                    data=home / "data",
                    route=route,
                    routes=", ".join(f"nats://127.0.0.1:{other}" for other in routes if other != route),
                    mqtt=self.ports[-1],
                )
            )
            self.servers.append(Server(f"nats{number}", [program, "-c", str(conf)], home, cores=self.cores))
        for server, port in zip(self.servers, self._monitors, strict=True):
            wait_until_listening(server, port, START_TIMEOUT_S)
        self._wait_for_members()

    def _wait_for_members(self) -> None:
        """Streams are made with as many replicas as there are nodes known to the first that has a client."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            groups = [self._ask("jsz", index).get("meta_cluster") or {} for index in range(NODES)]
            routes = [self._ask("routez", index).get("num_routes", 0) for index in range(NODES)]
            whole = all(group.get("leader") and group.get("cluster_size") == NODES for group in groups)
            if whole and min(routes) >= NODES - 1:
                return
            if time.monotonic() > deadline:
                raise BenchError(f"NATS: its nodes don't find each other: {groups}, routes {routes}")
            time.sleep(0.2)

    def verify(self, tool: LoadTool) -> dict[str, str]:
        """Replicas of the streams that keep sessions and messages, while both are in use."""
        found: list[dict[str, Any]] = []

        def look() -> None:
            for account in self._ask("jsz?accounts=true&streams=true&config=true").get("account_details", []):
                found.extend(account.get("stream_detail", []))

        load = ["pair", "-c", "6", "-q", "1", "--persistent", "-d", "1", "--warmup", "3", "-r", "10"]
        tool.run_with(self.ports[0], [*load, "--at", self.addresses()], look)
        replicas = {str(stream["name"]): int(stream["config"]["num_replicas"]) for stream in found}
        for name in STREAMS:
            if replicas.get(name) != NODES:
                raise BenchError(f"NATS: stream {name} has {replicas.get(name)} replicas, not {NODES}: {replicas}")
        for stream in found:
            others = stream["cluster"].get("replicas") or []
            if len(others) != NODES - 1:
                raise BenchError(f"NATS: stream {stream['name']} is on {1 + len(others)} nodes, not on {NODES}")
        told = self._ask("varz")
        return {
            "streams": ", ".join(f"{name}: {count} replicas" for name, count in sorted(replicas.items())),
            "storage": ", ".join(sorted({str(stream["config"]["storage"]) for stream in found})),
            "mqtt": json.dumps(told.get("mqtt")),
        }

    def version(self) -> str:
        done = subprocess.run([_program(), "--version"], capture_output=True, text=True, timeout=30, check=False)
        return done.stdout.strip()

    def _ask(self, what: str, index: int = 0) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._monitors[index]}/{what}", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, OSError, json.JSONDecodeError) as error:
            raise BenchError(f"NATS: {what}: {error}") from error
        return found


def _program() -> str:
    found = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/sbin")
    if found is None:
        raise BenchError("NATS is not installed (Debian: apt-get install nats-server)")
    return found
