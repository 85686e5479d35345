"""The README's tour, typed line by line: each command does what is said beside it."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.ctl import Ctl
from tests.integration.http_api.http import Http
from tests.support.broker_process import REPOSITORY, BrokerProcess, interpreter

from .test_mosquitto_cli import _tools_are_installed as _tools_are_installed

pytestmark = pytest.mark.realtime

TIMEOUT_S: Final = 60.0
# mosquitto_sub ends with it when the time of its -W is over.
TIME_IS_UP: Final = 27


@dataclass
class Tour:
    """A person at a terminal, whose node has other ports than those of the README."""

    node: BrokerProcess
    background: list[subprocess.Popen[str]] = field(default_factory=list)

    def type(self, line: str) -> str:
        """Run a command; what it printed, or nothing for one that goes on in the background."""
        if line.startswith("pkill -9"):
            self.node.kill()
            self.node = self.node.start_again()
            return ""
        api = Http.of(self.node).port
        python, environment = interpreter()
        line = re.sub(r"^mosquitto_(sub|pub)", rf"\g<0> -p {self.node.address[1]}", line)
        line = line.replace("http://127.0.0.1:6060", f"-sf http://127.0.0.1:{api}")
        line = line.replace(".venv/bin/rmq-ctl", shlex.join(Ctl.of(self.node).command()))
        line = line.replace(".venv/bin/rmq-node", f"{shlex.quote(python)} -m rmq")
        environment |= Ctl.of(self.node).variables
        if line.endswith(" &"):
            before = self.subscriptions()
            command = "exec stdbuf -oL " + line.removesuffix(" &")
            self.background.append(
                subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, text=True, env=environment)
            )
            deadline = time.monotonic() + TIMEOUT_S
            while self.subscriptions() == before:
                assert time.monotonic() < deadline and self.background[-1].poll() is None, line
            return ""
        done = subprocess.run(
            line, shell=True, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False
        )
        assert done.returncode == (TIME_IS_UP if " -W " in line else 0), (
            line,
            done.returncode,
            done.stdout,
            done.stderr,
        )
        return done.stdout.rstrip("\n")

    def subscriptions(self) -> int:
        """How many there are."""
        found = Http.of(self.node).ask("GET", "/api/v1/subscriptions").json
        return len(found)


@pytest.fixture
def tour(tmp_path: Path) -> Iterator[Tour]:
    begun = Tour(BrokerProcess(tmp_path, ["plugins.rmq-sys-topic.publish_interval=1s"]))
    yield begun
    for process in begun.background:
        process.terminate()
        process.communicate()
    assert begun.node.stop() == 0


def lines_of_the_tour() -> list[str]:
    """The commands, without what is said beside them."""
    section = (REPOSITORY / "README.md").read_text().partition("\n## A tour\n")[2]
    block = section.split("```")[1]
    return [re.split(r"\s+# ", line)[0] for line in block.strip().splitlines()]


def test_each_line_does_what_is_said_beside_it(tour: Tour) -> None:
    typed = lines_of_the_tour()
    printed = []
    for line in typed:
        printed.append(tour.type(line))
        if len(printed) == 2:
            assert tour.background[0].stdout is not None
            assert tour.background[0].stdout.readline() == "a/b hello\n"
    _, _, _, state, _, _, came_back, _, _, after_the_crash, _, figures, over_http, status, settings = printed
    assert state == "on"
    assert came_back == "while you were away"
    assert after_the_crash == "before the crash"
    assert '"connections.count"' in figures and '"connections.count"' in over_http
    assert "node" in status and "mqtt" in settings
