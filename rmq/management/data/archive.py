"""What exported data look like: lines of JSON in gzip, a first one that says what it is, and a last one that counts.

``{"rmq_export": 1, …}``, then ``{"account": {kind, name, value}}`` and ``{"retained": {topic, …}}``, and
``{"end": {"accounts": n, "retained": m}}``. Bytes are base64.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import Any, Final
from zlib import error as ZlibError

from rmq.management.errors import BadQuery, DataUnreadable
from rmq.management.models import RetainedView
from rmq.management.requests import PublishRequest

FORMAT: Final = 1
# What isn't exported: tokens of logins belong to the nodes that gave them.
LEFT_OUT: Final = frozenset({"login_secret", "ended_logins", "ended_tokens"})
# A retained message of 256 MB, as the protocol allows it, isn't taken along.
MAX_LINE: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ArchivedAccount:
    """An account: a user, an API key, a ban, a rule, …"""

    kind: str
    name: str
    value: bytes


Archived = ArchivedAccount | PublishRequest


def head_line(node: str, version: str, now: float) -> bytes:
    """The first line."""
    return _line({"rmq_export": FORMAT, "version": version, "node": node, "created_at": now})


def account_line(kind: str, name: str, value: bytes) -> bytes:
    """An account."""
    return _line({"account": {"kind": kind, "name": name, "value": base64.b64encode(value).decode()}})


def retained_line(message: RetainedView) -> bytes | None:
    """A retained message; None for one that is too long."""
    properties = message.properties
    correlation = properties.correlation_data
    line = _line(
        {
            "retained": {
                "topic": message.topic,
                "payload": base64.b64encode(message.payload).decode(),
                "qos": message.qos,
                "expires_at": message.expires_at,
                "payload_format": properties.payload_format,
                "content_type": properties.content_type,
                "response_topic": properties.response_topic,
                "correlation_data": None if correlation is None else base64.b64encode(correlation).decode(),
                "user_properties": list(properties.user_properties),
            }
        }
    )
    return line if len(line) <= MAX_LINE else None


def end_line(accounts: int, retained: int) -> bytes:
    """The last line."""
    return _line({"end": {"accounts": accounts, "retained": retained}})


def _line(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def read_archive(path: Path, now: float) -> Iterator[Archived]:
    """What is in a file, one by one; blocking. Messages that have expired by ``now`` are passed over.

    Raises ``DataUnreadable`` where it isn't what this program writes, or isn't whole.
    """
    accounts = retained = 0
    try:
        with GzipFile(path) as file:
            if _parsed(file).get("rmq_export") != FORMAT:
                raise DataUnreadable(path.name, "isn't data that rmq has exported")
            while True:
                line = _parsed(file)
                if "end" in line:
                    if line["end"] != {"accounts": accounts, "retained": retained}:
                        raise DataUnreadable(path.name, "isn't whole")
                    return
                if "account" in line:
                    accounts += 1
                    yield _account(line["account"])
                else:
                    retained += 1
                    message = _message(line["retained"], now)
                    if message is not None:
                        yield message
    except (BadGzipFile, EOFError, ZlibError, ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise DataUnreadable(path.name, f"isn't data that rmq has exported ({error})") from None
    except BadQuery as error:
        raise DataUnreadable(path.name, str(error)) from None


def _parsed(file: GzipFile) -> dict[str, Any]:
    line = file.readline(MAX_LINE + 1)
    if not line.endswith(b"\n"):
        raise ValueError("a line is too long, or cut off")
    found = json.loads(line)
    if not isinstance(found, dict):
        raise TypeError("a line isn't an object")
    return found


def _account(found: dict[str, Any]) -> ArchivedAccount:
    kind, name = found["kind"], found["name"]
    if not isinstance(kind, str) or not isinstance(name, str) or kind in LEFT_OUT:
        raise ValueError("an account has no name")
    value = base64.b64decode(found["value"], validate=True)
    if not isinstance(json.loads(value), dict):
        raise TypeError("an account isn't an object")  # whoever has that kind would meet it each time it looks
    return ArchivedAccount(kind, name, value)


def _message(found: dict[str, Any], now: float) -> PublishRequest | None:
    expires_at = found["expires_at"]
    if expires_at is not None and expires_at <= now:
        return None
    correlation = found["correlation_data"]
    return PublishRequest(
        (found["topic"],),
        base64.b64decode(found["payload"], validate=True),
        found["qos"],
        retain=True,
        message_expiry_interval=None if expires_at is None else max(1, int(expires_at - now)),
        payload_format=found["payload_format"],
        content_type=found["content_type"],
        response_topic=found["response_topic"],
        correlation_data=None if correlation is None else base64.b64decode(correlation, validate=True),
        user_properties=tuple((name, value) for name, value in found["user_properties"]),
    )
