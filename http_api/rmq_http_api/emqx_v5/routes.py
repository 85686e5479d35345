"""The whole table of the dialect: a list of areas, each with its routes."""

from collections.abc import Callable
from typing import Final, Protocol

from rmq_http_api.emqx_v5.alarms import AlarmRoutes
from rmq_http_api.emqx_v5.api_keys import ApiKeyRoutes
from rmq_http_api.emqx_v5.authentication import AuthenticationRoutes
from rmq_http_api.emqx_v5.authorization import AuthorizationRoutes
from rmq_http_api.emqx_v5.auto_subscribe import AutoSubscribeRoutes
from rmq_http_api.emqx_v5.banned import BannedRoutes
from rmq_http_api.emqx_v5.client_messages import ClientMessageRoutes
from rmq_http_api.emqx_v5.client_subscriptions import ClientSubscriptionRoutes
from rmq_http_api.emqx_v5.clients import ClientRoutes
from rmq_http_api.emqx_v5.cluster import ClusterRoutes
from rmq_http_api.emqx_v5.configs import ConfigRoutes
from rmq_http_api.emqx_v5.data import DataRoutes
from rmq_http_api.emqx_v5.delayed import DelayedRoutes
from rmq_http_api.emqx_v5.error_codes import ErrorCodeRoutes
from rmq_http_api.emqx_v5.figures import FigureRoutes
from rmq_http_api.emqx_v5.listeners import ListenerRoutes
from rmq_http_api.emqx_v5.load_rebalance import LoadRebalanceRoutes
from rmq_http_api.emqx_v5.login import LoginRoutes
from rmq_http_api.emqx_v5.monitor import MonitorRoutes
from rmq_http_api.emqx_v5.nodes import NodeRoutes
from rmq_http_api.emqx_v5.plugins import PluginRoutes
from rmq_http_api.emqx_v5.prometheus import PrometheusRoutes
from rmq_http_api.emqx_v5.publish import PublishRoutes
from rmq_http_api.emqx_v5.retainer import RetainerRoutes
from rmq_http_api.emqx_v5.slow_subscriptions import SlowSubscriptionRoutes
from rmq_http_api.emqx_v5.status import StatusRoutes
from rmq_http_api.emqx_v5.subscriptions import SubscriptionRoutes
from rmq_http_api.emqx_v5.topic_metrics import TopicMetricsRoutes
from rmq_http_api.emqx_v5.topic_rewrite import TopicRewriteRoutes
from rmq_http_api.emqx_v5.topics import TopicRoutes
from rmq_http_api.emqx_v5.trace import TraceRoutes
from rmq_http_api.emqx_v5.users import UserRoutes
from rmq_http_api.routing import AnyRoute
from rmq_http_api.service import ApiService


class Area(Protocol):
    """Some routes that belong together."""

    def routes(self) -> list[AnyRoute]:
        """All of them."""


# One a line, so that adding one is adding a line.
_AREAS: Final[tuple[Callable[[ApiService], Area], ...]] = (
    ClientRoutes,
    ClientSubscriptionRoutes,
    ClientMessageRoutes,
    SubscriptionRoutes,
    TopicRoutes,
    PublishRoutes,
    NodeRoutes,
    FigureRoutes,
    MonitorRoutes,
    PrometheusRoutes,
    RetainerRoutes,
    ClusterRoutes,
    PluginRoutes,
    AuthenticationRoutes,
    AuthorizationRoutes,
    AutoSubscribeRoutes,
    ConfigRoutes,
    DataRoutes,
    ErrorCodeRoutes,
    LoadRebalanceRoutes,
    StatusRoutes,
    TopicRewriteRoutes,
    LoginRoutes,
    UserRoutes,
    ApiKeyRoutes,
    AlarmRoutes,
    BannedRoutes,
    DelayedRoutes,
    ListenerRoutes,
    SlowSubscriptionRoutes,
    TopicMetricsRoutes,
    TraceRoutes,
)


def routes(service: ApiService) -> list[AnyRoute]:
    """All routes of the dialect."""
    return [route for make in _AREAS for route in make(service).routes()]
