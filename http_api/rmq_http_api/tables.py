"""The table of a listener: what every listener serves, and the routes of its dialects."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from rmq_http_api import emqx_v2, emqx_v5, nanomq_v1, nanomq_v4, prometheus, rmqtt_v1
from rmq_http_api.api_docs import ApiDocs
from rmq_http_api.api_keys import ApiKeyRoutes
from rmq_http_api.cluster import ClusterRoutes
from rmq_http_api.dialects import Dialect
from rmq_http_api.probes import Probes
from rmq_http_api.routing import AnyRoute, RouteTable
from rmq_http_api.service import ApiService
from rmq_http_api.users import UserRoutes

# Every dialect with what makes its routes.
_ALL: Final[tuple[tuple[Dialect, Callable[[ApiService], list[AnyRoute]]], ...]] = (
    (rmqtt_v1.DIALECT, rmqtt_v1.routes),
    (nanomq_v1.DIALECT, nanomq_v1.routes),
    (nanomq_v4.DIALECT, nanomq_v4.routes),
    (emqx_v2.DIALECT, emqx_v2.routes),
    (emqx_v5.DIALECT, emqx_v5.routes),
)
DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect, _ in _ALL}


def make_table(service: ApiService, names: Collection[str] = tuple(DIALECTS)) -> RouteTable:
    """The routes of these dialects, and our own."""
    table = RouteTable(
        [
            *Probes(service).routes(),
            *ClusterRoutes(service).routes(),
            *ApiKeyRoutes(service).routes(),
            *UserRoutes(service).routes(),
            *prometheus.routes(service),
        ]
    )
    for dialect, routes in _ALL:
        if dialect.name in names:
            table.add(routes(service), dialect)
    table.add(ApiDocs(table, service.turns).routes())
    return table
