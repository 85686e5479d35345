"""The whole table of the dialect."""

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
from rmq_http_api.routing import AnyRoute
from rmq_http_api.service import ApiService


def routes(service: ApiService) -> list[AnyRoute]:
    """All routes of the dialect."""
    return [
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
