"""mosquitto's password file (mosquitto_passwd) and its ACL file, as users and rules of ours."""

from base64 import b64decode
from pathlib import Path
from typing import Final

from rmq.migration.files import read_text
from rmq.migration.findings import Findings, FoundUser
from rmq.users import brought, hashing

SHA512_BYTES: Final = 64
_ACTIONS: Final = {"read": "subscribe", "write": "publish", "readwrite": "pubsub", "deny": "pubsub"}


def read_passwords(found: Findings, path: Path) -> None:
    """``name:$7$iterations$salt$hash`` (PBKDF2-SHA512), ``name:$6$salt$hash`` (SHA-512), and argon2id as RFC 9106's

    reference program writes it, which is what 2.1 makes and what our own file has.
    """
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, written = line.partition(":")
        user = _user(name, written.strip()) if colon and name else None
        if user is None:
            found.leave(
                f"{path.name} line {number}", "isn't a user with a hash of mosquitto_passwd: set a new password"
            )
        else:
            found.add_user(user)
    found.note(f"password_file {path}", "the users file; hashes are carried over, nobody needs a new password")


def _user(name: str, written: str) -> FoundUser | None:
    fields = written.split("$")
    try:
        if len(fields) == 5 and fields[1] == "7":
            salt, digest = b64decode(fields[3], validate=True), b64decode(fields[4], validate=True)
            way = brought.pbkdf2("sha512", int(fields[2]), len(digest), salt)
        elif fields[1:2] == ["argon2id"]:
            hashing.cost_of(written)
            return FoundUser(name, argon2id=written)
        elif len(fields) == 4 and fields[1] == "6":
            salt, digest = b64decode(fields[2], validate=True), b64decode(fields[3], validate=True)
            way = brought.salted("sha512", "suffix", salt)
        else:
            return None
        brought.check(way)
    except ValueError:
        return None
    return FoundUser(name, way=way, digest=digest) if len(digest) == SHA512_BYTES else None


def read_rules(found: Findings, path: Path, *, has_anonymous: bool) -> None:
    """An ACL file. With it mosquitto denies what no line allows, and a deny comes before whatever allows."""
    denied: list[list[object]] = []
    allowed: list[list[object]] = []
    user: str | None = None
    for number, raw in enumerate(read_text(path).splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        where = f"{path.name} line {number}: {line}"
        if word == "user":
            user = rest
            continue
        if word not in ("topic", "pattern"):
            found.leave(where, "isn't user, topic or pattern")
            continue
        access, _, topic = rest.partition(" ")
        if access not in _ACTIONS or not topic.strip():
            access, topic = "readwrite", rest
        topic = topic.strip()
        who: object = "all"
        if word == "topic":
            if user is None:
                if has_anonymous:
                    found.leave(where, "it is about clients without a user name alone: no rule of ours can be")
                continue  # nobody comes in without a name
            if "%" in topic:
                found.leave(where, "%c and %u would stand for client id and user name here")
                continue
            who = {"user": user}
        rule: list[object] = ["deny" if access == "deny" else "allow", who, _ACTIONS[access], [topic]]
        (denied if access == "deny" else allowed).append(rule)
    found.rules += [*denied, *allowed, ["deny", "all", "pubsub"]]
    found.note(f"acl_file {path}", "rules of rmq-acl: denials first, then what is allowed, then nothing more")
    if any(rule[2] == "subscribe" for rule in allowed):
        found.note(
            f"acl_file {path}",
            "mosquitto grants any subscription and leaves out messages; rmq-acl refuses the subscription instead",
        )
