"""Monitor: what was, for charts, out of the history that nodes keep; and what is now, with rates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, NotRequired, cast

from pydantic import Field

from rmq.management.aggregate import is_taken_once, sum_stats
from rmq.management.models import Gathered, HistoryView, Stats
from rmq.management.node.history import HistoryKind
from rmq.management.peers import AskHistory
from rmq_http_api.answers import Answer, json_answer, rows_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.figure_names import METRICS, stats_values
from rmq_http_api.emqx_v5.names import find_node
from rmq_http_api.emqx_v5.pages import V5Query, missing_header
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.parameters import NoQuery, Number
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

WEEK_S: Final = 7 * 86_400
# How far apart points are, in seconds, by how far back one looks; as EMQX thins them out.
_WINDOWS: Final = ((3600, 10), (86_400, 60), (WEEK_S, 600))
# Rates are those of so many seconds.
RATE_SPAN_MS: Final = 30_000
# So many points are looked at before others get their turns.
POINTS_AT_ONCE: Final = 64
MAX_POINTS: Final = 2000

# Of gauges and counters, what the points of charts have.
_GAUGES: Final[Mapping[str, str]] = {
    "connections": "sessions.count",
    "live_connections": "connections.count",
    "topics": "topics.count",
    "subscriptions": "subscriptions.count",
    "subscriptions_durable": "subscriptions_persistent.count",
}
_COUNTERS: Final[Mapping[str, str]] = {
    "received": "messages.received",
    "sent": "messages.sent",
    "received_bytes": "bytes.received",
    "sent_bytes": "bytes.sent",
    "dropped": "messages.dropped",
    "persisted": "messages.persisted",
}
_RATES: Final[Mapping[str, str]] = {
    "received_msg_rate": "received",
    "sent_msg_rate": "sent",
    "received_bytes_rate": "received_bytes",
    "sent_bytes_rate": "sent_bytes",
    "dropped_msg_rate": "dropped",
    "persisted_rate": "persisted",
}

Values = dict[str, int]
Series = dict[int, Values]


class MonitorQuery(V5Query):
    """How far back."""

    latest: Annotated[Number, Field(ge=1)] = Field(WEEK_S, description="Of the last so many seconds, a week at most")


class PointObject(TypedDict):
    """What was at a moment (milliseconds since 1970), and what came and went since the point before."""

    time_stamp: int
    connections: int
    live_connections: int
    topics: int
    subscriptions: int
    disconnected_durable_sessions: int
    subscriptions_durable: int
    received: int
    sent: int
    received_bytes: int
    sent_bytes: int
    dropped: int
    persisted: int


class CurrentObject(TypedDict):
    """What is now; rates a second, over the last half minute, from the history."""

    connections: int
    live_connections: int
    cluster_sessions: int
    topics: int
    subscriptions: int
    shared_subscriptions: int
    retained_msg_count: int
    disconnected_durable_sessions: int
    subscriptions_durable: int
    received_msg_rate: int
    sent_msg_rate: int
    received_bytes_rate: int
    sent_bytes_rate: int
    dropped_msg_rate: int
    persisted_rate: int
    node_uptime: NotRequired[int]


Plain = Call[NoQuery, None]
Asked = Call[MonitorQuery, None]


class MonitorRoutes:
    """The routes of charts."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        were, current = f"{PREFIX}/monitor", f"{PREFIX}/monitor_current"
        node = "nodes/{node}"
        points, now = (list[PointObject],), (CurrentObject,)
        return [
            Route("GET", were, "monitor", "What was on all nodes", self.all, MonitorQuery, answers=points),
            Route("GET", f"{were}/{node}", "monitor_node", "On one", self.one, MonitorQuery, answers=points),
            Route("GET", current, "monitor_current", "What is on all nodes", self.all_now, answers=now),
            Route("GET", f"{current}/{node}", "monitor_current_node", "On one", self.one_now, answers=now),
        ]

    async def all(self, call: Asked) -> Answer:
        """Oldest first; all nodes as one."""
        stats = await self._management.history(self._question("stats", call.query.latest))
        metrics = await self._management.history(self._question("metrics", call.query.latest))
        return await self._points(stats, metrics)

    async def one(self, call: Asked) -> Answer:
        """Oldest first."""
        node_id = await find_node(self._management, call.path.text("node"))
        stats = await self._management.history_of(node_id, self._question("stats", call.query.latest))
        metrics = await self._management.history_of(node_id, self._question("metrics", call.query.latest))
        return await self._points(Gathered((stats,)), Gathered((metrics,)))

    async def all_now(self, call: Plain) -> Answer:
        """All nodes as one."""
        stats = await self._management.stats()
        histories = await self._management.history(self._lately())
        now = _current(sum_stats(stats).values, _sessions(stats), histories.answers)
        return json_answer(now, headers=missing_header(stats.missing))

    async def one_now(self, call: Plain) -> Answer:
        """One node; ``node_uptime`` in milliseconds."""
        node_id = await find_node(self._management, call.path.text("node"))
        own = await self._management.stats_of(node_id)
        history = await self._management.history_of(node_id, self._lately())
        now = _current(own.values, _sessions(await self._management.stats()), [history])
        now["node_uptime"] = int((await self._management.broker(node_id)).uptime_s * 1000)
        return json_answer(now)

    def _question(self, kind: HistoryKind, latest: int) -> AskHistory:
        span = min(latest, WEEK_S)
        window = next(window for most, window in _WINDOWS if span <= most)
        now = self._now_ms()
        return AskHistory(kind, now - (span + window) * 1000, now, MAX_POINTS, window)

    def _lately(self) -> AskHistory:
        now = self._now_ms()
        return AskHistory("metrics", now - RATE_SPAN_MS, now, MAX_POINTS, 0)

    def _now_ms(self) -> int:
        return int(self._management.local.broker_info().now * 1000)

    async def _points(self, stats: Gathered[HistoryView], metrics: Gathered[HistoryView]) -> Answer:
        gauges: Series = {}
        counters: Series = {}
        for one in stats.answers:
            await self._add(gauges, _gauges_of(one))
        for one in metrics.answers:
            await self._add(counters, _grown(one))
        moments = sorted(gauges.keys() & counters.keys())
        rows = [_point(moment, gauges[moment], counters[moment]) for moment in moments]
        return await rows_answer(self._service.turns, rows, lambda row: row, missing_header(stats.missing))

    async def _add(self, found: Series, points: Iterable[tuple[int, Values]]) -> None:
        """The points of a node to those of the others at the same moments."""
        for number, (moment, values) in enumerate(points):
            before = found.setdefault(moment, dict.fromkeys(values, 0))
            for name, value in values.items():
                once = is_taken_once(_GAUGES.get(name, ""))
                before[name] = max(before[name], value) if once else before[name] + value
            if not number % POINTS_AT_ONCE:
                await self._service.turns.wait()


