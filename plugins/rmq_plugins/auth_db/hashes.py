"""The hashes of passwords that tables have, and whether a password is the one of a hash.

Some say themselves how they were made: argon2id, bcrypt, PBKDF2 as passlib and as Django write it. Others are bare
digits, as EMQX's tables have them, and the configuration says how they were made. Checking takes its time by intent: it
belongs in a thread. This is the only file that knows bcrypt.
"""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

import bcrypt

from rmq.plugin_api import Passwords

AUTO: Final = "auto"
# What a graphics card guesses some thousand million times a second.
WEAK: Final = ("md5", "sha", "sha256", "sha512")
# Beyond these, checking one password would stop others.
MOST_ROUNDS: Final = 16
MOST_ITERATIONS: Final = 5_000_000
MOST_BYTES: Final = 1024
# bcrypt looks at no more of a password.
BCRYPT_BYTES: Final = 72

_DIGESTS: Final = {
    "sha": "sha1",
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
}
_BCRYPT: Final = re.compile(r"\$2[abxy]?\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_PASSLIB: Final = re.compile(
    r"\$pbkdf2(?:-(sha1|sha256|sha512))?\$([1-9][0-9]{0,9})\$([./A-Za-z0-9]*)\$([./A-Za-z0-9]+)"
)
_DJANGO: Final = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$([1-9][0-9]{0,9})\$([^$]*)\$([A-Za-z0-9+/]+={0,2})")


class BadHash(Exception):
    """What a table has for a hash is none, or costs too much to check; the text says why without repeating it."""


class Hashes:
    """One way of hashing. ``name`` is auto, bcrypt, pbkdf2, or one of WEAK; the rest is for the last two.

    ``size`` is how many bytes PBKDF2 makes, 0 as many as its digest.
    """

    def __init__(
        self,
        passwords: Passwords,
        name: str = AUTO,
        salt_position: str = "prefix",
        mac: str = "sha256",
        iterations: int = 4096,
        size: int = 0,
    ) -> None:
        self._passwords = passwords
        self._name = name
        self._salt_position = salt_position
        self._mac = _DIGESTS[mac]
        self._iterations = iterations
        self._size = size or None
        # What an unknown user's password is checked against, so that it takes as long as a known one's.
        self._stand_in = (self._first_stand_in(), "")

    def is_right(self, written: str, salt: str, password: bytes) -> bool:
        """Whether it is the password of this hash, found in a time that doesn't tell how much of it is right.

        Raises ``BadHash``.
        """
        right = self._check(written, salt, password)
        self._stand_in = (written, salt)
        return right

    def spend(self, password: bytes) -> None:
        """Take as long as ``is_right`` does."""
        written, salt = self._stand_in
        self._check(written, salt, password)

    def _check(self, written: str, salt: str, password: bytes) -> bool:
        if self._name == AUTO:
            return self._check_as_written(written, password)
        if self._name == "bcrypt":
            return _is_bcrypt(written, password)
        if self._name == "pbkdf2":
            made = hashlib.pbkdf2_hmac(self._mac, password, salt.encode(), self._iterations, self._size)
        else:
            text = salt.encode()
            if self._salt_position == "disable":
                text = b""
            whole = password + text if self._salt_position == "suffix" else text + password
            # Weak by what the customer's table has: rmq makes no such hashes, and says so at its start.
            made = hashlib.new(_DIGESTS.get(self._name, self._name), whole).digest()
        try:
            kept = bytes.fromhex(written)
        except ValueError:
            raise BadHash(f"the hash isn't one of {self._name}: it has other characters than 0-9 and a-f") from None
        if len(kept) != len(made):
            raise BadHash(f"the hash isn't one of {self._name}: it has {len(kept)} bytes instead of {len(made)}")
        return hmac.compare_digest(made, kept)

    def _check_as_written(self, written: str, password: bytes) -> bool:
        if "$argon2" in written:
            try:
                self._passwords.check(written)
            except ValueError as error:
                raise BadHash(f"the hash can't be checked: {error}") from None
            return self._passwords.verified(written, password)
        if written.startswith("$2"):
            return _is_bcrypt(written, password)
        found = _PASSLIB.fullmatch(written)
        if found is not None:
            return _is_pbkdf2(found[1] or "sha1", found[2], _adapted(found[3]), _adapted(found[4]), password)
        found = _DJANGO.fullmatch(written)
        if found is not None:
            return _is_pbkdf2(found[1], found[2], found[3].encode(), _plain(found[4]), password)
        raise BadHash("the hash doesn't say how it was made: password_hash_algorithm has to")

    def _first_stand_in(self) -> str:
        if self._name == AUTO:
            return self._passwords.unmatched()
        if self._name == "bcrypt":
            return bcrypt.gensalt(10).decode() + secrets.token_hex(16)[:31]
        size = self._size if self._name == "pbkdf2" else None
        name = self._mac if self._name == "pbkdf2" else _DIGESTS.get(self._name, self._name)
        return secrets.token_hex(size or hashlib.new(name).digest_size)


def _is_bcrypt(written: str, password: bytes) -> bool:
    found = _BCRYPT.fullmatch(written)
    if found is None:
        raise BadHash("the hash isn't one of bcrypt")
    if not 4 <= int(found[1]) <= MOST_ROUNDS:
        raise BadHash(f"bcrypt with a cost beyond 4 to {MOST_ROUNDS}")
    if b"\0" in password:
        return False  # where other programs end a password, which would make two of one
    try:
        return bcrypt.checkpw(password[:BCRYPT_BYTES], written.encode())
    except ValueError:
        raise BadHash("the hash isn't one of bcrypt") from None


def _is_pbkdf2(digest: str, iterations: str, salt: bytes, kept: bytes, password: bytes) -> bool:
    if int(iterations) > MOST_ITERATIONS or not 1 <= len(kept) <= MOST_BYTES:
        raise BadHash(f"PBKDF2 beyond {MOST_ITERATIONS} iterations or {MOST_BYTES} bytes")
    return hmac.compare_digest(hashlib.pbkdf2_hmac(digest, password, salt, int(iterations), len(kept)), kept)


def _adapted(text: str) -> bytes:
    """Passlib's own base64: a dot for the plus, and no padding."""
    return _plain(text.replace(".", "+") + "=" * (-len(text) % 4))


def _plain(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise BadHash("the hash isn't base64") from None
