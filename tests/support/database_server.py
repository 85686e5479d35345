"""A real database server for tests: private, on a port of its own, in a folder that goes with it.

The servers are Debian's packages (scripts/test_packages.sh installs them); a test whose server isn't installed is
skipped, but with CI=true it fails. PostgreSQL refuses to run as root, so there it runs as the user of its package.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.broker_process import free_ports
from tests.support.certificates import Authority

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
# Where Debian keeps programs that aren't for everybody.
_PLACES: Final = ("/usr/sbin", "/usr/lib/postgresql/*/bin")
# Who can't write to the database has no business with the machine's own one.
SECRET: Final = 'tell nobody: it\'s "100%" \\ secret'


def program(name: str, package: str) -> str:
    """The path of a program; skips the test where it isn't installed."""
    places = [place for pattern in _PLACES for place in sorted(glob.glob(pattern), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} of Debian's package {package} isn't installed")
        pytest.skip(f"{name} of Debian's package {package} isn't installed")
    return found


def _stands_still(pid: int) -> bool:
    """Whether all threads of a process are stopped."""
    states: list[str] = []
    for path in glob.glob(f"/proc/{pid}/task/*/stat"):
        with contextlib.suppress(OSError):
            states.append(Path(path).read_text().rpartition(")")[2].split()[0])
    return all(state in "TtZX" for state in states)


class Server:
    """A database server as a process; ``kill`` and ``start`` as often as a test wants, ``close`` at its end."""

    user: str | None = None
    """Who it runs as where the tests run as root; None as they do."""

    def __init__(self, authority: Authority) -> None:
        self.port, self.tls_port = free_ports(2)
        self.folder = Path(tempfile.mkdtemp(prefix="rmq-db-"))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            for path, source in (
                (self.certfile, authority.server.certfile),
                (self.keyfile, authority.server.keyfile),
                (self.cafile, authority.cafile),
            ):
                shutil.copy(source, path)
            self.keyfile.chmod(0o600)
            if self._as_user is not None:
                for path in (self.folder, self.certfile, self.keyfile, self.cafile):
                    shutil.chown(path, *self._owner())
            self.prepare()
            self.start()
            self.fill()
        except BaseException:
            self.close()
            raise

    def prepare(self) -> None:
        """Make what it needs before it starts."""

    def command(self) -> Sequence[str]:
        """How it is started."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it takes questions."""
        raise NotImplementedError

    def fill(self) -> None:
        """Make its users and tables."""

    @property
    def certfile(self) -> Path:
        """The certificate that it shows."""
        return self.folder / "server.crt"

    @property
    def keyfile(self) -> Path:
        """Its key."""
        return self.folder / "server.key"

    @property
    def cafile(self) -> Path:
        """Who vouches for clients."""
        return self.folder / "ca.crt"

    @property
    def server(self) -> str:
        """Where it is, as the configuration has it."""
        return f"127.0.0.1:{self.port}"

    @property
    def tls_server(self) -> str:
        """Where it is spoken to by TLS."""
        return self.server

    @property
    def socket_path(self) -> str:
        """Its Unix socket, as the configuration has it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self._as_user
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server doesn't start:\n{self.log}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)  # wakes up early when it ends

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "server.log").read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """End it at once."""
        assert self._process is not None
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Have it stand still, with its connections open."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while not all(_stands_still(pid) for pid in pids):  # each of its threads stops when it gets to it
            assert time.monotonic() < deadline, "the server doesn't stop"

    def thaw(self) -> None:
        """Have it go on."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """End it, and take its folder away."""
        if self._process is not None:
            self.thaw()
            self._end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str, text: str = "") -> str:
        """What a program says, run as the server is."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            user=self._as_user,
            timeout=START_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    @property
    def _as_user(self) -> str | None:
        return self.user if os.geteuid() == 0 else None

    def _owner(self) -> tuple[int, int]:
        entry = pwd.getpwnam(self._as_user or "root")
        return entry.pw_uid, entry.pw_gid

    def _pids(self) -> list[int]:
        """The server and its children."""
        if self._process is None or self._process.poll() is not None:
            return []
        pids = [self._process.pid]
        for pid in pids:
            for path in glob.glob(f"/proc/{pid}/task/*/children"):
                with contextlib.suppress(OSError):
                    pids += [int(word) for word in Path(path).read_text().split()]
        return pids

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        children = self._pids()[1:] if number == signal.SIGKILL else []
        if self._process.poll() is None:
            self._process.send_signal(number)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
