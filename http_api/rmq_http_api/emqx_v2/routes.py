"""The whole table of the dialect."""

from rmq_http_api.emqx_v2.nodes import NodeRoutes
from rmq_http_api.routing import AnyRoute
from rmq_http_api.service import ApiService


def routes(service: ApiService) -> list[AnyRoute]:
    """All routes of the dialect."""
    return [
        *NodeRoutes(service).routes(),
    ]
