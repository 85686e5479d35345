"""Argon2id: making and checking the hashes of passwords; the only file that knows argon2 (RFC 9106).

The calls take some 20 ms of processor time by intent, with the interpreter's lock released: they belong in a thread.
"""

import re
import secrets
from base64 import b64encode
from typing import Final

from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type, hash_secret, verify_secret

from rmq.users import brought

# OWASP's smallest recommendation: a broker may check many at once, and each takes this much memory.
MEMORY_KIB: Final = 19_456
PASSES: Final = 2
LANES: Final = 1
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32

# What a line of the file may ask for; more would be a mistake that stops the node whenever the user logs in.
MOST_MEMORY_KIB: Final = 1_048_576
MOST_PASSES: Final = 64
MOST_LANES: Final = 16

_WRITTEN: Final = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,4}),p=([1-9][0-9]{0,2})"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,172}"
)

Cost = tuple[int, int, int]
"""Memory in KiB, passes, lanes."""


def hashed(password: bytes) -> str:
    """The password's hash with a salt of its own, as it is written in the file."""
    return hash_secret(
        password, secrets.token_bytes(SALT_BYTES), PASSES, MEMORY_KIB, LANES, HASH_BYTES, Type.ID
    ).decode()


def verified(written: str, password: bytes) -> bool:
    """Whether the password is the one of this hash."""
    way, argon2 = brought.parts(written)
    try:
        return verify_secret(argon2.encode(), brought.hashed(way, password), Type.ID)
    except (Argon2Error, InvalidHashError):
        return False


def cost_of(written: str) -> Cost:
    """What checking against this hash costs; ``ValueError`` says what is wrong with it."""
    way, argon2 = brought.parts(written)
    brought.check(way)
    found = _WRITTEN.fullmatch(argon2)
    if found is None:
        raise ValueError("isn't an argon2id hash")
    memory, passes, lanes = (int(number) for number in found.groups())
    if memory > MOST_MEMORY_KIB or passes > MOST_PASSES or lanes > MOST_LANES or memory < 8 * lanes:
        raise ValueError(f"argon2id costs beyond m={MOST_MEMORY_KIB},t={MOST_PASSES},p={MOST_LANES}")
    return memory, passes, lanes


def unmatched(cost: Cost) -> str:
    """A hash that no password has, and that costs as much to check: what unknown users are checked against."""
    salt = b64encode(secrets.token_bytes(SALT_BYTES)).decode().rstrip("=")
    body = b64encode(secrets.token_bytes(HASH_BYTES)).decode().rstrip("=")
    return f"$argon2id$v=19$m={cost[0]},t={cost[1]},p={cost[2]}${salt}${body}"


DEFAULT_COST: Final[Cost] = (MEMORY_KIB, PASSES, LANES)
