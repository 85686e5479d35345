"""Stats and metrics: of each node, of one, or of all as one."""

from typing import Annotated, Any, TypeVar

from pydantic import Field, WithJsonSchema

from rmq.management.aggregate import sum_metrics, sum_stats
from rmq.management.models import Gathered, Metrics, Stats
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.figure_names import METRICS, STATS, metrics_values, stats_values
from rmq_http_api.emqx_v5.names import find_node
from rmq_http_api.emqx_v5.pages import V5Query, missing_header
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.parameters import Flag, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

T = TypeVar("T", Stats, Metrics)


def _schema(names: list[str]) -> Any:
    """Whole numbers by name; of a node its name too."""
    return {
        "type": "object",
        "properties": {"node": {"type": "string"}, **{name: {"type": "integer"} for name in names}},
        "required": names,
        "additionalProperties": False,
    }


_STATS_NAMES = [f"{name}.{end}" for name in (*STATS, "cluster_sessions") for end in ("count", "max")]
StatsObject = Annotated[dict[str, Any], WithJsonSchema(_schema([*_STATS_NAMES, "durable_subscriptions.count"]))]
MetricsObject = Annotated[dict[str, Any], WithJsonSchema(_schema(list(METRICS)))]


class StatsQuery(V5Query):
    """Each node, or all as one."""

    aggregate: Flag = False


class MetricsQuery(StatsQuery):
    """The same, or one node."""

    node: str | None = Field(None, description="Only this one")


Plain = Call[NoQuery, None]


class FigureRoutes:
    """The routes of stats and metrics."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        nodes = f"{PREFIX}/nodes/{{node}}"
        stats: Any = list[StatsObject] | StatsObject
        metrics: Any = list[MetricsObject] | MetricsObject
        return [
            Route("GET", f"{PREFIX}/stats", "stats", "The gauges of nodes", self.stats, StatsQuery, answers=(stats,)),
            Route(
                "GET",
                f"{PREFIX}/metrics",
                "metrics",
                "The counters of nodes",
                self.metrics,
                MetricsQuery,
                answers=(metrics,),
            ),
            Route("GET", f"{nodes}/stats", "node_stats", "The gauges of one", self.node_stats, answers=(StatsObject,)),
            Route(
                "GET",
                f"{nodes}/metrics",
                "node_metrics",
                "The counters of one",
                self.node_metrics,
                answers=(MetricsObject,),
            ),
        ]

    async def stats(self, call: Call[StatsQuery, None]) -> Answer:
        """A list by node, or one object."""
        gathered = await self._management.stats()
        headers = missing_header(gathered.missing)
        sessions = _sessions(gathered)
        if call.query.aggregate:
            return json_answer(stats_values(sum_stats(gathered).values, *sessions), headers=headers)
        rows = [{"node": one.nodes[0].name, **stats_values(one.values, *sessions)} for one in _in_order(gathered)]
        return json_answer(rows, headers=headers)

    async def metrics(self, call: Call[MetricsQuery, None]) -> Answer:
        """A list by node, or one object."""
        query = call.query
        if query.node is not None:
            node_id = await find_node(self._management, query.node)
            gathered = Gathered((await self._management.metrics_of(node_id),))
        else:
            gathered = await self._management.metrics()
        headers = missing_header(gathered.missing)
        if query.aggregate:
            return json_answer(metrics_values(sum_metrics(gathered).values), headers=headers)
        rows = [{"node": one.nodes[0].name, **metrics_values(one.values)} for one in _in_order(gathered)]
        return json_answer(rows, headers=headers)

    async def node_stats(self, call: Plain) -> Answer:
        """Those of one node; 503 if it doesn't answer."""
        node_id = await find_node(self._management, call.path.text("node"))
        own = await self._management.stats_of(node_id)
        return json_answer(stats_values(own.values, *_sessions(await self._management.stats())))

    async def node_metrics(self, call: Plain) -> Answer:
        """Those of one node; 503 if it doesn't answer."""
        node_id = await find_node(self._management, call.path.text("node"))
        return json_answer(metrics_values((await self._management.metrics_of(node_id)).values))


def _sessions(gathered: Gathered[Stats]) -> tuple[int, int]:
    """How many there are on all nodes, and the most there were."""
    found = sum_stats(gathered).values
    return found["sessions.count"], found["sessions.max"]


def _in_order(gathered: Gathered[T]) -> list[T]:
    return sorted(gathered.answers, key=lambda one: one.nodes[0].node_id)
