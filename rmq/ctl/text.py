"""Values as text that a terminal can show: nothing that steers it gets through, and widths are counted right."""

import unicodedata
from typing import Final

ELLIPSIS: Final = "…"
NOTHING: Final = "-"
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")


def printable(text: str) -> str:
    """The same with everything escaped that isn't a visible character or a space, as Python writes it.

    Client ids and topics come from strangers: escape sequences, line breaks and characters that turn the direction of
    writing would let them change what stands elsewhere on a terminal.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shown(value: object) -> str:
    """A value of JSON as one cell."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def width(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, most: int) -> str:
    """The text in at most so many columns; one that is cut says so by its last character."""
    if width(text) <= most:
        return text
    kept: list[str] = []
    room = most - 1
    for char in text:
        room -= _char_width(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept) + ELLIPSIS


def size(count: float) -> str:
    """Bytes for a person."""
    if count < 1024:
        return f"{count:.0f} B"
    power = 1
    while count >= 1024 ** (power + 1) and power < len(_UNITS):
        power += 1
    return f"{count / 1024**power:.1f} {_UNITS[power - 1]}"
