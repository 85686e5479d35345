"""What stats and metrics were: of each node, of one, and of all as one; newest first."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final, NotRequired

import orjson
from pydantic import Field, WithJsonSchema

from rmq.management.aggregate import is_taken_once
from rmq.management.models import HistoryPoint, HistoryView
from rmq.management.node.history import HistoryKind
from rmq.management.peers import AskHistory
from rmq.management.turns import Turns
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import Number, Query
from rmq_http_api.rmqtt_v1.wording import PREFIX, missing_header
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

DEFAULT_MINUTES: Final = 5
DEFAULT_LIMIT: Final = 1000
YEAR_S: Final = 366 * 86_400
# In a sum a node counts with its point before the moment, if that isn't older.
CARRIED_MS: Final = 15_000
# So many points are made into JSON before others get their turns: about a millisecond.
POINTS_AT_ONCE: Final = 16


class HistoryQuery(Query):
    """How far back: ``minutes``, ``hours`` and ``days`` together. ``merge_window``: of so many seconds one point."""

    minutes: Annotated[Number, Field(ge=1)] | None = None
    hours: Annotated[Number, Field(ge=1)] | None = None
    days: Annotated[Number, Field(ge=1)] | None = None
    limit: Annotated[Number, Field(ge=1)] = DEFAULT_LIMIT
    merge_window: Annotated[Number, Field(ge=0, le=YEAR_S)] = 0

    @property
    def span_s(self) -> int:
        """How far back, in seconds."""
        given = (self.minutes or 0) * 60 + (self.hours or 0) * 3600 + (self.days or 0) * 86_400
        return min(given or DEFAULT_MINUTES * 60, YEAR_S)


Asked = Call[HistoryQuery, None]

_POINT: Final = {
    "type": "object",
    "description": "Figures by name, and their moment in milliseconds since 1970",
    "required": ["ts"],
    "properties": {"ts": {"type": "integer"}},
    "additionalProperties": {"type": "number"},
}
# Made into JSON already, see ``_data``.
Points = Annotated[Any, WithJsonSchema({"type": "array", "items": _POINT})]
# Not written as classes: "from" is a word of Python. Times in milliseconds since 1970.
NodeHistory = TypedDict(
    "NodeHistory", {"node": int, "from": int, "to": int, "count": int, "data": Points, "error": NotRequired[str]}
)
HistoryOfAll = TypedDict("HistoryOfAll", {"from": int, "to": int, "nodes": dict[str, NodeHistory]})
HistorySum = TypedDict("HistorySum", {"from": int, "to": int, "node_count": int, "count": int, "data": Points})


class HistoryRoutes:
    """The routes of history."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        found: list[AnyRoute] = []
        kinds: tuple[HistoryKind, ...] = ("stats", "metrics")
        for kind in kinds:
            path, name = f"{PREFIX}/{kind}/history", f"{kind}_history"
            were = f"What the {kind} of {{}} were"
            for where, called, whose, handler, answer in (
                ("", f"get_all_{name}", "each node", self._all(kind), HistoryOfAll),
                ("/{node:int}", f"get_{name}", "one node", self._one(kind), NodeHistory),
                ("/sum", f"get_{name}_sum", "all nodes together", self._sum(kind), HistorySum),
            ):
                summary = were.format(whose)
                found.append(Route("GET", path + where, called, summary, handler, HistoryQuery, answers=(answer,)))
        return found

    def _question(self, kind: HistoryKind, query: HistoryQuery) -> AskHistory:
        now = int(self._management.local.broker_info().now * 1000)
        limit = min(query.limit, self._service.max_rows)
        return AskHistory(kind, now - query.span_s * 1000, now, limit, query.merge_window)

    def _all(self, kind: HistoryKind) -> Callable[[Asked], Any]:
        async def handler(call: Asked) -> Answer:
            """Each node; one without an answer is there with the reason."""
            asked = self._question(kind, call.query)
            found = await self._management.history(asked)
            nodes: dict[str, NodeHistory] = {}
            for one in found.answers:
                nodes[str(one.node.node_id)] = await _node_object(asked, one, self._service.turns)
            for missing in found.missing:
                nodes[str(missing.node_id)] = {
                    "node": missing.node_id,
                    "from": asked.start_ms,
                    "to": asked.end_ms,
                    "count": 0,
                    "data": [],
                    "error": missing.reason,
                }
            body: HistoryOfAll = {"from": asked.start_ms, "to": asked.end_ms, "nodes": nodes}
            return json_answer(body, headers=missing_header(found.missing))

        return handler

    def _one(self, kind: HistoryKind) -> Callable[[Asked], Any]:
        async def handler(call: Asked) -> Answer:
            """One node."""
            asked = self._question(kind, call.query)
            return json_answer(
                await _node_object(
                    asked, await self._management.history_of(call.path.number("node"), asked), self._service.turns
                )
            )

        return handler

    def _sum(self, kind: HistoryKind) -> Callable[[Asked], Any]:
        async def handler(call: Asked) -> Answer:
            """All nodes as one, as far as they answer."""
            asked = self._question(kind, call.query)
            found = await self._management.history(asked)
            carried = max(CARRIED_MS, 2000 * asked.window_s)
            turns = self._service.turns
            names, rows = await sum_histories(found.answers, asked.limit, carried, turns, is_gauges=kind == "stats")
            body: HistorySum = {
                "from": asked.start_ms,
                "to": asked.end_ms,
                "node_count": len(found.answers),
                "count": len(rows),
                "data": await _data(names, rows, turns),
            }
            return json_answer(body, headers=missing_header(found.missing))

        return handler


