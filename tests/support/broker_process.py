"""Broker processes for tests: start a node on a free port, wait until it answers, stop it.

RMQ_TEST_PYTHON   the interpreter to run the node with: the virtual environment a wheel was installed into. The checkout
                  is kept out of its way. Without it, this interpreter runs the checkout.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
HTTP_API_ANYWHERE: Final = {"RMQ_PLUGINS__RMQ_HTTP_API__HTTP_LADDR": "127.0.0.1:0"}
"""The HTTP API on a free port: by default every node would want the same one."""
START_TIMEOUT_S: Final = 60.0
READY: Final = "\n  config   "
"""The last line of the block in which a node says where it listens, once all its listeners accept."""
STOP_TIMEOUT_S: Final = 30.0


class BrokerProcess:
    """A running node; ``address`` is its TCP listener "external", ``log`` all it has written.

    ``listeners`` names further TCP listeners with their options; their addresses are in ``addresses``. ``before`` is a
    node that has ended: this one takes its ports, and its log goes on in the same file. ``arguments`` are further ones
    of the command line.
    """

    def __init__(
        self,
        directory: Path,
        sets: Sequence[str] = (),
        listeners: Mapping[str, Sequence[str]] | None = None,
        *,
        arguments: Sequence[str] = (),
        before: BrokerProcess | None = None,
    ) -> None:
        self.directory = directory
        self.log_path = directory / "node.log"
        self._log_begin = 0 if before is None else self.log_path.stat().st_size
        self._asked_to_stop = False
        self._sets = sets
        self._listeners = listeners
        tables: dict[str, Sequence[str]] = {"external": (), **(listeners or {})}
        if before is None:
            ports = free_ports(len(tables))
        else:
            ports = [before.addresses[name][1] for name in tables]
        self.addresses: dict[str, tuple[str, int]] = {
            name: ("127.0.0.1", port) for name, port in zip(tables, ports, strict=True)
        }
        self.address = self.addresses["external"]
        python, environment = interpreter()
        command = [python, "-m", "rmq", "--id", "1", "--data-dir", str(directory / "data")]
        for name, options in tables.items():
            host, port = self.addresses[name]
            for option in (f"addr={host}:{port}", *options):
                command += ["--set", f"listener.tcp.{name}.{option}"]
        for item in sets:
            command += ["--set", item]
        command += arguments
        with self.log_path.open("wb" if before is None else "ab") as log:
            self._process = subprocess.Popen(
                command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """All the node has written."""
        return self.log_path.read_bytes()[self._log_begin :].decode(errors="replace")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it has ended; None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Tell the node to stop, once, and don't wait for it."""
        if not self._asked_to_stop and self._process.poll() is None:
            self._asked_to_stop = True
            self._process.terminate()

    def stop(self) -> int:
        """Stop the node as an operator would; the exit code."""
        self.ask_to_stop()
        if self._process.poll() is None:
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def kill(self) -> None:
        """End the node at once, as nothing but the kernel can: SIGKILL."""
        self._process.kill()
        self._process.wait()

    def start_again(self, *arguments: str) -> BrokerProcess:
        """The node after it has ended: same data, same ports, same options; its log is its own."""
        assert self._process.poll() is not None, "it runs"
        return BrokerProcess(self.directory, self._sets, self._listeners, arguments=arguments, before=self)

    def _wait_until_ready(self) -> None:
        """Until it has said so: one listener accepts before the next one listens."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while READY not in self.log:
            if self._process.poll() is not None:
                raise RuntimeError(f"the node ended with {self._process.returncode}:\n{self.log}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the node does not serve after {START_TIMEOUT_S} s:\n{self.log}")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)  # wakes up early when the node ends: nothing to wait for any more


def interpreter() -> tuple[str, dict[str, str]]:
    """The program to run a node with, and its environment: without settings from outside."""
    python = os.environ.get("RMQ_TEST_PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RMQ_")} | HTTP_API_ANYWHERE
    if python:
        environment.pop("PYTHONPATH", None)
    else:
        python = sys.executable
        parts = [REPOSITORY, REPOSITORY / "plugins", REPOSITORY / "cluster", REPOSITORY / "http_api"]
        environment["PYTHONPATH"] = os.pathsep.join(str(part) for part in parts)
    return python, environment


# Not the seeded one: two processes that run tests would choose the same.
_RANDOM: Final = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """So many TCP ports nobody listens on just now, all different: each is held until the last is found.

    None of those that the system gives to outgoing connections, or one of another test's could have it by then.
    """
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            probe = held.enter_context(socket.socket())
            port = _RANDOM.randrange(12_000, 32_000)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found
