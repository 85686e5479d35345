"""Long walks in short steps: rows are looked through and put on a page, and other tasks get their turns between."""

import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from rmq.management.models import Page
from rmq.management.queries import Paging
from rmq.management.turns import Turns

Row = TypeVar("Row")
View = TypeVar("View")

# A step ends after so many rows, or when so much time was spent, whatever comes first.
STEP_ROWS: Final = 1024
STEP_S: Final = 0.002
_LOOK_AT_CLOCK: Final = 63
# So many new keys are sorted in at once: two lists in order become one in about a millisecond.
FEWEST_SORTED: Final = 64
MOST_SORTED: Final = 2048


class Pace:
    """Says when it is time to let others have their turn; ``turns`` are those of all such work."""

    __slots__ = ("_count", "_started", "_turns")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._count = 0
        self._started = time.perf_counter()

    def is_due(self) -> bool:
        """Count one row; True when the step is over: ``rest`` is to be awaited then."""
        self._count += 1
        if self._count & _LOOK_AT_CLOCK:
            return False
        return self._count >= STEP_ROWS or time.perf_counter() - self._started >= STEP_S

    async def rest(self) -> None:
        """Let every other task that can run do so, and all that waits for its turn come first."""
        await self._turns.wait()
        self._count = 0
        self._started = time.perf_counter()


async def take_page(
    rows: Iterable[Row | None],
    test: Callable[[Row], bool],
    key: Callable[[Row], str],
    view: Callable[[Row], View],
    paging: Paging,
    turns: Turns,
) -> Page[View]:
    """The rows of one page that pass ``test``, as ``view`` shows them.

    ``rows`` may hold None where a step of a search found nothing. ``key`` tells rows apart and orders them when the
    page begins at a cursor.
    """
    if paging.after is not None:
        return await _take_ordered(rows, test, key, view, paging, paging.after, Pace(turns))
    items: list[View] = []
    passed = 0
    end = paging.offset + paging.limit
    pace = Pace(turns)
    await pace.rest()
    for row in rows:
        if row is not None and test(row):
            if paging.offset <= passed < end:
                items.append(view(row))
            passed += 1
            if passed > end and not paging.with_total:
                break
        if pace.is_due():
            await pace.rest()
    return Page(tuple(items), passed > end, passed if paging.with_total else None)


async def _take_ordered(
    rows: Iterable[Row | None],
    test: Callable[[Row], bool],
    key: Callable[[Row], str],
    view: Callable[[Row], View],
    paging: Paging,
    after: str,
    pace: Pace,
) -> Page[View]:
    """The rows with the smallest keys behind ``after``: of what the walk finds no more than is on two pages, or before
    them, is held.
    """
    wanted = paging.offset + paging.limit + 1
    nearest: dict[str, Row] = {}
    names: list[str] = []  # those in their order, a page at most
    fresh: list[str] = []  # those that came since
    at_once = min(max(wanted, FEWEST_SORTED), MOST_SORTED)
    highest = ""  # with a page in hand: no key above this one can be on it
    passed = 0
    await pace.rest()
    for row in rows:
        if row is not None and test(row):
            passed += 1
            name = key(row)
            if name > after and (not highest or name <= highest):
                if name not in nearest:
                    fresh.append(name)
                nearest[name] = row
                if len(fresh) >= at_once:
                    highest = _sort_in(names, fresh, nearest, wanted)
        if pace.is_due():
            await pace.rest()
    _sort_in(names, fresh, nearest, wanted)
    await pace.rest()
    has_more = len(names) == wanted
    names = names[paging.offset : paging.offset + paging.limit]
    items: list[View] = []
    for name in names:
        items.append(view(nearest.pop(name)))
        if pace.is_due():
            await pace.rest()
    cursor = names[-1] if has_more and names else None
    return Page(tuple(items), has_more, passed if paging.with_total else None, cursor)


def _sort_in(names: list[str], fresh: list[str], nearest: dict[str, Row], wanted: int) -> str:
    """Put ``fresh`` into ``names``, forget what is behind a page; answers the last one of a whole page, else ""."""
    fresh.sort()
    names.extend(fresh)
    names.sort()  # which finds that it is made of two lists in order
    fresh.clear()
    for name in names[wanted:]:
        del nearest[name]
    del names[wanted:]
    return names[-1] if len(names) == wanted else ""