def _places(history: HistoryView, parts: Sequence[str]) -> list[int]:
    return [history.names.index(part) for part in parts if part in history.names]


def _gauges_of(history: HistoryView) -> Iterable[tuple[int, Values]]:
    places = {name: _places(history, [part]) for name, part in _GAUGES.items()}
    for point in history.points:
        yield point.at_ms, {name: sum(point.values[i] for i in found) for name, found in places.items()}


def _grown(history: HistoryView) -> Iterable[tuple[int, Values]]:
    """How much each counter grew from point to point, oldest first; from zero where the node was started between."""
    places = {name: _places(history, METRICS[metric]) for name, metric in _COUNTERS.items()}
    before: Values | None = None
    for point in reversed(history.points):
        now = {name: sum(point.values[i] for i in found) for name, found in places.items()}
        if before is not None:
            yield point.at_ms, {name: now[name] - (before[name] if before[name] <= now[name] else 0) for name in now}
        before = now


def _point(moment: int, gauges: Values, counters: Values) -> PointObject:
    without = max(gauges["connections"] - gauges["live_connections"], 0)
    row: Any = {"time_stamp": moment, "disconnected_durable_sessions": without}
    return cast(PointObject, {**row, **gauges, **counters})


def _sessions(stats: Gathered[Stats]) -> tuple[int, int]:
    values = sum_stats(stats).values
    return values["sessions.count"], values["sessions.max"]


def _current(values: Mapping[str, int], sessions: tuple[int, int], histories: Sequence[HistoryView]) -> CurrentObject:
    found = stats_values(values, *sessions)
    rates = dict.fromkeys(_COUNTERS, 0.0)
    for history in histories:
        if len(history.points) < 2:
            continue
        span_s = max(history.points[0].at_ms - history.points[-1].at_ms, 1) / 1000
        for _, grown in _grown(history):
            for name, value in grown.items():
                rates[name] += value / span_s
    row: dict[str, int] = {
        **{name: round(rates[counter]) for name, counter in _RATES.items()},
        "connections": found["connections.count"],
        "live_connections": found["live_connections.count"],
        "cluster_sessions": sessions[0],
        "topics": found["topics.count"],
        "subscriptions": found["subscriptions.count"],
        "shared_subscriptions": found["subscriptions.shared.count"],
        "retained_msg_count": found["retained.count"],
        "disconnected_durable_sessions": max(found["connections.count"] - found["live_connections.count"], 0),
        "subscriptions_durable": found["durable_subscriptions.count"],
    }
    return cast(CurrentObject, row)
