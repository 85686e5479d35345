"""One user as the password file has it: name, superuser, argon2id hash, SCRAM verifier; read from a line and written.

    alice -         $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash> SCRAM-SHA-256$15000:<salt>$<stored key>:<server key>
    root  superuser $argon2id$… -

Before an argon2id hash may stand how another broker hashed the password first (``brought``).
Names are percent-encoded where they hold a space, a ``%``, a ``#`` or what can't be seen. The verifier is in the form
of RFC 5803; ``-`` in its place means that the user can't log in by SCRAM.
"""

import re
from base64 import b64decode, b64encode
from typing import Final
from urllib.parse import unquote_to_bytes

from rmq.users import hashing
from rmq.users.scram import KEY_BYTES, LEAST_ITERATIONS, MECHANISM, MOST_ITERATIONS, Verifier

SUPERUSER: Final = "superuser"
NOTHING: Final = "-"
# A user name is an MQTT string [MQTT-1.5.4].
LONGEST_NAME: Final = 65_535

_VERIFIER: Final = re.compile(
    r"SCRAM-SHA-256\$([1-9][0-9]{0,9}):([A-Za-z0-9+/=]{4,172})\$([A-Za-z0-9+/=]{44}):([A-Za-z0-9+/=]{44})"
)
_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class User:
    """A user; two of the same line are equal. ``verifier`` is None where SCRAM isn't possible."""

    __slots__ = ("argon2", "name", "superuser", "verifier")

    def __init__(self, name: str, superuser: bool, argon2: str, verifier: Verifier | None) -> None:
        self.name = name
        self.superuser = superuser
        self.argon2 = argon2
        self.verifier = verifier

    def same_as(self, other: "User | None") -> bool:
        """Whether nothing about the user has changed."""
        return other is not None and written(self) == written(other)


def read(line: str) -> User:
    """A line as a user; ``ValueError`` says what is wrong with it, without repeating secrets."""
    fields = line.split()
    if len(fields) != 4:
        raise ValueError(
            f"has {len(fields)} fields instead of 4: name, {SUPERUSER} or {NOTHING}, argon2id hash, SCRAM verifier"
        )
    name = _decoded(fields[0])
    if fields[1] not in (SUPERUSER, NOTHING):
        raise ValueError(f'the second field must be "{SUPERUSER}" or "{NOTHING}"')
    hashing.cost_of(fields[2])
    return User(name, fields[1] == SUPERUSER, fields[2], _verifier(fields[3]))


def written(user: User) -> str:
    """The user as a line."""
    verifier = user.verifier
    scram = NOTHING
    if verifier is not None:
        salt, stored, server = (
            b64encode(part).decode() for part in (verifier.salt, verifier.stored_key, verifier.server_key)
        )
        scram = f"{MECHANISM}${verifier.iterations}:{salt}${stored}:{server}"
    return f"{encoded(user.name)} {SUPERUSER if user.superuser else NOTHING} {user.argon2} {scram}"


def encoded(name: str) -> str:
    """A name without anything that separates, hides or begins a comment."""
    return "".join(
        character
        if character.isprintable() and not character.isspace() and character not in "%#"
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in name
    )


def check_name(name: str) -> None:
    """``ValueError`` for a name that no client can have."""
    if not name:
        raise ValueError("a user name must not be empty")
    if "\0" in name or len(name.encode(errors="surrogatepass")) > LONGEST_NAME:
        raise ValueError(f"a user name has at most {LONGEST_NAME} bytes and no U+0000")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ValueError("a user name must be UTF-8 text")


def _decoded(text: str) -> str:
    if _PERCENT.search(text) is not None:
        raise ValueError("a % in a name is written %25")
    try:
        name = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("the name is not UTF-8 text") from None
    check_name(name)
    return name


def _verifier(text: str) -> Verifier | None:
    if text == NOTHING:
        return None
    found = _VERIFIER.fullmatch(text)
    if found is None:
        raise ValueError(f'the last field is neither a {MECHANISM} verifier nor "{NOTHING}"')
    iterations = int(found[1])
    if not LEAST_ITERATIONS <= iterations <= MOST_ITERATIONS:
        raise ValueError(f"SCRAM iterations must be {LEAST_ITERATIONS} to {MOST_ITERATIONS}")
    try:
        salt, stored, server = (b64decode(part, validate=True) for part in found.groups()[1:])
    except ValueError:
        raise ValueError(f"the {MECHANISM} verifier isn't base64") from None
    if len(stored) != KEY_BYTES or len(server) != KEY_BYTES:
        raise ValueError(f"the keys of a {MECHANISM} verifier have {KEY_BYTES} bytes")
    return Verifier(iterations, salt, stored, server)
