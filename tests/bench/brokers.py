"""mosquitto and rmq-node as processes pinned to one core, each start on a port of its own."""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0

MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
"""

PERSISTENT_MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {data}/
user {user}
set_tcp_nodelay true
max_queued_messages 0
"""

SYS_INTERVAL = "plugins.rmq-sys-topic.publish_interval=1s"


class BrokerError(Exception):
    """A broker that is missing, doesn't start or doesn't answer."""


class Broker:
    """A running broker; ``data`` is its folder, which goes with it."""

    def __init__(
        self, name: str, command: Sequence[str], port: int, core: int, log: Path, data: Path | None = None
    ) -> None:
        self.name = name
        self.port = port
        self._log = log
        self._data = data
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            if self._process.poll() is not None:
                raise BrokerError(f"{self.name} ended at its start:\n{self._tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    self._stop()
                    raise BrokerError(f"{self.name} does not listen:\n{self._tail()}") from None
                time.sleep(0.05)
        time.sleep(0.3)  # let its start-up work end before anything is measured
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])


class Brokers:
    """Starts either broker afresh."""

    def __init__(self, directory: Path, etc: Path, rmq_node: Sequence[str], core: int, first_port: int) -> None:
        self._directory = directory
        self._etc = etc
        self._rmq_node = list(rmq_node)
        self._core = core
        self._ports = itertools.count(first_port)
        self._mosquitto = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if self._mosquitto is None:
            raise BrokerError("mosquitto is not installed (Debian: apt-get install mosquitto): nothing to compare with")

    def start(self, name: str) -> Broker:
        """A fresh broker as the throughput is measured with; use it in a `with`."""
        return self.mosquitto(MOSQUITTO_CONF) if name == "mosquitto" else self.node(SYS_INTERVAL)

    def mosquitto(self, text: str) -> Broker:
        """A fresh mosquitto with this configuration, in which port, data and user are filled in."""
        port = next(self._ports)
        data = self._data(port)
        data.mkdir()
        conf = self._directory / "mosquitto.conf"
        conf.write_text(text.format(port=port, data=data, user=getpass.getuser()))
        command = [self._mosquitto or "", "-c", str(conf)]
        return Broker("mosquitto", command, port, self._core, self._directory / "mosquitto.log", data)

    def node(self, *settings: str) -> Broker:
        """A fresh node with the shipped configuration and these settings."""
        port = next(self._ports)
        command = self._node_command(port, settings)
        return Broker("rmq", command, port, self._core, self._directory / "rmq.log", self._data(port))

    def _data(self, port: int) -> Path:
        return self._directory / f"data-{port}"

    def _node_command(self, port: int, settings: Sequence[str]) -> list[str]:
        command = [*self._rmq_node, "--id", "1", "-f", str(self._etc / "rmq.toml"), "--data-dir", str(self._data(port))]
        api = "plugins.rmq-http-api.http_laddr=127.0.0.1:0"
        for setting in (f"listener.tcp.external.addr=127.0.0.1:{port}", api, *settings):
            command += ["--set", setting]
        return command

    def versions(self) -> dict[str, str]:
        """What each says about itself."""
        mosquitto = _output([self._mosquitto or "", "-h"]).splitlines()[0]
        return {"mosquitto": mosquitto, "rmq": _output([*self._rmq_node, "-V"]).strip()}

    def effective_configuration(self) -> str:
        """What the measured node runs with, as it prints it."""
        return _output([*self._node_command(1883, [SYS_INTERVAL]), "--check"]).replace(str(self._directory), "TMP")


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        raise BrokerError(f"{command[0]}: {error.strerror}") from error
    return done.stdout
