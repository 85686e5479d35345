"""Columns that line up: for a terminal cut to its width, elsewhere as long as they are."""

from collections.abc import Iterable, Sequence
from typing import Final

from rmq.ctl.text import ELLIPSIS, cut, width

GAP: Final = "  "
# A column isn't cut to less than this: rather the last ones are left out.
NARROWEST: Final = 12


class Table:
    """Rows that come in portions; columns only ever get wider from one portion to the next.

    ``titles`` is the head, which comes with the first portion; those that matter most come first. ``right`` are the
    titles of columns of numbers. ``room`` is how many columns the terminal has, None for no limit: what there is no
    room for is left out, and the head ends with an ellipsis.
    """

    def __init__(self, titles: Sequence[str], right: Iterable[str] = (), room: int | None = None) -> None:
        self._titles = titles
        rights = set(right)
        self._right = [title in rights for title in titles]
        self._room = room
        self._wanted = [width(title) for title in titles]
        self._has_head = False

    def lines(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """The next rows, each cell printable text, with the head before the first ones."""
        for row in rows:
            for column, cell in enumerate(row):
                self._wanted[column] = max(self._wanted[column], width(cell))
        widths = self._wanted if self._room is None else _fitted(self._wanted, self._room)
        lines = [] if self._has_head else [self._head(widths)]
        self._has_head = True
        return lines + [self._line(row, widths) for row in rows]

    def _head(self, widths: Sequence[int]) -> str:
        line = self._line(self._titles, widths)
        return line if len(widths) == len(self._titles) else line + GAP + ELLIPSIS

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [
            _padded(cut(cell, most), most, right=right)
            for cell, most, right in zip(row, widths, self._right, strict=False)
        ]
        return GAP.join(cells).rstrip()


def _fitted(wanted: Sequence[int], room: int) -> list[int]:
    """How wide each column is, of as many as there is room for, the first in any case."""
    widths = list(wanted)
    least = [min(one, NARROWEST) for one in wanted]
    while len(widths) > 1 and sum(least) + len(GAP) * (len(least) - 1) > room - _mark(widths, wanted):
        widths.pop()
        least.pop()
    room = max(room - len(GAP) * (len(widths) - 1) - _mark(widths, wanted), sum(least))
    widths = [min(one, room) for one in widths]
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    return widths


def _mark(widths: Sequence[int], wanted: Sequence[int]) -> int:
    """What the ellipsis behind the head takes, if there is one."""
    return 0 if len(widths) == len(wanted) else len(GAP) + len(ELLIPSIS)


def facts(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Names and values, one a line; a value is never cut."""
    most = max((width(name) for name, _ in pairs), default=0)
    return [f"{_padded(name, most)}{GAP}{value}" for name, value in pairs]


def _padded(text: str, most: int, *, right: bool = False) -> str:
    blank = " " * (most - width(text))
    return blank + text if right else text + blank
