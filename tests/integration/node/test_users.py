"""A node and its password file: refused at the start, read again on SIGHUP; and listeners that nobody may use yet."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.node.node_command import command, environment, failed_start
from tests.support import wire
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.client import Client
from tests.support.users import HEAD, user, write
from tests.support.wire_parser import Connack

pytestmark = pytest.mark.realtime

DATA: Final = ("--data-dir", "data")
BAD_LOGIN: Final = 0x86


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_file_that_cannot_be_used_is_no_node(tmp_path: Path, check: tuple[str, ...]) -> None:
    (tmp_path / "users").write_text(f"{HEAD}\n\nalice secret\n")
    (tmp_path / "node.toml").write_text('[auth]\nusers_file = "{config_dir}/users"\n')
    lines = failed_start(tmp_path, *DATA, "-f", "node.toml", *check)
    assert len(lines) == 1
    assert lines[0].startswith("rmq-node: node.toml: auth.users_file: users: line 3: has 2 fields"), lines
    assert "secret" not in lines[0]


def test_a_file_that_is_not_there_is_no_node(tmp_path: Path) -> None:
    lines = failed_start(tmp_path, *DATA, "--set", "auth.users_file=users")
    assert lines == ["rmq-node: --set: auth.users_file: users: can't be read: No such file or directory"]


def passwd(path: Path, *arguments: str) -> None:
    done = subprocess.run(
        command("passwd", str(path), *arguments), env=environment(), capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    write(path, user("alice", "secret"))
    return path


@pytest.fixture
def node(tmp_path: Path, users: Path) -> Iterator[BrokerProcess]:
    process = BrokerProcess(tmp_path, [f"auth.users_file={users}", "log.format=json"])
    yield process
    assert process.stop() == 0
    assert "Traceback" not in process.log


def login_code(node: BrokerProcess, name: str, password: bytes) -> int:
    client = Client(node.address, f"c-{name}")
    client.send(wire.connect(client.client_id, username=name, password=password))
    code = client.expect(Connack).code
    client.close()
    return code


def reload(node: BrokerProcess, times: int) -> None:
    """Have the node read its files again, and wait until its log says so for the ``times``th time."""
    os.kill(node.pid, signal.SIGHUP)
    while node.log.count('"event":"reloaded"') < times:
        login_code(node, "nobody", b"")  # the node takes some turns meanwhile


def test_users_change_while_the_node_runs(node: BrokerProcess, users: Path) -> None:
    assert login_code(node, "alice", b"secret") == 0
    assert login_code(node, "bob", b"1") == BAD_LOGIN
    passwd(users, "bob", "-b", "1")
    passwd(users, "alice", "-b", "new")
    assert login_code(node, "alice", b"secret") == 0
    reload(node, 1)
    assert login_code(node, "alice", b"secret") == BAD_LOGIN
    assert login_code(node, "alice", b"new") == 0
    assert login_code(node, "bob", b"1") == 0
    good = users.read_text()
    users.write_text(good + "bad\n")
    reload(node, 2)
    assert "line 4: has 1 fields" in node.log
    assert login_code(node, "bob", b"1") == 0


class Start:
    """What a node said when it started with these options, and what it answered a client without a user name."""

    def __init__(self, directory: Path, host: str, *options: str) -> None:
        port = free_ports(1)[0]
        sets = [f"listener.tcp.open.addr={host}:{port}", *options]
        process = BrokerProcess(directory, sets)
        try:
            client = Client(("127.0.0.1", port), "c")
            client.send(wire.connect("c"))
            self.code = client.expect(Connack).code
            client.close()
        finally:
            process.stop()
        self.said = process.log


CLOSED: Final = "  closed  "
LINE: Final = "listener.tcp.open.allow_anonymous = true"


def test_a_listener_open_to_the_network_lets_nobody_in_and_says_what_to_write(tmp_path: Path) -> None:
    start = Start(tmp_path, "0.0.0.0")
    assert start.code == 0x87
    assert f"  closed   nobody can log in there; write this to let everybody in: {LINE}\n" in start.said
    warnings = [line for line in start.said.splitlines() if "nobody can log in at a listener" in line]
    assert len(warnings) == 1 and LINE in warnings[0]
    assert "listener.tcp.external.allow_anonymous" not in start.said  # loopback: open as ever


def test_the_line_it_says_opens_it(tmp_path: Path) -> None:
    start = Start(tmp_path, "0.0.0.0", LINE.replace(" ", ""))
    assert start.code == 0 and CLOSED not in start.said


def test_a_listener_with_users_is_not_closed(tmp_path: Path, users: Path) -> None:
    start = Start(tmp_path, "0.0.0.0", f"auth.users_file={users}")
    assert start.code == 0x87 and CLOSED not in start.said


def test_a_listener_on_loopback_is_open(tmp_path: Path) -> None:
    start = Start(tmp_path, "127.0.0.1")
    assert start.code == 0 and CLOSED not in start.said
