"""The HTTP API beside MQTT: how long its answers take with many clients, and what asking it hard costs publishers."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.bench.brokers import SYS_INTERVAL, Broker, Brokers
from tests.bench.load_tool import LoadTool, LoadToolError
from tests.bench.neighbours import PAIRS, RATE
from tests.bench.results import ApiCost, ApiResults

# The main routes, and how often each is asked.
ROUTES: Final = {
    "/health/ready": 200,
    "/api/v1/brokers": 200,
    "/api/v1/nodes": 200,
    "/api/v1/stats/sum": 200,
    "/api/v1/metrics/sum": 200,
    "/metrics": 200,
    "/api/v1/plugins": 200,
    "/api/v1/clients/bench-c1": 200,
    "/api/v1/clients?clientid=bench-c1": 200,
    "/api/v1/clients?_limit=100": 50,
    "/api/v1/clients?_like_clientid=c99": 50,
    "/api/v1/clients?_limit=10000": 20,
    "/api/v1/subscriptions?_limit=100": 50,
    "/api/v1/subscriptions?_limit=10000": 20,
    "/api/v1/routes?_limit=100": 50,
}
LIGHT: Final = "/api/v1/stats/sum"
HEAVY: Final = "/api/v1/clients?_limit=10000"
WARMUP_S: Final = 3.0
_REQUESTS: Final = re.compile(r"Requests/sec:\s+([\d.]+)")


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks the API while messages are measured: so many connections, which read or not; no path is nobody."""

    title: str
    path: str
    connections: int
    reads: bool = True


ASKING: Final = (
    Asking("nobody asks", "", 0),
    Asking(f"1 connection asks for {LIGHT}", LIGHT, 1),
    Asking(f"16 connections ask for {LIGHT}", LIGHT, 16),
    Asking(f"1 connection asks for {HEAVY}", HEAVY, 1),
    Asking(f"16 connections ask for {HEAVY}", HEAVY, 16),
    Asking(f"16 connections ask for {HEAVY} and don't read", HEAVY, 16, reads=False),
)


class ApiPart:
    """Makes the runs; `problem` is told what went wrong, `say` how it goes."""

    def __init__(
        self, brokers: Brokers, tool: LoadTool, core: int, problem: Callable[[str], None], say: Callable[[str], None]
    ) -> None:
        self._brokers = brokers
        self._tool = tool
        self._core = core
        self._problem = problem
        self._say = say
        self._wrk = shutil.which("wrk")

    def measure(self, runs: int, seconds: float, idle: int) -> ApiResults:
        """Routes one after the other, then messages beside those who ask."""
        found = ApiResults(idle)
        with self._node() as (broker, port):
            self._tool.while_holding(broker.port, _holding(idle), lambda: self._routes(port, found))
        if self._wrk is None:
            self._problem("API: wrk is not installed (Debian: apt-get install wrk)")
            return found
        for _ in range(runs):
            for asking in ASKING:
                cost = found.beside.setdefault(asking.title, ApiCost())
                try:
                    with self._node() as (broker, port):
                        run = partial(self._beside, asking, broker, port, cost, seconds)
                        self._tool.while_holding(broker.port, _holding(idle), run)
                except LoadToolError as error:
                    self._problem(f"API, {asking.title}: {error}")
        for title, cost in found.beside.items():
            shown = [f"{name} {latency:,.0f}" for name in ("p50", "p99") for latency in cost.series.latency(name)]
            self._say(f"  API, {title}: {', '.join(shown)} µs; {cost.answers_per_s} answers a second")
        return found

    @contextmanager
    def _node(self) -> Iterator[tuple[Broker, int]]:
        port = _free_port()
        address = f"plugins.rmq-http-api.http_laddr=127.0.0.1:{port}"
        with self._brokers.node(SYS_INTERVAL, address) as broker:
            yield broker, port

    def _routes(self, port: int, found: ApiResults) -> None:
        for path, times in ROUTES.items():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            taken: list[float] = []
            for number in range(times + 3):
                begun = time.perf_counter()
                connection.request("GET", path)
                answer = connection.getresponse()
                size = len(answer.read())
                if number >= 3:  # the first ones open the connection and fill caches
                    taken.append((time.perf_counter() - begun) * 1000)
            connection.close()
            found.routes[path] = taken
            found.sizes[path] = size
            self._say(f"  API, {path}: {sorted(taken)[len(taken) // 2]:.2f} ms, {size:,} bytes")

    def _beside(self, asking: Asking, broker: Broker, port: int, cost: ApiCost, seconds: float) -> None:
        options = ["pair", "-c", str(PAIRS), "-q", "0", "-r", str(RATE)]
        options += ["--warmup", f"{WARMUP_S:g}", "-d", f"{seconds:g}"]
        with ExitStack() as stack:

            def begin() -> None:
                if not asking.path:
                    return
                if asking.reads:
                    stack.callback(self._answered, self._start_wrk(asking, port, seconds), cost)
                else:
                    for _ in range(asking.connections):
                        stack.enter_context(_ask_and_leave(port, asking.path))

            measured = self._tool.run_with(broker.port, options, begin)
        if measured["error"]:
            self._problem(f"API, {asking.title}: {measured['error']}")
        cost.series.runs.append(measured)

    def _start_wrk(self, asking: Asking, port: int, seconds: float) -> subprocess.Popen[str]:
        core = self._core
        command = [self._wrk or "wrk", "-t", "1", "-c", str(asking.connections), "-d", f"{WARMUP_S + seconds + 1:.0f}s"]
        return subprocess.Popen(
            [*command, "--timeout", "30s", f"http://127.0.0.1:{port}{asking.path}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )

    def _answered(self, wrk: subprocess.Popen[str], cost: ApiCost) -> None:
        said, _ = wrk.communicate(timeout=60)
        found = _REQUESTS.search(said)
        if found is None or "Non-2xx" in said:
            self._problem(f"API: wrk says {said}")
            return
        cost.answers_per_s.append(float(found[1]))


@contextmanager
def _ask_and_leave(port: int, path: str) -> Iterator[None]:
    """A client that asks, and never reads."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield


def _holding(idle: int) -> list[str]:
    return ["-c", str(idle), "--subscribe", "--topic", "idle"]


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
