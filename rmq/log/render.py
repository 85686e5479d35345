"""An event as one line, readable or JSON; what could break a line, fake one or steer a terminal is escaped."""

import json
from collections.abc import MutableMapping

import orjson
from structlog.typing import EventDict

_SPECIAL = frozenset(" \"'=")
_FIRST = ("timestamp", "level", "logger", "event")


def render_text(_: object, __: str, event: EventDict) -> str:
    """`2026-01-31T12:00:00.000000Z info rmq.net listening addr=127.0.0.1:1883`, always one line but for a traceback."""
    head = [str(event.pop(name, "-")) for name in ("timestamp", "level", "logger")]
    message = _one_line(str(event.pop("event", "")))
    traceback = event.pop("exception", None)
    line = " ".join([head[0], f"{head[1]:<7}", head[2], message, *_pairs(event)])
    return f"{line}\n{traceback}" if traceback else line


def render_json(_: object, __: str, event: EventDict) -> str:
    """One object on one line, time and event first; values that JSON doesn't know are written as text."""
    event = {**{name: event[name] for name in _FIRST if name in event}, **event}
    try:
        line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # half a surrogate pair, or a number beyond 64 bits
        return json.dumps(event, default=str)
    # JSON wants the characters below U+0020 escaped only; a terminal obeys others too.
    return line if line.isprintable() else "".join(_json_character(character) for character in line)


def _json_character(character: str) -> str:
    if character.isprintable():
        return character
    return json.dumps(character)[1:-1]


def _pairs(event: MutableMapping[str, object]) -> list[str]:
    return [f"{name}={_quoted(value)}" for name, value in event.items()]


def _quoted(value: object) -> str:
    """Client ids and topics come from strangers: anything that could break or fake a line is escaped."""
    text = str(value)
    if text and text.isprintable() and _SPECIAL.isdisjoint(text):
        return text
    return repr(text)


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
