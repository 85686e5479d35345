"""The password file: what is read, what is refused and where, and how it is changed."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from rmq.users import password_file, record
from rmq.users.hashing import DEFAULT_COST
from rmq.users.password_file import UsersFileError, delete_user, put_user, read_table
from rmq.users.scram import DEFAULT_ITERATIONS
from tests.support.users import FILE_SECRET, HEAD, cheap_hash, user, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users"


def names(path: Path) -> list[str]:
    return list(read_table(path).users)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_reading(path: Path) -> None:
    write(path, user("a", "1"), user("b c", "2", superuser=True, scram=False))
    table = read_table(path)
    assert table.secret == FILE_SECRET
    assert {name: one.superuser for name, one in table.users.items()} == {"a": False, "b c": True}
    assert not table.others_may_read
    path.chmod(0o640)
    assert read_table(path).others_may_read


def test_comments_and_empty_lines_are_left_alone(path: Path) -> None:
    line = record.written(user("a", "1"))
    path.write_text(f"{HEAD}\r\n\n  \n# {line}\n{line}\r\n")
    assert names(path) == ["a"]
    put_user(path, "b", cheap_hash("2"), None, None)
    put_user(path, "a", cheap_hash("3"), None, None)
    assert path.read_text().splitlines()[3] == f"# {line}"
    assert names(path) == ["a", "b"]


def test_unknown_users_seem_to_be_like_most(path: Path) -> None:
    write(path)
    table = read_table(path)
    assert (table.cost, table.iterations) == (DEFAULT_COST, DEFAULT_ITERATIONS)
    write(path, user("a", "1"), user("b", "1"), record.User("c", False, cheap_hash("1", passes=3), None))
    table = read_table(path)
    assert (table.cost, table.iterations) == ((8, 1, 1), 4096)


LINE = record.written(user("a", "1"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ": line 1: must begin with"),
        (b"a:$6$hash\n", ": line 1: must begin with"),
        (b"rmq-users\n", ": line 1: only version 1"),
        (b"rmq-users 2 x\n", ": line 1: only version 1"),
        (b"rmq-users 1\n", ": line 1: the third field"),
        (b"rmq-users 1 !!!!\n", ": line 1: the third field"),
        (b"rmq-users 1 AAAA\n", ": line 1: the third field"),
        (HEAD.encode() + b" x\n", ": line 1: the third field"),
        (f"{HEAD}\n\n{LINE}\n# x\nbad\n".encode(), ": line 5: has 1 fields"),
        (f"{HEAD}\n{LINE}\n\n{LINE}\n".encode(), ": line 4: a is a user of line 2 already"),
        (f"{HEAD}\n".encode() + b"\xff\n", ": line 2: is not UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_its_line(path: Path, content: bytes, says: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UsersFileError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}{says}"), caught.value


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "large"])
def test_what_is_no_file_is_refused(path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        path = Path("/dev/null")
    elif kind == "large":
        write(path)
        monkeypatch.setattr(password_file, "MOST_BYTES", 10)
    with pytest.raises(UsersFileError, match=f"^{path}: "):
        read_table(path)


def test_a_bad_file_is_not_changed(path: Path) -> None:
    path.write_text(f"{HEAD}\nbad\n")
    with pytest.raises(UsersFileError, match="line 2"):
        put_user(path, "a", cheap_hash("1"), None, None)
    with pytest.raises(UsersFileError, match="line 2"):
        delete_user(path, "a")
    assert path.read_text() == f"{HEAD}\nbad\n"


def test_a_file_is_begun_for_its_owner_only(path: Path) -> None:
    before = os.umask(0)
    try:
        put_user(path, "a", cheap_hash("1"), None, None)
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    first = read_table(path).secret
    assert len(first) == 32
    other = path.with_name("other")
    put_user(other, "a", cheap_hash("1"), None, None)
    assert read_table(other).secret != first
    put_user(path, "b", cheap_hash("1"), None, None)
    assert read_table(path).secret == first  # or the salts of unknown users would change


def test_a_change_closes_a_file_that_was_open(path: Path) -> None:
    write(path)
    path.chmod(0o644)
    put_user(path, "a", cheap_hash("1"), None, None)
    assert mode(path) == 0o600


def test_superuser_stays_until_it_is_said(path: Path) -> None:
    for given, expected in ((None, False), (True, True), (None, True), (False, False), (None, False)):
        put_user(path, "a", cheap_hash("1"), None, given)
        assert read_table(path).users["a"].superuser is expected


def test_deleting(path: Path) -> None:
    write(path, user("a", "1"), user("a b", "1"), user("c", "1"))
    assert delete_user(path, "a b")
    assert not delete_user(path, "a b")
    assert names(path) == ["a", "c"]
    assert mode(path) == 0o600
    with pytest.raises(UsersFileError, match="can't be read"):
        delete_user(path.with_name("none"), "a")


def test_a_link_stays_a_link(path: Path) -> None:
    real = path.with_name("real")
    write(real, user("a", "1"))
    path.symlink_to(real)
    put_user(path, "b", cheap_hash("1"), None, None)
    assert path.is_symlink() and names(real) == ["a", "b"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, user("a", "1"))
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsersFileError, match="can't be written: No space left on device"):
        put_user(path, "b", cheap_hash("1"), None, None)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["users"]


def test_a_folder_that_is_not_there(path: Path) -> None:
    with pytest.raises(UsersFileError, match="can't be written: No such file or directory"):
        put_user(path / "x" / "users", "a", cheap_hash("1"), None, None)


def test_changes_at_the_same_time_lose_nobody(path: Path) -> None:
    write(path)
    argon2 = cheap_hash("1")

    def work(name: str) -> None:
        for number in range(5):
            put_user(path, f"{name}{number}", argon2, None, None)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(path)) == sorted(f"{name}{number}" for name in "abcd" for number in range(5))
