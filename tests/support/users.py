"""Users whose passwords cost next to nothing to check, and files of them."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Final

from argon2.low_level import Type, hash_secret

from rmq.users import record
from rmq.users.record import User
from rmq.users.scram import LEAST_ITERATIONS, verifier

FILE_SECRET: Final = bytes(range(32))
HEAD: Final = f"rmq-users 1 {b64encode(FILE_SECRET).decode()}"


def cheap_hash(password: str, passes: int = 1) -> str:
    """An argon2id hash made with the least work there is."""
    return hash_secret(password.encode(), b"saltsaltsaltsalt", passes, 8, 1, 32, Type.ID).decode()


def user(name: str, password: str, *, superuser: bool = False, scram: bool = True) -> User:
    """A user with this password."""
    known = verifier(password, b"salt" + name.encode()[:12].ljust(12, b"."), LEAST_ITERATIONS) if scram else None
    return User(name, superuser, cheap_hash(password), known)


def write(path: Path, *users: User) -> None:
    """A password file with these users."""
    path.write_text("\n".join([HEAD, *(record.written(one) for one in users)]) + "\n")
    path.chmod(0o600)
