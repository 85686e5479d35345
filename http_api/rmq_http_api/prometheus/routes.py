"""/metrics, which a scraper should use: this node, cheap; and all nodes, one of them, or all summed up."""

from typing import Final

from rmq.management.models import Gathered
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import NoQuery
from rmq_http_api.prometheus.exposition import MEDIA_TYPE, expose
from rmq_http_api.prometheus.families import Family, families_of, families_of_sum
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

Plain = Call[NoQuery, None]
TEXT: Final = (str,)


def routes(service: ApiService) -> list[AnyRoute]:
    """/metrics."""
    made = PrometheusRoutes(service)
    return [Route("GET", "/metrics", "prometheus", "This node's figures for Prometheus", made.own, answers=TEXT)]


def routes_below(path: str, service: ApiService) -> list[AnyRoute]:
    """All nodes at ``path``, and below it one of them, and all as one."""
    made = PrometheusRoutes(service)
    name, what = "prometheus_metrics", "for Prometheus"
    one, total = f"{path}/{{node:int}}", f"{path}/sum"
    return [
        Route("GET", path, f"get_{name}", f"The figures of each node {what}", made.each, answers=TEXT),
        Route("GET", one, f"get_node_{name}", f"The figures of one node {what}", made.one, answers=TEXT),
        Route("GET", total, f"get_{name}_sum", f"The figures of all nodes {what}, summed up", made.sum, answers=TEXT),
    ]


class PrometheusRoutes:
    """The handlers; figures are read when they are asked for, and nothing is kept."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    async def own(self, call: Plain) -> Answer:
        """This node."""
        return await self._answer(families_of(Gathered((await self._management.local.figures.read(),))))

    async def each(self, call: Plain) -> Answer:
        """Every node; one that doesn't answer is there as ``rmq_up 0``."""
        return await self._answer(families_of(await self._management.figures()))

    async def one(self, call: Plain) -> Answer:
        """One node."""
        return await self._answer(families_of(Gathered((await self._management.figures_of(call.path.number("node")),))))

    async def sum(self, call: Plain) -> Answer:
        """All nodes as one."""
        return await self._answer(families_of_sum(await self._management.figures()))

    async def _answer(self, families: list[Family]) -> Answer:
        return Answer(await expose(families, self._management.local.turns), MEDIA_TYPE)