async def sum_histories(
    histories: Sequence[HistoryView], limit: int, carried_ms: int, turns: Turns, *, is_gauges: bool
) -> tuple[tuple[str, ...], list[tuple[int, list[float]]]]:
    """The points of all nodes as one list: at each moment that a node has one, what was on all of them then.

    Counters are added up, gauges by the rules of ``rmq.metrics.keys``.
    """
    names = tuple(dict.fromkeys(name for one in histories for name in one.names))
    once = [is_gauges and is_taken_once(name) for name in names]
    moments = sorted({point.at_ms for one in histories for point in one.points}, reverse=True)[:limit]
    places = [[one.names.index(name) if name in one.names else -1 for name in names] for one in histories]
    positions = [0] * len(histories)
    rows: list[tuple[int, list[float]]] = []
    for moment in moments:
        total = [0.0] * len(names)
        for number, one in enumerate(histories):
            point = _point_at(one.points, positions, number, moment, carried_ms)
            if point is None:
                continue
            for i, place in enumerate(places[number]):
                if place >= 0:
                    value = point.values[place]
                    total[i] = max(total[i], value) if once[i] else total[i] + value
        rows.append((moment, total))
        if not len(rows) % POINTS_AT_ONCE:
            await turns.wait()
    return names, rows


def _point_at(
    points: Sequence[HistoryPoint], positions: list[int], number: int, moment: int, carried_ms: int
) -> HistoryPoint | None:
    """The newest point of a node at a moment; moments go back, so that a position never does."""
    while positions[number] < len(points) and points[positions[number]].at_ms > moment:
        positions[number] += 1
    if positions[number] == len(points) or points[positions[number]].at_ms < moment - carried_ms:
        return None
    return points[positions[number]]


async def _node_object(asked: AskHistory, found: HistoryView, turns: Turns) -> NodeHistory:
    rows = [(point.at_ms, point.values) for point in found.points]
    return {
        "node": found.node.node_id,
        "from": asked.start_ms,
        "to": asked.end_ms,
        "count": len(rows),
        "data": await _data(found.names, rows, turns),
    }


async def _data(names: Sequence[str], rows: Sequence[tuple[int, Iterable[float]]], turns: Turns) -> orjson.Fragment:
    """The points as JSON, made piece by piece: many stop nobody."""
    pieces: list[bytes] = []
    for start in range(0, len(rows), POINTS_AT_ONCE):
        some = [
            {**dict(zip(names, values, strict=True)), "ts": at} for at, values in rows[start : start + POINTS_AT_ONCE]
        ]
        pieces.append(orjson.dumps(some, option=orjson.OPT_SORT_KEYS)[1:-1])
        await turns.wait()
    return orjson.Fragment(b"[" + b",".join(pieces) + b"]")
