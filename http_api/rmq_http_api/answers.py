"""What a handler gives back: a status, bytes and headers; JSON and plain text are made here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import orjson
import trio

T = TypeVar("T")

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
# So many rows are made into JSON before others get their turns: about a millisecond.
ROWS_AT_ONCE: Final = 128


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: a status, the body with its media type, and further headers."""

    body: bytes
    media_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A value as JSON, dataclasses as objects; keys of mappings are in the order of the alphabet, as RMQTT has them."""
    body = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return Answer(body, JSON, status, headers or {})


def text_answer(text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Plain text."""
    return Answer(text.encode(), TEXT, 200, headers or {})


async def rows_answer(
    rows: Iterable[T], present: Callable[[T], object], headers: Mapping[str, str] | None = None
) -> Answer:
    """A list of objects, made piece by piece: a long one stops nobody."""
    pieces: list[bytes] = []
    some: list[object] = []
    for row in rows:
        some.append(present(row))
        if len(some) == ROWS_AT_ONCE:
            pieces.append(orjson.dumps(some, option=orjson.OPT_SORT_KEYS)[1:-1])
            some = []
            await trio.lowlevel.checkpoint()
    if some:
        pieces.append(orjson.dumps(some, option=orjson.OPT_SORT_KEYS)[1:-1])
    return Answer(b"[" + b",".join(pieces) + b"]", JSON, 200, headers or {})
