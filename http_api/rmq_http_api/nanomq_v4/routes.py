"""The whole table of the dialect, and the list of it that ``GET /api/v4`` answers."""

from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.nanomq.answers import data_answer
from rmq_http_api.nanomq_v4.bridges import BridgeRoutes
from rmq_http_api.nanomq_v4.clients import ClientRoutes
from rmq_http_api.nanomq_v4.configuration import ConfigurationRoutes
from rmq_http_api.nanomq_v4.control import ControlRoutes
from rmq_http_api.nanomq_v4.figures import FigureRoutes
from rmq_http_api.nanomq_v4.messages import MessageRoutes
from rmq_http_api.nanomq_v4.nodes import NodeRoutes
from rmq_http_api.nanomq_v4.subscriptions import SubscriptionRoutes
from rmq_http_api.nanomq_v4.topic_tree import TopicTreeRoutes
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class EndpointObject(TypedDict):
    """A route; its path is without ``/api/v4``, and values in it are written ``:name``."""

    path: str
    name: str
    method: str
    descr: str


class EndpointsAnswer(TypedDict):
    """All routes."""

    code: int
    data: list[EndpointObject]


def routes(service: ApiService) -> list[AnyRoute]:
    """All routes of the dialect."""
    found: list[AnyRoute] = []

    async def endpoints(call: Call[NoQuery, None]) -> Answer:
        """Every route with its method, name and meaning."""
        rows: list[EndpointObject] = [
            {"path": _listed(route.shown_path), "name": route.name, "method": route.method, "descr": route.summary}
            for route in found[1:]
        ]
        return data_answer(rows)

    found.append(Route("GET", PREFIX, "list_endpoints", "All endpoints", endpoints, answers=(EndpointsAnswer,)))
    found += NodeRoutes(service).routes()
    found += ClientRoutes(service).routes()
    found += SubscriptionRoutes(service).routes()
    found += TopicTreeRoutes(service).routes()
    found += FigureRoutes(service).routes()
    found += MessageRoutes(service).routes()
    found += BridgeRoutes(service).routes()
    found += ConfigurationRoutes(service).routes()
    found += ControlRoutes(service).routes()
    return found


def _listed(path: str) -> str:
    """As NanoMQ lists paths: ``/clients/:clientid``, and a slash at the end of one without values."""
    shown = path.removeprefix(PREFIX)
    return shown.replace("{", ":").replace("}", "") if "{" in shown else f"{shown}/"
