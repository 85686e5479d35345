"""Stats and metrics: of each node, of one, and summed up by the rules of ``rmq.metrics.keys``."""

from typing import Annotated

from pydantic import WithJsonSchema

from rmq.management.models import Metrics, MissingNode, Stats
from rmq.metrics.cluster_keys import CLUSTER_METRICS, CLUSTER_STATS
from rmq.metrics.keys import METRICS, RETAINED_TODAY, STATS
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import NoQuery
from rmq_http_api.rmqtt_v1.wording import (
    PREFIX,
    NodeObject,
    NodesOfSum,
    NoFigures,
    missing_header,
    missing_object,
    node_object,
    nodes_of_sum,
)
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict, table_schema

Plain = Call[NoQuery, None]


def _counts_and_peaks(meanings: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, meaning in meanings.items():
        found[f"{name}.count"] = meaning
        found[f"{name}.max"] = f"The most there was: {meaning}"
    return found


_STATS = {stat.name: stat.help_text for stat in STATS}
_CLUSTER_STATS = {name: meaning for name, (_, meaning) in CLUSTER_STATS.items()}
StatValues = Annotated[
    dict[str, int],
    WithJsonSchema(
        table_schema(
            _counts_and_peaks({**_STATS, RETAINED_TODAY: _STATS["retained"]}), _counts_and_peaks(_CLUSTER_STATS)
        )
    ),
]
MetricValues = Annotated[
    dict[str, int], WithJsonSchema(table_schema({one.name: one.help_text for one in METRICS}, CLUSTER_METRICS))
]


class StatsObject(TypedDict):
    """The gauges of a node."""

    node: NodeObject
    stats: StatValues


class DownStats(TypedDict):
    """A node without an answer."""

    node: NodeObject
    stats: NoFigures
    error: str


class StatsSum(TypedDict):
    """The gauges of all nodes as one, and which nodes these are."""

    nodes: NodesOfSum
    stats: StatValues


class MetricsObject(TypedDict):
    """The counters of a node."""

    node: NodeObject
    metrics: MetricValues


class DownMetrics(TypedDict):
    """A node without an answer."""

    node: NodeObject
    metrics: NoFigures
    error: str


StatsRow = StatsObject | DownStats
MetricsRow = MetricsObject | DownMetrics


class FigureRoutes:
    """The routes of stats and metrics."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        return [
            Route(
                "GET",
                f"{PREFIX}/stats",
                "get_all_stats",
                "The gauges of each node",
                self.all_stats,
                answers=(list[StatsRow],),
            ),
            Route(
                "GET",
                f"{PREFIX}/stats/{{node:int}}",
                "get_stats",
                "The gauges of one node",
                self.stats,
                answers=(StatsObject,),
            ),
            Route(
                "GET",
                f"{PREFIX}/stats/sum",
                "get_stats_sum",
                "The gauges of all nodes, summed up",
                self.stats_sum,
                answers=(StatsSum,),
            ),
            Route(
                "GET",
                f"{PREFIX}/metrics",
                "get_all_metrics",
                "The counters of each node",
                self.all_metrics,
                answers=(list[MetricsRow],),
            ),
            Route(
                "GET",
                f"{PREFIX}/metrics/{{node:int}}",
                "get_metrics",
                "The counters of one node",
                self.metrics,
                answers=(MetricsObject,),
            ),
            Route(
                "GET",
                f"{PREFIX}/metrics/sum",
                "get_metrics_sum",
                "The counters of all nodes, added up",
                self.metrics_sum,
                answers=(MetricValues,),
            ),
        ]

    async def all_stats(self, call: Plain) -> Answer:
        """Each node."""
        found = await self._management.stats()
        rows: list[StatsRow] = [stats_object(one) for one in found.answers]
        rows += [_without_stats(one) for one in found.missing]
        rows.sort(key=lambda row: row["node"]["id"])
        return json_answer(rows, headers=missing_header(found.missing))

    async def stats(self, call: Plain) -> Answer:
        """One node."""
        return json_answer(stats_object(await self._management.stats_of(call.path.number("node"))))

    async def stats_sum(self, call: Plain) -> Answer:
        """All nodes as one; those that gave no answer are named among them."""
        found = await self._management.stats_sum()
        body: StatsSum = {"nodes": nodes_of_sum(found.nodes, found.missing), "stats": dict(found.values)}
        return json_answer(body, headers=missing_header(found.missing))

    async def all_metrics(self, call: Plain) -> Answer:
        """Each node."""
        found = await self._management.metrics()
        rows: list[MetricsRow] = [metrics_object(one) for one in found.answers]
        rows += [_without_metrics(one) for one in found.missing]
        rows.sort(key=lambda row: row["node"]["id"])
        return json_answer(rows, headers=missing_header(found.missing))

    async def metrics(self, call: Plain) -> Answer:
        """One node."""
        return json_answer(metrics_object(await self._management.metrics_of(call.path.number("node"))))

    async def metrics_sum(self, call: Plain) -> Answer:
        """All nodes; there is no room in the answer for those that are missing."""
        found = await self._management.metrics_sum()
        return json_answer(dict(found.values), headers=missing_header(found.missing))


def stats_object(stats: Stats) -> StatsObject:
    """The gauges of one node."""
    return {"node": node_object(stats.nodes[0]), "stats": dict(stats.values)}


def metrics_object(metrics: Metrics) -> MetricsObject:
    """The counters of one node."""
    return {"node": node_object(metrics.nodes[0]), "metrics": dict(metrics.values)}


def _without_stats(node: MissingNode) -> DownStats:
    return {"node": missing_object(node), "stats": {}, "error": node.reason}


def _without_metrics(node: MissingNode) -> DownMetrics:
    return {"node": missing_object(node), "metrics": {}, "error": node.reason}
