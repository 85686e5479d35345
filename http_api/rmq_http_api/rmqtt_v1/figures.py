"""Stats and metrics: of each node, of one, and summed up by the rules of ``rmq.metrics.keys``."""

from typing import Any

from rmq.management.models import Metrics, MissingNode, Stats
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import NoQuery
from rmq_http_api.rmqtt_v1.wording import JSON_OBJECT, JSON_ROWS, PREFIX, missing_header, missing_object, node_object
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

Plain = Call[NoQuery, None]


class FigureRoutes:
    """The routes of stats and metrics."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        return [
            Route(
                "GET", f"{PREFIX}/stats", "get_all_stats", "The gauges of each node", self.all_stats, answers=JSON_ROWS
            ),
            Route(
                "GET",
                f"{PREFIX}/stats/{{node:int}}",
                "get_stats",
                "The gauges of one node",
                self.stats,
                answers=JSON_OBJECT,
            ),
            Route(
                "GET",
                f"{PREFIX}/stats/sum",
                "get_stats_sum",
                "The gauges of all nodes, summed up",
                self.stats_sum,
                answers=JSON_OBJECT,
            ),
            Route(
                "GET",
                f"{PREFIX}/metrics",
                "get_all_metrics",
                "The counters of each node",
                self.all_metrics,
                answers=JSON_ROWS,
            ),
            Route(
                "GET",
                f"{PREFIX}/metrics/{{node:int}}",
                "get_metrics",
                "The counters of one node",
                self.metrics,
                answers=JSON_OBJECT,
            ),
            Route(
                "GET",
                f"{PREFIX}/metrics/sum",
                "get_metrics_sum",
                "The counters of all nodes, added up",
                self.metrics_sum,
                answers=(dict[str, int],),
            ),
        ]

    async def all_stats(self, call: Plain) -> Answer:
        """Each node."""
        found = await self._management.stats()
        rows = [stats_object(one) for one in found.answers] + [_missing(one, "stats") for one in found.missing]
        rows.sort(key=_node_id)
        return json_answer(rows, headers=missing_header(found.missing))

    async def stats(self, call: Plain) -> Answer:
        """One node."""
        return json_answer(stats_object(await self._management.stats_of(call.path.number("node"))))

    async def stats_sum(self, call: Plain) -> Answer:
        """All nodes as one; those that gave no answer are named among them."""
        found = await self._management.stats_sum()
        nodes = [node_object(node) for node in found.nodes]
        nodes += [{**missing_object(node), "error": node.reason} for node in found.missing]
        by_id = {str(node.pop("id")): node for node in nodes}
        return json_answer({"nodes": by_id, "stats": dict(found.values)}, headers=missing_header(found.missing))

    async def all_metrics(self, call: Plain) -> Answer:
        """Each node."""
        found = await self._management.metrics()
        rows = [metrics_object(one) for one in found.answers] + [_missing(one, "metrics") for one in found.missing]
        rows.sort(key=_node_id)
        return json_answer(rows, headers=missing_header(found.missing))

    async def metrics(self, call: Plain) -> Answer:
        """One node."""
        return json_answer(metrics_object(await self._management.metrics_of(call.path.number("node"))))

    async def metrics_sum(self, call: Plain) -> Answer:
        """All nodes; there is no room in the answer for those that are missing."""
        found = await self._management.metrics_sum()
        return json_answer(dict(found.values), headers=missing_header(found.missing))


def stats_object(stats: Stats) -> dict[str, Any]:
    """The gauges of one node."""
    return {"node": node_object(stats.nodes[0]), "stats": dict(stats.values)}


def metrics_object(metrics: Metrics) -> dict[str, Any]:
    """The counters of one node."""
    return {"node": node_object(metrics.nodes[0]), "metrics": dict(metrics.values)}


def _missing(node: MissingNode, what: str) -> dict[str, Any]:
    return {"node": missing_object(node), what: {}, "error": node.reason}


def _node_id(row: dict[str, Any]) -> int:
    number: int = row["node"]["id"]
    return number
