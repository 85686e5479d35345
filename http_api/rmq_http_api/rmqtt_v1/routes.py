"""The whole table of the dialect, and the list of it that ``GET /api/v1`` answers."""

from rmq_http_api import prometheus
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import NoQuery
from rmq_http_api.rmqtt_v1.acl import AclRoutes
from rmq_http_api.rmqtt_v1.clients import ClientRoutes
from rmq_http_api.rmqtt_v1.condition import ConditionRoutes
from rmq_http_api.rmqtt_v1.figures import FigureRoutes
from rmq_http_api.rmqtt_v1.history import HistoryRoutes
from rmq_http_api.rmqtt_v1.messages import MessageRoutes
from rmq_http_api.rmqtt_v1.nodes import NodeRoutes
from rmq_http_api.rmqtt_v1.plugins import PluginRoutes
from rmq_http_api.rmqtt_v1.retains import RetainedRoutes
from rmq_http_api.rmqtt_v1.subscriptions import SubscriptionRoutes
from rmq_http_api.rmqtt_v1.wording import PREFIX
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class EndpointObject(TypedDict):
    """A route; its path is without ``/api/v1``."""

    descr: str
    method: str
    name: str
    path: str


def routes(service: ApiService) -> list[AnyRoute]:
    """All routes of the dialect."""
    found: list[AnyRoute] = []

    async def endpoints(call: Call[NoQuery, None]) -> Answer:
        """Every route with its method, name and meaning."""
        rows: list[EndpointObject] = [
            {
                "descr": route.summary,
                "method": route.method,
                "name": route.name,
                "path": route.shown_path.removeprefix(PREFIX),
            }
            for route in found
        ]
        return json_answer(rows)

    found.append(Route("GET", PREFIX, "get_endpoints", "All endpoints", endpoints, answers=(list[EndpointObject],)))
    found += NodeRoutes(service).routes()
    found += ConditionRoutes(service).routes()
    found += ClientRoutes(service).routes()
    found += SubscriptionRoutes(service).routes()
    found += RetainedRoutes(service).routes()
    found += MessageRoutes(service).routes()
    found += PluginRoutes(service).routes()
    found += AclRoutes(service).routes()
    found += FigureRoutes(service).routes()
    found += HistoryRoutes(service).routes()
    found += prometheus.routes_below(f"{PREFIX}/metrics/prometheus", service)
    return found
