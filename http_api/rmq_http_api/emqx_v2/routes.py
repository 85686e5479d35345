"""The whole table of the dialect, and the list of its paths that ``GET /`` answers."""

from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.clients import ClientRoutes
from rmq_http_api.emqx_v2.configs import ConfigRoutes
from rmq_http_api.emqx_v2.figures import FigureRoutes
from rmq_http_api.emqx_v2.listeners import ListenerRoutes
from rmq_http_api.emqx_v2.messages import MessageRoutes
from rmq_http_api.emqx_v2.nodes import NodeRoutes
from rmq_http_api.emqx_v2.plugins import PluginRoutes
from rmq_http_api.emqx_v2.sessions import SessionRoutes
from rmq_http_api.emqx_v2.subscriptions import SubscriptionRoutes
from rmq_http_api.emqx_v2.users import UserRoutes
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class PathsObject(TypedDict):
    """Every path once, as EMQX writes them: ``api/v2/clients/{id}``."""

    paths: list[str]


def routes(service: ApiService) -> list[AnyRoute]:
    """All routes of the dialect."""
    found: list[AnyRoute] = [
        *NodeRoutes(service).routes(),
        *FigureRoutes(service).routes(),
        *ClientRoutes(service).routes(),
        *SessionRoutes(service).routes(),
        *SubscriptionRoutes(service).routes(),
        *MessageRoutes(service).routes(),
        *PluginRoutes(service).routes(),
        *ConfigRoutes(service).routes(),
        *ListenerRoutes(service).routes(),
        *UserRoutes(service).routes(),
    ]
    # "/" isn't in it, nor is it in EMQX's: the list is of what is below the prefix.
    listed: PathsObject = {"paths": list(dict.fromkeys(route.shown_path.removeprefix("/") for route in found))}

    async def paths(call: Call[NoQuery, None]) -> Answer:
        """Every path; nobody has to say who they are, as nobody has to with EMQX."""
        return json_answer(listed)

    found.append(Route("GET", "/", "list_paths", "All paths", paths, answers=(PathsObject,), open=True))
    return found
