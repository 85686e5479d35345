"""rmq-node passwd: what it writes, what it asks for, what it refuses."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rmq.cli import main
from rmq.users import hashing
from rmq.users.password_file import read_table
from rmq.users.record import User
from rmq.users.scram import verifier


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users"


def passwd(path: Path, *args: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["passwd", str(path), *args], input=given)


def the_user(path: Path, name: str) -> User:
    return read_table(path).users[name]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "", "\nmore\n"])
def test_a_password_from_standard_input(path: Path, ending: str) -> None:
    result = passwd(path, "alice", "--stdin", given=f" sëcret {ending}")
    assert (result.exit_code, result.output) == (0, "")
    alice = the_user(path, "alice")
    assert hashing.verified(alice.argon2, " sëcret ".encode())
    assert not alice.superuser
    kept = alice.verifier
    assert kept is not None
    assert kept.iterations == 15_000
    assert verifier(" sëcret ", kept.salt, kept.iterations).stored_key == kept.stored_key


def test_a_password_from_the_command_line_when_that_is_asked_for(path: Path) -> None:
    assert passwd(path, "alice", "-b", "secret", "--iterations", "4096").exit_code == 0
    alice = the_user(path, "alice")
    assert hashing.verified(alice.argon2, b"secret")
    assert alice.verifier is not None and alice.verifier.iterations == 4096


def test_a_password_is_not_an_argument(path: Path) -> None:
    result = passwd(path, "alice", "secret")
    assert result.exit_code == 2 and not path.exists()


def test_changing_keeps_what_is_not_said(path: Path) -> None:
    passwd(path, "alice", "-b", "1", "--superuser", "--no-scram")
    first = the_user(path, "alice")
    assert first.superuser and first.verifier is None
    passwd(path, "alice", "-b", "2")
    second = the_user(path, "alice")
    assert second.superuser and hashing.verified(second.argon2, b"2")
    passwd(path, "alice", "-b", "2", "--no-superuser")
    assert not the_user(path, "alice").superuser


def test_deleting(path: Path) -> None:
    passwd(path, "alice", "-b", "1")
    passwd(path, "bob", "-b", "1")
    assert passwd(path, "alice", "--delete").exit_code == 0
    assert list(read_table(path).users) == ["bob"]
    result = passwd(path, "alice", "--delete")
    assert (result.exit_code, result.stderr) == (1, f"rmq-node passwd: {path}: there is no user alice\n")


@pytest.mark.parametrize(
    ("args", "given", "code", "says"),
    [
        (("alice",), None, 2, "no terminal to ask for the password: use --stdin"),
        (("alice", "--stdin"), "\n", 1, "rmq-node passwd: the password is empty"),
        (("alice", "-b", ""), None, 1, "rmq-node passwd: the password is empty"),
        (("alice", "--stdin"), b"\xff\n", 1, "rmq-node passwd: the password is not UTF-8 text"),
        (("alice", "--stdin", "-b", "x"), "x\n", 2, "exclude each other"),
        (("alice", "--delete", "--stdin"), "x\n", 2, "--delete goes with no other option"),
        (("alice", "--delete", "--superuser"), None, 2, "--delete goes with no other option"),
        (("", "-b", "x"), None, 1, "a user name must not be empty"),
        (("alice", "-b", "a\x07"), None, 1, "not for SCRAM: a control character is not allowed; --no-scram"),
        (("I\u00adX", "-b", "x"), None, 1, "not for SCRAM: SASLprep makes another name"),
        (("alice", "-b", "\u00ad"), None, 1, "not for SCRAM: SASLprep makes another name or an empty password"),
        (("alice", "-b", "x", "--iterations", "4095"), None, 2, "4096<=x"),
    ],
)
def test_what_is_refused(path: Path, args: tuple[str, ...], given: str | bytes | None, code: int, says: str) -> None:
    result = passwd(path, *args, given=given)
    assert result.exit_code == code
    assert says in result.stderr
    assert not path.exists()


def test_what_scram_cannot_have_a_password_can(path: Path) -> None:
    assert passwd(path, "I\u00adX", "-b", "a\x07", "--no-scram").exit_code == 0
    assert hashing.verified(the_user(path, "I\u00adX").argon2, b"a\x07")


def test_a_bad_file_is_named_with_its_line_and_stays(path: Path) -> None:
    passwd(path, "alice", "-b", "1")
    path.write_text(path.read_text() + "bad\n")
    before = path.read_bytes()
    result = passwd(path, "bob", "-b", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"rmq-node passwd: {path}: line 3: ")
    assert path.read_bytes() == before


def test_options_of_a_node_are_not_for_passwd(path: Path) -> None:
    result = CliRunner().invoke(main, ["--id", "1", "passwd", str(path), "alice", "-b", "x"])
    assert result.exit_code == 2 and "mean nothing to passwd" in result.stderr
    assert not path.exists()


def test_a_command_that_is_not_there() -> None:
    result = CliRunner().invoke(main, ["pasword"])
    assert result.exit_code == 2 and "No such command 'pasword'" in result.stderr


def read_until(terminal: int, text: bytes) -> bytes:
    shown = b""
    while text not in shown:
        ready, _, _ = select.select([terminal], [], [], 20)
        assert ready, shown
        shown += os.read(terminal, 1000)
    return shown


@pytest.mark.realtime
def test_a_terminal_is_asked_twice_and_shows_nothing(path: Path) -> None:
    ours, theirs = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "rmq", "passwd", str(path), "alice"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = read_until(ours, b"Password: ")
        os.write(ours, b"secret\n")
        shown += read_until(ours, b"confirmation: ")
        os.write(ours, b"secret\n")
        assert process.wait(20) == 0
    os.close(ours)
    assert re.search(rb"secret", shown) is None
    assert hashing.verified(the_user(path, "alice").argon2, b"secret")
