"""The answers of several nodes made into one: rows of pages, gauges and counters."""

import heapq
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Final, Protocol, TypeVar

from rmq.management.models import Gathered, Metrics, NodeRef, Page, Stats
from rmq.management.queries import Paging
from rmq.management.turns import Turns
from rmq.management.walk import Pace
from rmq.metrics.cluster_keys import CLUSTER_STATS
from rmq.metrics.keys import ONCE, RETAINED_TODAY, STATS

_TAKEN_ONCE: Final = frozenset(
    {stat.name for stat in STATS if stat.merge == ONCE}
    | {name for name, (merge, _) in CLUSTER_STATS.items() if merge == ONCE}
    | {RETAINED_TODAY}
)


def is_taken_once(name: str) -> bool:
    """Whether every node counts the same by this name of stats (``x.count``, ``x.max``), so that it isn't added up."""
    return name.rpartition(".")[0] in _TAKEN_ONCE


class OfNode(Protocol):
    """A row that says which node it is of."""

    @property
    def node_id(self) -> int:
        """Its id."""


View = TypeVar("View", bound=OfNode)


async def merge_pages(
    gathered: Gathered[Page[View]], paging: Paging, key: Callable[[View], str], turns: Turns
) -> Page[View]:
    """One page out of those that every node answered to ``paging.from_start()``, each in its order already."""
    pages = [page.items for page in gathered.answers if page.items]
    more = any(page.has_more for page in gathered.answers)
    total: int | None = None
    if paging.with_total:
        total = sum(page.total or 0 for page in gathered.answers)
    cursor: str | None = None
    rows: Iterable[View]
    if paging.after is not None and paging.after_node is None:
        rows = heapq.merge(*pages, key=key)
    else:
        pages.sort(key=lambda items: items[0].node_id)
        rows = chain.from_iterable(pages)
    found: list[View] = []
    pace = Pace(turns)
    for row in islice(rows, paging.offset, paging.offset + paging.limit + 1):
        found.append(row)
        if pace.is_due():
            await pace.rest()
    has_more = more or len(found) > paging.limit
    items = tuple(found[: paging.limit])
    if paging.after is not None and has_more and items:
        cursor = key(items[-1])
    return Page(items, has_more, total, cursor, gathered.missing)


def sum_stats(gathered: Gathered[Stats]) -> Stats:
    """The gauges of all nodes: added up, or the highest where every node counts the same (``metrics.keys``).

    A sum of ``.max`` values is what there was at most: the nodes needn't have had their peaks at the same time.
    """
    values: dict[str, int] = {}
    for answer in gathered.answers:
        for name, value in answer.values.items():
            before = values.get(name, 0)
            values[name] = max(before, value) if is_taken_once(name) else before + value
    return Stats(_nodes(answer.nodes for answer in gathered.answers), values, gathered.missing)


def sum_metrics(gathered: Gathered[Metrics]) -> Metrics:
    """The counters of all nodes, added up."""
    values: dict[str, int] = {}
    for answer in gathered.answers:
        for name, value in answer.values.items():
            values[name] = values.get(name, 0) + value
    return Metrics(_nodes(answer.nodes for answer in gathered.answers), values, gathered.missing)


def _nodes(nodes: Iterable[tuple[NodeRef, ...]]) -> tuple[NodeRef, ...]:
    return tuple(node for group in nodes for node in group)
