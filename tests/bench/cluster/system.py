"""What all that is measured has in common: some nodes, started, checked, measured and stopped."""

from __future__ import annotations

import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.cluster.client import Client, ClientError
from tests.bench.cluster.servers import BenchError, Server
from tests.bench.load_tool import LoadTool

START_TIMEOUT_S = 90.0


class System(ABC):
    """Nodes of one kind, with their data in `folder`; use it in a `with`, which starts and stops them."""

    def __init__(self, title: str, folder: Path, cores: frozenset[int]) -> None:
        self.title = title
        self.folder = folder
        self.cores = cores
        self.ports: list[int] = []
        self.servers: list[Server] = []

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.start()
            deadline = time.monotonic() + START_TIMEOUT_S
            for index in range(len(self.ports)):
                self.wait_until_serving(index, deadline)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def start(self) -> None:
        """Start the nodes; `ports` and `servers` are filled."""

    @abstractmethod
    def verify(self, tool: LoadTool) -> dict[str, str]:
        """Settings and replicas as the running system tells them; BenchError when they aren't what is compared."""

    @abstractmethod
    def version(self) -> str:
        """What the program says about itself."""

    def stop(self) -> None:
        """End every process."""
        for server in self.servers:
            server.stop()

    def cpu_seconds(self) -> list[float]:
        """Processor time so far, by node."""
        return [server.cpu_seconds() for server in self.servers]

    def address(self, index: int) -> str:
        """Where node `index` (from 0, round and round) takes MQTT."""
        return f"127.0.0.1:{self.ports[index % len(self.ports)]}"

    def addresses(self, first: int = 0) -> str:
        """All addresses for rmq-bench, beginning with node `first`."""
        return ",".join(self.address(first + index) for index in range(len(self.ports)))

    def wait_until_serving(self, index: int, deadline: float) -> None:
        """Return when node `index` keeps a session and acknowledges a message to it."""
        self._try_until(index, deadline, _keeps_a_message)

    def wait_until_back(self, index: int, deadline: float) -> None:
        """Return when node `index` keeps a session; publishers may be held by a cluster that is full."""
        self._try_until(index, deadline, _keeps_a_session)

    def _try_until(self, index: int, deadline: float, attempt: Callable[[int, str], None]) -> None:
        while True:
            try:
                attempt(self.ports[index], f"ready-{index}")
                return
            except ClientError as error:
                server = self.servers[index]
                if time.monotonic() > deadline or not server.is_running():
                    raise BenchError(f"{server.name} does not serve ({error}):\n{server.tail()}") from None
                time.sleep(0.1)


def _keeps_a_session(port: int, name: str) -> None:
    with Client(port) as client:
        client.connect(name, clean=False)
        client.subscribe(f"ready/{name}")
    _end(port, name)


def _keeps_a_message(port: int, name: str) -> None:
    with Client(port) as client:
        client.connect(name, clean=False)
        client.subscribe(f"ready/{name}")
        client.publish(f"ready/{name}", b"ready", 1)
    _end(port, name)


def _end(port: int, name: str) -> None:
    with Client(port) as client:
        client.connect(name, clean=True)
