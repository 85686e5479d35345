"""rmq-ctl in front of a real API: in this process, as a process of its own, on a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from rmq.ctl import main
from tests.integration.http_api.http import HasLog, Http
from tests.support.broker_process import interpreter

TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Ended:
    """How a run ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line."""
        return [line.split() for line in self.out.splitlines()]


@dataclass(frozen=True)
class Ctl:
    """The command line, told which API by its environment."""

    url: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, node: HasLog) -> Ctl:
        """For the API of a node."""
        return cls(f"http://127.0.0.1:{Http.of(node).port}")

    @property
    def variables(self) -> dict[str, str]:
        """What its process gets."""
        return interpreter()[1] | {"RMQ_API_URL": self.url, **self.environment}

    def command(self, *args: str) -> list[str]:
        """What starts it."""
        return [interpreter()[0], "-m", "rmq.ctl", *args]

    def run(self, *args: str, typed: bytes = b"") -> Ended:
        """Run it to its end, in this process: dozens of interpreters take their time."""
        variables: dict[str, str | None] = {name: None for name in os.environ if name.startswith("RMQ_")}
        variables |= {"RMQ_API_URL": self.url, **self.environment}
        result = CliRunner().invoke(main, args, typed, variables, prog_name="rmq-ctl")
        assert isinstance(result.exception, SystemExit | None), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    def run_process(self, *args: str, stdout: int = subprocess.PIPE) -> Ended:
        """The same as a process of its own, which prints to ``stdout``."""
        done = subprocess.run(
            self.command(*args),
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ended(done.returncode, (done.stdout or b"").decode(), done.stderr.decode())

    def good(self, *args: str, typed: bytes = b"") -> Ended:
        """Run what has to succeed."""
        ended = self.run(*args, typed=typed)
        assert ended.code == 0, (args, ended)
        return ended

    def interrupted(self, *args: str) -> Ended:
        """Run it until it has printed a line, then press Ctrl-C."""
        with subprocess.Popen(
            self.command(*args),
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # As from a terminal: who runs these tests in the background has it ignored, and so has every child.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            try:
                assert process.stdout is not None
                first = process.stdout.readline().decode()
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=TIMEOUT_S)
            finally:
                process.kill()
        return Ended(process.returncode, first + out.decode(), err.decode())

    def program(self, folder: Path) -> Path:
        """A program called rmq-ctl in a folder, for shells."""
        path = folder / "rmq-ctl"
        path.write_text(f'#!/bin/sh\nexec {" ".join(self.command())} "$@"\n')
        path.chmod(0o755)
        return path

    def on_a_terminal(self, *args: str, answer: tuple[str, str] | None = None, columns: int = 80) -> Ended:
        """Run it on a terminal of its own, where what it prints and what it says is one; answer its question."""
        ours, its = os.openpty()
        try:
            process = subprocess.Popen(
                self.command(*args),
                env={**self.variables, "COLUMNS": str(columns)},
                stdin=its,
                stdout=its,
                stderr=its,
                start_new_session=True,
            )
            os.close(its)
            read = b""
            try:
                while piece := os.read(ours, 65_536):
                    read += piece
                    if answer is not None and answer[0] in read.decode(errors="replace"):
                        os.write(ours, answer[1].encode())
                        answer = None
            except OSError:
                pass  # EIO: the other end is closed, which is how a terminal ends on Linux
            code = process.wait(TIMEOUT_S)
        finally:
            os.close(ours)
        assert answer is None, f"it didn't ask: {read!r}"
        return Ended(code, read.decode().replace("\r\n", "\n"), "")
