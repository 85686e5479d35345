"""Subscriptions of all clients."""

from collections.abc import Mapping

from pydantic import Field

from rmq.management.models import SubscriptionView
from rmq.management.queries import SubscriptionQuery
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.names import find_node, named, node_names
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, page_answer
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.parameters import TOPIC_FILTER, Flag, Number
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class SubscriptionsQuery(PageQuery):
    """All filters of subscriptions, and which page."""

    node: str | None = None
    clientid: str | None = None
    qos: Number | None = Field(None, ge=0, le=2)
    topic: str | None = Field(None, description="Is the topic filter, with or without its share name")
    match_topic: str | None = Field(None, description="Is matched by the topic filter", json_schema_extra=TOPIC_FILTER)
    share_group: str | None = None
    durable: Flag | None = Field(None, description="Its session outlives connections")


class SubscriptionObject(TypedDict):
    """A subscription; ``topic`` with its share name."""

    node: str
    topic: str
    clientid: str
    qos: int
    nl: int
    rap: int
    rh: int
    durable: bool


class SubscriptionsPage(TypedDict):
    """Subscriptions and which page of them."""

    data: list[SubscriptionObject]
    meta: Meta


class SubscriptionRoutes:
    """The one route."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """It."""
        return [
            Route(
                "GET",
                f"{PREFIX}/subscriptions",
                "subscriptions",
                "Subscriptions of all clients",
                self.page,
                SubscriptionsQuery,
                answers=(SubscriptionsPage,),
            )
        ]

    async def page(self, call: Call[SubscriptionsQuery, None]) -> Answer:
        """A page by (node, client id, topic filter)."""
        query = call.query
        node_id = None if query.node is None else await find_node(self._management, query.node)
        wanted = SubscriptionQuery(
            client_id=query.clientid,
            topic_filter=query.topic,
            qos=query.qos,
            share_group=query.share_group,
            match=query.match_topic,
            persistent=query.durable,
        )
        names = await node_names(self._management)
        paging = query.paging()
        if node_id is None:
            page = await self._management.subscriptions(wanted, paging)
        else:
            page = await self._management.of_node.subscriptions(node_id, wanted, paging)
        return await page_answer(self._service.turns, query, page, lambda row: subscription_object(row, names))


def subscription_object(subscription: SubscriptionView, names: Mapping[int, str]) -> SubscriptionObject:
    """A subscription under EMQX's names."""
    group, topic = subscription.share_group, subscription.topic_filter
    return {
        "node": named(names, subscription.node_id),
        "topic": topic if group is None else f"$share/{group}/{topic}",
        "clientid": subscription.client_id,
        "qos": subscription.qos,
        "nl": int(subscription.no_local),
        "rap": int(subscription.retain_as_published),
        "rh": subscription.retain_handling,
        "durable": subscription.persistent,
    }
