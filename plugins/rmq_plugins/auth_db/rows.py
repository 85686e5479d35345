"""What rows mean: a user, and the rules of a client. Names of columns are in lower case."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

Row = Mapping[str, object]

_YES: Final = ("1", "true", "t", "yes", "y")
_NO: Final = ("", "0", "false", "f", "no", "n")


class User:
    """One user. ``password_hash`` is "" where nobody gets in by password."""

    __slots__ = ("password_hash", "salt", "superuser")

    def __init__(self, password_hash: str, salt: str, superuser: bool) -> None:
        self.password_hash = password_hash
        self.salt = salt
        self.superuser = superuser


def read_user(row: Row, username: str | None) -> User | None:
    """The user of a row; None where the row is another one's. ``ValueError`` says what is wrong with it.

    MySQL finds ``ALICE`` and ``alice `` for ``alice``: where the row has a ``username``, that must be the very same.
    """
    if "password_hash" not in row:
        raise ValueError("the query gives no column password_hash")
    if "username" in row and username is not None and _text(row["username"], "username") != username:
        return None
    superuser = _flag(row.get("is_superuser"), "is_superuser")
    return User(_text(row["password_hash"], "password_hash"), _text(row.get("salt"), "salt"), bool(superuser))


def rule_items(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Rows as ``rmq.plugin_api.read_rules`` takes them. ``ValueError`` says what is wrong with one."""
    return [_rule(row) for row in rows]


def rule_of_field(topic: str, value: str) -> dict[str, object]:
    """A field of a Redis hash as a row: ``publish``, or JSON with ``action``, ``qos``, ``retain``, ``permission``."""
    if not value.lstrip().startswith("{"):
        return {"topic": topic, "action": value, "permission": "allow"}
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise ValueError("the value of a rule is no JSON") from None
    return {"action": "all", "permission": "allow", **read, "topic": topic}


def _rule(row: Row) -> dict[str, object]:
    missing = [name for name in ("permission", "action", "topic") if name not in row]
    if missing:
        raise ValueError(f"the query gives no column {missing[0]}")
    qos = row.get("qos")
    retain = row.get("retain")
    return {
        "permission": _text(row["permission"], "permission").lower(),
        "action": _text(row["action"], "action").lower(),
        "topic": _text(row["topic"], "topic"),
        "qos": _levels(qos),
        "retain": None if retain == "all" else _flag(retain, "retain"),
    }


def _levels(value: object) -> object:
    """NULL, a number, a list of numbers, or a text such as ``0,1``."""
    if isinstance(value, (bytes, str)):
        text = _text(value, "qos").strip()
        if not text:
            return None
        if not all(part.strip() in ("0", "1", "2") for part in text.split(",")):
            raise ValueError("qos must be 0, 1, 2 or several of them with commas")
        return [int(part) for part in text.split(",")]
    return value


def _flag(value: object, column: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    if isinstance(value, (bytes, str)):
        text = _text(value, column).strip().lower()
        if value in (b"\0", b"\1"):  # MySQL's BIT(1)
            return value == b"\1"
        if text in _YES:
            return True
        if text in _NO:
            return False
    raise ValueError(f"{column} must be 0 or 1")


def _text(value: object, column: str) -> str:
    if value is None:
        return ""
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise ValueError(f"{column} is no UTF-8 text") from None
    if isinstance(value, str):
        return value
    raise ValueError(f"{column} must be text")
