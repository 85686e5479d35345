"""Runs the three nodes of deploy/docker-compose.yml: `make compose-up` and `make compose-down`.

    python scripts/compose.py up [--profile balancer] [--profile monitoring]    build, start, wait until all serve
    python scripts/compose.py down [--volumes]                                  stop; --volumes: with all they have kept

Makes deploy/.env with the secrets, readable by its owner only, unless it is there. Needs nothing but Python's own
library, Docker, and either Compose plugin or docker-compose.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.docker_engine import ROOT, Engine, NoEngine, say

FILE: Final = ROOT / "deploy" / "docker-compose.yml"
SECRETS: Final = ROOT / "deploy" / ".env"
NODES: Final = ("node1", "node2", "node3")
PROFILES: Final = ("balancer", "monitoring")
IMAGE: Final = "rmq:latest"
# What the compose file gives each node.
OPEN_FILES: Final = 65536
READY_TIMEOUT_S: Final = 180.0


def make_secrets(path: Path, project: str) -> None:
    """Write what the compose file asks for, unless it is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    names = ("RMQ_CLUSTER_SECRET", "RMQ_API_TOKEN", "GRAFANA_PASSWORD")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"COMPOSE_PROJECT_NAME={project}\n")
        file.writelines(f"{name}={secrets.token_hex(32)}\n" for name in names)


class Deployment:
    """The containers of one project. ``environment`` has variables of the compose file: ports, images."""

    def __init__(
        self,
        engine: Engine,
        project: str = "rmq",
        secrets_file: Path = SECRETS,
        environment: Mapping[str, str] | None = None,
        profiles: Sequence[str] = (),
    ) -> None:
        self._engine = engine
        self._project = project
        self.secrets_file = secrets_file
        self._environment = environment or {}
        self._profiles = profiles

    def up(self) -> None:
        """Start all, and return when every node serves; raises ``NoEngine``."""
        make_secrets(self.secrets_file, self._project)
        self.compose("up", "--detach", "--remove-orphans")
        for node in NODES:
            self.wait_until_ready(node)

    def down(self, *, volumes: bool) -> None:
        """Stop all and take it away; with ``volumes`` what the nodes have kept, too."""
        if self.secrets_file.exists():
            self.compose("down", "--remove-orphans", *(["--volumes"] if volumes else []))

    def compose(self, *arguments: str) -> str:
        """What a command of Compose prints; raises ``NoEngine``."""
        command = [*self._program(), "--file", str(FILE), "--env-file", str(self.secrets_file)]
        command += ["--project-name", self._project]
        for profile in self._profiles:
            command += ["--profile", profile]
        environment = {**self._engine.environment, **self._environment}
        most = self._engine.open_files()
        if most is not None and most < OPEN_FILES:
            environment.setdefault("RMQ_NOFILE", str(most))
        done = subprocess.run(
            [*command, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            raise NoEngine(f"compose {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def container(self, service: str) -> str:
        """The container of a service, running or not."""
        found = self._engine.docker(
            "ps", "--all", "--quiet",
            "--filter", f"label=com.docker.compose.project={self._project}",
            "--filter", f"label=com.docker.compose.service={service}",
        ).split()  # fmt: skip
        if len(found) != 1:
            raise NoEngine(f"there is no container of {service}")
        return found[0]

    def address(self, service: str, port: int) -> str:
        """Where a port of a service is reached on this machine."""
        return self._engine.docker("port", self.container(service), f"{port}/tcp").strip()

    def wait_until_ready(self, service: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when the service's health check says that it serves; raises ``NoEngine`` with the end of its log."""
        container = self.container(service)
        deadline = time.monotonic() + timeout_s
        while (health := self._health(container)) != "running healthy":
            if time.monotonic() > deadline or health.startswith("exited"):
                raise NoEngine(f"{service} does not serve ({health}):\n{self._engine.logs(container)}")
            time.sleep(0.25)

    def _health(self, container: str) -> str:
        form = "{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}"
        return self._engine.docker("inspect", "--format", form, container).strip()

    def _program(self) -> list[str]:
        plugin = ["docker", "compose"]
        if subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0:
            return plugin
        if shutil.which("docker-compose") is not None:
            return ["docker-compose"]
        raise NoEngine("Compose is missing (Debian: apt install docker-compose)")


def up(engine: Engine, profiles: Sequence[str]) -> None:
    """Bring all up, and say what there is to try."""
    engine.find()
    engine.build(IMAGE)
    deployment = Deployment(engine, profiles=profiles)
    deployment.up()
    token = deployment.secrets_file.relative_to(ROOT)
    mqtt = [deployment.address(node, 1883) for node in NODES]
    api = [deployment.address(node, 6060) for node in NODES]
    lines = [
        f"three nodes serve: MQTT on {', '.join(mqtt)}; the API on {', '.join(api)}",
        f"  curl {api[0]}/api/v1/stats/sum",
        f'  changes take the token in {token}: curl -H "Authorization: Bearer $RMQ_API_TOKEN" …',
        "  make compose-down ends them; their data stay",
    ]
    if engine.is_own:
        lines.append(f"  for commands of your own: export DOCKER_HOST={engine.environment['DOCKER_HOST']}")
    print("\n".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/compose.py", description="Three nodes in containers.")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up")
    starting.add_argument("--profile", action="append", choices=PROFILES, default=[])
    stopping = commands.add_parser("down")
    stopping.add_argument("--volumes", action="store_true")
    arguments = parser.parse_args()
    engine = Engine()
    try:
        if arguments.command == "up":
            up(engine, arguments.profile)
        else:
            engine.find()
            Deployment(engine, profiles=PROFILES).down(volumes=arguments.volumes)
            engine.stop()
    except NoEngine as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
