"""docs/operations.md tells the truth: its commands run as they stand, on three nodes, and print what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from rmq.cli.control_client import NodeUnavailable, Refused, ask
from rmq.config import ClusterSettings
from tests.support.broker_process import REPOSITORY, interpreter
from tests.support.client import Client
from tests.support.cluster_processes import fixed_ports
from tests.support.printed import is_printed

PAGE: Final = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
NAMES: Final = ("one", "two", "three")
PATIENCE_S: Final = 40.0
RUN_THE_NODE: Final = "rmq-node"
SECRET_FILE: Final = "/etc/rmq/cluster-secret"


@dataclass(frozen=True)
class Command:
    """A line that is typed on a machine, and what the page says that it prints."""

    machine: str
    line: str
    prints: tuple[str, ...]


def blocks(kind: str) -> dict[str, list[str]]:
    """The fenced blocks of a kind, by the heading that they stand below."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        for block in re.findall(rf"^```{kind}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            found.setdefault(heading, []).append(block)
    return found


def commands(heading: str) -> list[Command]:
    """All that is typed below a heading."""
    found: list[Command] = []
    for line in "".join(blocks("console")[heading]).splitlines():
        prompt, typed, command = line.partition("$ ")
        if typed and prompt in NAMES:
            found.append(Command(prompt, command, ()))
        else:
            last = found[-1]
            found[-1] = Command(last.machine, last.line, (*last.prints, line))
    return found


class Machine:
    """One machine of the page: a folder in which its paths lie, and ports in place of its addresses."""

    def __init__(self, name: str, folder: Path, ports: dict[str, str]) -> None:
        self.name = name
        self.number = NAMES.index(name) + 1
        self.folder = folder
        self.log = folder / "node.log"
        self._ports = ports
        self._python, self._environment = interpreter()
        self._environment["RMQ_CONFIG"] = str(folder / "etc/rmq/rmq.toml")
        self._process: subprocess.Popen[bytes] | None = None
        for part in ("etc/rmq/plugins", "var/lib/rmq", "var/backups", "bin"):
            (folder / part).mkdir(parents=True)
        program = folder / "bin" / RUN_THE_NODE
        program.write_text(f'#!/bin/sh\nexec "{self._python}" -m rmq "$@"\n')
        program.chmod(0o755)
        self._environment["PATH"] = f"{program.parent}:{os.environ['PATH']}"

    def here(self, text: str) -> str:
        """The same with this machine's places."""
        for address, ours in self._ports.items():
            text = text.replace(address, ours)
        own = self._ports[f"10.0.0.{self.number}:1883"]
        text = text.replace("0.0.0.0:1883", own)
        return re.sub(r"(?<![\w.])/(etc/rmq|var/lib|var/backups)", rf"{self.folder}/\1", text)

    def path(self, text: str) -> Path:
        """A file of this machine, by its name on the page."""
        return Path(self.here(text))

    def write(self, block: str) -> None:
        """A file of the page, whose first line has its name."""
        path = self.path(block.splitlines()[0].removeprefix("# "))
        text = self.here(block).replace("id = 1", f"id = {self.number}")
        path.write_text(text)

    def type(self, command: Command) -> None:
        """Do it, and compare what it prints; what the state is becomes so only after a while."""
        if command.line == RUN_THE_NODE:
            self.start()
            return
        self.wait_for_control()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run(
                ["bash", "-c", self.here(command.line)],
                env=self._environment | ({"NODE": str(self._process.pid)} if self._process else {}),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            if done.returncode == 0 and is_printed(command.prints, done.stdout):
                break
            patient = "status" in command.line.split() and time.monotonic() < deadline
            assert patient, f"{self.name}$ {command.line}: {done.returncode}\n{done.stdout}\n{self.last_words()}"
            self._ends_within(0.1)
        if command.line.startswith("kill "):
            self.wait_for_the_end()

    def start(self) -> None:
        """Run the node; what is typed next waits until it takes commands."""
        assert self._process is None, f"the node of machine {self.name} runs"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.folder / "bin" / RUN_THE_NODE],
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for_control(self) -> None:
        """Wait until the node takes commands, if it runs."""
        deadline = time.monotonic() + PATIENCE_S
        while self._process is not None:
            try:
                ask(self.folder / "var/lib/rmq/control.sock", "status", 10.0)
                return
            except Refused:
                return
            except NodeUnavailable:
                assert not self._ends_within(0.05) and time.monotonic() < deadline, self.last_words()

    def wait_for_the_end(self) -> None:
        assert self._process is not None
        code = self._process.wait(PATIENCE_S)
        self._process = None
        assert code == 0, self.last_words()

    def _ends_within(self, timeout_s: float) -> bool:
        assert self._process is not None
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def die(self) -> None:
        """The node ends at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def damage_log(self) -> Path:
        """A byte is another one, in the middle of the log."""
        (path,) = self.path("/var/lib/rmq/cluster/raft").glob("raft-*.log")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
        return path

    def fail(self) -> str:
        """The node doesn't start; what it says."""
        program = self.folder / "bin" / RUN_THE_NODE
        done = subprocess.run(
            [program],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
        return done.stderr

    def lose_disk(self) -> None:
        """All that the node has kept is gone."""
        self.die()
        shutil.rmtree(self.folder / "var/lib/rmq")
        (self.folder / "var/lib/rmq").mkdir()

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[dict[str, Machine]]:
    """Three, with the files of the page."""
    free = iter(fixed_ports(6))
    ports = {f"10.0.0.{n}:{port}": f"127.0.0.1:{next(free)}" for n in (1, 2, 3) for port in (1883, 5363)}
    made = {name: Machine(name, tmp_path / name, ports) for name in NAMES}
    for machine in made.values():
        for block in blocks("toml")["Before the first start"]:
            machine.write(block)
    try:
        yield made
    finally:
        for machine in made.values():
            machine.die()


class Story:
    """The page, section by section, in an order in which each finds what it needs."""

    def __init__(self, machines: dict[str, Machine]) -> None:
        self._machines = machines
        self._left = set(blocks("console"))

    def tell(self, heading: str) -> None:
        """Do what stands below a heading."""
        for command in commands(heading):
            self._machines[command.machine].type(command)
        self._left.discard(heading)

    def check_all_is_told(self) -> None:
        """A section that no test runs is a defect."""
        assert not self._left, f"no test runs the commands of {sorted(self._left)}"


def retained(machine: Machine, payload: bytes | None = None) -> bytes:
    """What is retained at a machine, once ``payload`` is, if that is given."""
    host, port = machine.here(f"10.0.0.{machine.number}:1883").split(":")
    client = Client((host, int(port)), f"at-{machine.name}")
    try:
        client.connect()
        if payload is not None:
            assert client.publish("kept", payload, 1, retain=True) == 0
        client.subscribe("kept")
        return client.receive_publish().payload
    finally:
        client.close()


@pytest.mark.slow
def test_every_command_of_the_page(machines: dict[str, Machine]) -> None:
    one, two, three = (machines[name] for name in NAMES)
    story = Story(machines)
    story.tell("The secret")
    secret = one.path(SECRET_FILE)
    assert secret.stat().st_mode & 0o077 == 0
    for other in (two, three):
        shutil.copy(secret, other.path(SECRET_FILE))
    for heading in ("Start", "Look", "Move leadership", "Drain", "Stop, restart, upgrade"):
        story.tell(heading)
    assert retained(one, b"first") == b"first"
    story.tell("Back up")
    assert retained(one, b"second") == b"second"
    three.die()
    story.tell("A node died")
    three.die()
    damaged = three.damage_log()
    assert str(damaged) in three.fail()
    story.tell("A disk is lost or damaged")
    story.tell("Rebuild")
    assert retained(three) == b"second"
    three.die()
    story.tell("Shrink")
    story.tell("Grow")
    assert retained(two) == retained(three) == b"second"
    two.die()
    three.die()
    story.tell("The majority is lost for good")
    assert retained(one, b"third") == b"third"
    for machine in machines.values():
        machine.die()
        shutil.rmtree(machine.path("/var/lib/rmq/cluster.old"), ignore_errors=True)
    story.tell("Restore")
    assert retained(three) == b"first"
    for machine in machines.values():
        machine.lose_disk()
    one.start()
    two.start()
    # The links have to stand first: `bootstrap` names who is missing.
    one.type(Command("one", "rmq-node cluster status", ("1 … -…", "2 … up …")))
    story.tell("When not all of them come")
    assert retained(two, b"fourth") == b"fourth"
    story.check_all_is_told()


def test_the_tests_that_durability_names_are_there() -> None:
    text = (REPOSITORY / "docs" / "durability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:unit|integration|simulation)\b[^`]*)`", text))
    assert len(named) > 15
    assert not [name for name in named if not (REPOSITORY / "tests" / name).exists()]


def test_the_keys_of_the_page_are_there() -> None:
    tables = [tomllib.loads(block) for found in blocks("toml").values() for block in found]
    keys = {key for table in tables for key in table if key.startswith("tls") or key in ("nodes", "secret_file")}
    assert len(keys) == 5
    assert keys <= set(ClusterSettings.model_fields)
