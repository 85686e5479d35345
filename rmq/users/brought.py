"""Hashes that were brought from another broker: what it had made of the password stands inside an argon2id hash.

    pbkdf2-sha512:101:64:<salt>$argon2id$…     mosquitto's $7$: iterations and length, the salt in base64
    sha512-suffix:<salt>$argon2id$…            mosquitto's $6$; EMQX has sha256-prefix and the like

So nobody needs a new password, and nobody who reads the file can guess faster than for any other line of it.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from typing import Final

# Beyond these, checking one password would stop others.
MOST_ITERATIONS: Final = 1_000_000
MOST_BYTES: Final = 1024
DIGESTS: Final = ("md5", "sha1", "sha256", "sha512")

_SALTED: Final = re.compile(r"(md5|sha1|sha256|sha512)-(prefix|suffix):([A-Za-z0-9+/=]{0,1368})")
_PBKDF2: Final = re.compile(r"pbkdf2-(sha1|sha256|sha512):([1-9][0-9]{0,6}):([1-9][0-9]{0,3}):([A-Za-z0-9+/=]{0,1368})")
_OUTER: Final = "$argon2id$"


def salted(digest: str, place: str, salt: bytes) -> str:
    """How the other broker hashed: one of ``DIGESTS`` over the password with the salt as its "prefix" or "suffix"."""
    return f"{digest}-{place}:{b64encode(salt).decode()}"


def pbkdf2(digest: str, iterations: int, size: int, salt: bytes) -> str:
    """How the other broker hashed: PBKDF2 (RFC 8018) to so many bytes."""
    return f"pbkdf2-{digest}:{iterations}:{size}:{b64encode(salt).decode()}"


def parts(written: str) -> tuple[str, str]:
    """What was brought, "" for nothing, and the argon2id hash around it."""
    before, outer, after = written.partition(_OUTER)
    return (before, outer + after) if outer else ("", written)


def check(way: str) -> None:
    """``ValueError`` for a way of hashing that isn't known, or takes too much."""
    if not way:
        return
    found = _PBKDF2.fullmatch(way)
    if found is None:
        if _SALTED.fullmatch(way) is None:
            raise ValueError("what stands before the argon2id hash isn't a way of hashing that is known")
    elif int(found[2]) > MOST_ITERATIONS or int(found[3]) > MOST_BYTES:
        raise ValueError(f"PBKDF2 beyond {MOST_ITERATIONS} iterations or {MOST_BYTES} bytes")
    try:
        b64decode(way.rpartition(":")[2], validate=True)
    except ValueError:
        raise ValueError("the salt before the argon2id hash isn't base64") from None


def hashed(way: str, password: bytes) -> bytes:
    """What the other broker made of a password: what argon2id is over. The password itself for no way at all."""
    if not way:
        return password
    salt = b64decode(way.rpartition(":")[2])
    found = _PBKDF2.fullmatch(way)
    if found is not None:
        return hashlib.pbkdf2_hmac(found[1], password, salt, int(found[2]), int(found[3]))
    name, _, place = way.partition(":")[0].partition("-")
    return hashlib.new(name, salt + password if place == "prefix" else password + salt).digest()
