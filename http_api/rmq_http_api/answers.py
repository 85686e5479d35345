"""What a handler gives back: a status, bytes and headers; JSON and plain text are made here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import orjson

from rmq.management.turns import Turns

T = TypeVar("T")

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
# So many rows are made into JSON before others get their turns: one or two milliseconds.
ROWS_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: a status, the body with its media type, and further headers. A long body is in pieces.

    ``is_question``: the request could have changed something by its method, and has only asked.
    """

    body: bytes | Sequence[bytes]
    media_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_question: bool = False

    @property
    def pieces(self) -> Sequence[bytes]:
        """The body as it is sent, at least one."""
        return (self.body,) if isinstance(self.body, bytes) else self.body

    @property
    def size(self) -> int:
        """The bytes of the body."""
        return sum(map(len, self.pieces))


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A value as JSON, dataclasses as objects; keys of mappings are in the order of the alphabet, as RMQTT has them."""
    body = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return Answer(body, JSON, status, headers or {})


def text_answer(text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Plain text."""
    return Answer(text.encode(), TEXT, 200, headers or {})


def empty_answer(headers: Mapping[str, str] | None = None) -> Answer:
    """204: done, and there is nothing to tell."""
    return Answer(b"", JSON, 204, headers or {})


async def rows_answer(
    turns: Turns, rows: Iterable[T], present: Callable[[T], object], headers: Mapping[str, str] | None = None
) -> Answer:
    """A list of objects, made piece by piece: a long one stops nobody."""
    return Answer(await rows_json(turns, rows, present), JSON, 200, headers or {})


async def rows_json(turns: Turns, rows: Iterable[T], present: Callable[[T], object]) -> list[bytes]:
    """The same as the pieces of a JSON array."""
    pieces: list[bytes] = []
    some: list[object] = []
    for row in rows:
        some.append(present(row))
        if len(some) == ROWS_AT_ONCE:
            pieces.append(_inner(some, pieces))
            some = []
            await turns.wait()
    if some:
        pieces.append(_inner(some, pieces))
    pieces.append(b"]" if pieces else b"[]")
    return pieces


def _inner(rows: list[object], before: list[bytes]) -> bytes:
    text = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)
    return (b"," if before else b"[") + text[1:-1]
