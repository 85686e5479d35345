"""What was found in the files of another broker, what becomes of it, and what can't be carried over."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class MigrationError(Exception):
    """A file that can't be read at all; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user with a password, with its ``argon2id`` hash, or with what another broker made of it.

    The last is ``digest``, by a ``way`` of ``users.brought``.
    """

    name: str
    superuser: bool = False
    password: str | None = field(default=None, repr=False)
    way: str = ""
    digest: bytes = field(default=b"", repr=False)
    argon2id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Retained:
    """A retained message; ``expires_in`` in seconds, None for never."""

    topic: str
    payload: bytes
    qos: int
    expires_in: int | None = None


@dataclass(slots=True)
class FoundBridge:
    """A bridge of ``plugin``, with its keys and those of its entries, dotted; ``keys`` may have a password."""

    plugin: str
    name: str
    keys: dict[str, object] = field(repr=False)
    entries: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Carried:
    """Something of theirs, and what it is here. Never a secret."""

    what: str
    becomes: str


@dataclass(slots=True)
class Findings:
    """Everything out of the files of one broker.

    ``settings`` are ours, by dotted keys. ``rules`` are those of rmq-acl, in their order. ``bridges`` are those of both
    plugins. ``no_match`` is what becomes of what no rule is about, "" where nobody said. ``left`` is what can't be
    carried over, each with the reason, or with what has to be done by hand.
    """

    settings: dict[str, object] = field(default_factory=dict)
    users: list[FoundUser] = field(default_factory=list)
    rules: list[list[object]] = field(default_factory=list)
    no_match: str = ""
    bridges: list[FoundBridge] = field(default_factory=list)
    retained: list[Retained] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    left: list[Carried] = field(default_factory=list)

    def take(self, what: str, key: str, value: object) -> None:
        """A setting of theirs, and ours for it."""
        self.settings[key] = value
        self.carried.append(Carried(what, f"{key} = {shown(value)}"))

    def note(self, what: str, becomes: str) -> None:
        """Something that is carried over and is no setting, or needs none."""
        self.carried.append(Carried(what, becomes))

    def leave(self, what: str, why: str) -> None:
        """Something that can't be carried over."""
        self.left.append(Carried(what, why))

    def add_user(self, user: FoundUser) -> None:
        """A user; of two with one name the first stays."""
        if any(known.name == user.name for known in self.users):
            self.leave(f"user {user.name}", "there is one with this name already")
        else:
            self.users.append(user)


def shown(value: object) -> str:
    """A value of a setting as people read it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def flat(tables: Mapping[str, object], start: str = "") -> dict[str, object]:
    """Tables within tables by dotted keys."""
    found: dict[str, object] = {}
    for name, value in tables.items():
        key = f"{start}.{name}" if start else name
        if isinstance(value, Mapping):
            found.update(flat(value, key))
        else:
            found[key] = value
    return found
