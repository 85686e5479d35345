"""The password file: read whole or refused with file and line, changed one user at a time, written atomically.

The first line is ``rmq-users 1 <secret>``: what the file is, its version, and a random secret of its own from which the
salts of unknown users are made, so that they are the same after a restart and on every node with this file. Then one
user a line (``record``); empty lines and lines that begin with ``#`` are left alone.
"""

import fcntl
import os
import secrets
import stat
import tempfile
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rmq.users import record
from rmq.users.hashing import DEFAULT_COST, Cost, cost_of
from rmq.users.record import User
from rmq.users.scram import DEFAULT_ITERATIONS, Verifier

KIND: Final = "rmq-users"
VERSION: Final = "1"
SECRET_BYTES: Final = 32
# Some 400,000 users; a larger file is a mistake, or belongs in a database that a plugin asks.
MOST_BYTES: Final = 128 * 1024 * 1024
OWNER_ONLY: Final = 0o600


class UsersFileError(Exception):
    """The file can't be used; the text names the file, the line where there is one, and what is wrong."""

    def __init__(self, path: Path, reason: str, line: int = 0) -> None:
        super().__init__(f"{path}: line {line}: {reason}" if line else f"{path}: {reason}")


class UserTable:
    """Everybody in the file. ``cost`` and ``iterations`` are what most of them have: unknown users seem to be such."""

    __slots__ = ("cost", "iterations", "others_may_read", "secret", "users")

    def __init__(self, secret: bytes, users: dict[str, User]) -> None:
        self.secret = secret
        self.users = users
        self.others_may_read = False
        costs = Counter(cost_of(user.argon2) for user in users.values())
        iterations = Counter(user.verifier.iterations for user in users.values() if user.verifier is not None)
        self.cost: Cost = costs.most_common(1)[0][0] if costs else DEFAULT_COST
        self.iterations: int = iterations.most_common(1)[0][0] if iterations else DEFAULT_ITERATIONS


def read_table(path: Path) -> UserTable:
    """The whole file; ``UsersFileError`` for the first thing that is wrong with it."""
    text, mode = _read(path)
    table = parsed(path, text)
    table.others_may_read = bool(mode & 0o077)
    return table


def parsed(path: Path, text: str) -> UserTable:
    """``text`` as a table; ``path`` is for the errors."""
    lines = text.split("\n")
    secret = _secret(path, lines[0])
    users: dict[str, User] = {}
    line_of: dict[str, int] = {}
    for number, user in _users(path, lines):
        if user.name in users:
            reason = f"{record.encoded(user.name)} is a user of line {line_of[user.name]} already"
            raise UsersFileError(path, reason, number)
        users[user.name] = user
        line_of[user.name] = number
    return UserTable(secret, users)


def put_user(path: Path, name: str, argon2: str, verifier: Verifier | None, superuser: bool | None) -> None:
    """Add a user, or replace the one with this name; ``superuser`` None leaves it as it was.

    A file that isn't there is begun. Raises ``UsersFileError``.
    """
    with _locked(path):
        lines = _lines(path, begin=True)
        found = _find(path, lines, name)
        if superuser is None:
            superuser = found is not None and found[1].superuser
        line = record.written(User(name, superuser, argon2, verifier))
        if found is None:
            lines.append(line)
        else:
            lines[found[0]] = line
        _write(path, lines)


def put_users(path: Path, users: Iterable[tuple[str, str, bool]]) -> None:
    """Begin a file with these users: name, hash, superuser. Raises ``UsersFileError``, also if it is there already."""
    with _locked(path):
        if path.exists():
            raise UsersFileError(path, "is there already")
        lines = _lines(path, begin=True)
        lines += [record.written(User(name, superuser, argon2, None)) for name, argon2, superuser in users]
        parsed(path, "\n".join(lines))
        _write(path, lines)


def delete_user(path: Path, name: str) -> bool:
    """Take a user out; False when there was none."""
    with _locked(path):
        lines = _lines(path)
        found = _find(path, lines, name)
        if found is None:
            return False
        del lines[found[0]]
        _write(path, lines)
        return True


def _read(path: Path) -> tuple[str, int]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UsersFileError(path, "is not a file")
            if status.st_size > MOST_BYTES:
                raise UsersFileError(path, f"has more than {MOST_BYTES} bytes")
            return file.read(MOST_BYTES + 1).decode(), stat.S_IMODE(status.st_mode)
    except OSError as error:
        raise UsersFileError(path, f"can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsersFileError(path, "is not UTF-8 text", line) from None


def _secret(path: Path, line: str) -> bytes:
    fields = line.split()
    if not fields or fields[0] != KIND:
        raise UsersFileError(path, f'must begin with "{KIND} {VERSION}"; `rmq-node passwd` makes such a file', 1)
    if len(fields) < 2 or fields[1] != VERSION:
        raise UsersFileError(path, f"only version {VERSION} is known", 1)
    try:
        secret = b64decode(fields[2], validate=True) if len(fields) == 3 else b""
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise UsersFileError(path, f"the third field must be {SECRET_BYTES} bytes in base64", 1)
    return secret


def _users(path: Path, lines: list[str]) -> Iterator[tuple[int, User]]:
    for number, line in enumerate(lines[1:], 2):
        if line.strip() and not line.startswith("#"):
            try:
                yield number, record.read(line)
            except ValueError as error:
                raise UsersFileError(path, str(error), number) from None


def _lines(path: Path, *, begin: bool = False) -> list[str]:
    if begin and not path.exists():
        return [f"{KIND} {VERSION} {b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"]
    text, _ = _read(path)
    parsed(path, text)  # what is wrong must be mended by a person before anything is changed
    return text.removesuffix("\n").split("\n")


def _find(path: Path, lines: list[str], name: str) -> tuple[int, User] | None:
    return next(((number - 1, user) for number, user in _users(path, lines) if user.name == name), None)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two programs that change the file wait for each other."""
    try:
        folder = os.open(_real(path).parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsersFileError(path, f"can't be written: {error.strerror or error}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # a link stays a link


def _write(path: Path, lines: list[str]) -> None:
    """Whole or not at all, readable by its owner alone, and there after a power cut."""
    target = _real(path)
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            os.fchmod(descriptor, OWNER_ONLY)
            if target.exists() and os.geteuid() == 0:
                owner = target.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, target)
        temporary = ""
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise UsersFileError(path, f"can't be written: {error.strerror or error}") from None
    finally:
        if temporary:
            os.unlink(temporary)
