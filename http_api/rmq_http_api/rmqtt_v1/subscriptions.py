"""Subscriptions and routes: who is subscribed to what, and which topic filters lead to which nodes."""

from dataclasses import dataclass
from typing import NotRequired

from pydantic import Field

from rmq.management.local import route_key
from rmq.management.models import RouteView, SubscriptionView
from rmq.management.queries import SubscriptionQuery
from rmq.management.service import subscription_key
from rmq_http_api.answers import Answer, rows_answer
from rmq_http_api.calls import Call
from rmq_http_api.paging import PagedQuery, next_link
from rmq_http_api.parameters import TOPIC_FILTER, TOPIC_NAME, NoQuery, Number
from rmq_http_api.rmqtt_v1.wording import PREFIX, missing_header
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class SubscriptionsQuery(PagedQuery):
    """All filters of subscriptions."""

    clientid: str | None = None
    topic: str | None = Field(None, description="Is the topic filter")
    qos: Number | None = Field(None, ge=0, le=2)
    share: str | None = Field(None, description="Is the share group")
    match_topic: str | None = Field(
        None, alias="_match_topic", description="Is matched by the topic filter", json_schema_extra=TOPIC_FILTER
    )


class RoutesQuery(PagedQuery):
    """A page of routes."""


class SubscriptionOptions(TypedDict):
    """The options of a subscription; those of MQTT 5 only where the client speaks it."""

    qos: int
    group: NotRequired[str]
    limit_subs: NotRequired[int]
    no_local: NotRequired[bool]
    retain_as_published: NotRequired[bool]
    retain_handling: NotRequired[int]
    id: NotRequired[int]


@dataclass(frozen=True, slots=True)
class SubscriptionObject:
    """A subscription: QoS and share group as RMQTT's documents have them, and among the options, as its answers do."""

    node_id: int
    clientid: str
    client_addr: str
    topic: str
    qos: int
    share: str | None
    opts: SubscriptionOptions


@dataclass(frozen=True, slots=True)
class RouteObject:
    """A topic filter and a node with subscribers of it."""

    topic: str
    node_id: int


Plain = Call[NoQuery, None]


class SubscriptionRoutes:
    """The routes of subscriptions and of routes."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        subscriptions = f"{PREFIX}/subscriptions"
        rows, routes = (list[SubscriptionObject],), (list[RouteObject],)
        one, topic = f"{subscriptions}/{{clientid}}", f"{PREFIX}/routes/{{topic}}"
        return [
            Route(
                "GET",
                subscriptions,
                "query_subscriptions",
                "Subscriptions",
                self.search,
                SubscriptionsQuery,
                answers=rows,
            ),
            Route("GET", one, "get_client_subscriptions", "Those of one client", self.of_client, answers=rows),
            Route("GET", f"{PREFIX}/routes", "get_routes", "Routes", self.all, RoutesQuery, answers=routes),
            Route(
                "GET",
                topic,
                "get_route",
                "Routes that a topic name takes",
                self.of_topic,
                answers=routes,
                path_schemas={"topic": TOPIC_NAME},
            ),
        ]

    async def search(self, call: Call[SubscriptionsQuery, None]) -> Answer:
        """A page of subscriptions by (node, client id, topic filter)."""
        query = call.query
        wanted = SubscriptionQuery(
            client_id=query.clientid,
            topic_filter=query.topic,
            qos=query.qos,
            share_group=query.share,
            match=query.match_topic,
        )
        page = await self._management.subscriptions(wanted, query.paging(self._service.max_rows))
        headers = {**missing_header(page.missing), **next_link(page, call.url, subscription_key)}
        return await rows_answer(self._service.turns, page.items, subscription_object, headers)

    async def of_client(self, call: Plain) -> Answer:
        """All subscriptions of one client."""
        found = await self._management.client_subscriptions(call.path.text("clientid"))
        return await rows_answer(self._service.turns, sorted(found, key=subscription_key), subscription_object)

    async def all(self, call: Call[RoutesQuery, None]) -> Answer:
        """A page of routes by (topic filter, node)."""
        page = await self._management.routes(call.query.plain_paging(self._service.max_rows))
        headers = {**missing_header(page.missing), **next_link(page, call.url, route_key)}
        return await rows_answer(self._service.turns, page.items, route_object, headers)

    async def of_topic(self, call: Plain) -> Answer:
        """The routes that a topic name takes."""
        page = await self._management.routes_of(call.path.text("topic"))
        return await rows_answer(
            self._service.turns, sorted(page.items, key=route_key), route_object, missing_header(page.missing)
        )


def subscription_object(subscription: SubscriptionView) -> SubscriptionObject:
    """A subscription under RMQTT's names."""
    options: SubscriptionOptions = {"qos": subscription.qos}
    if subscription.share_group is not None:
        options["group"] = subscription.share_group
    if subscription.limit is not None:
        options["limit_subs"] = subscription.limit
    if subscription.protocol_level == 5:
        options["no_local"] = subscription.no_local
        options["retain_as_published"] = subscription.retain_as_published
        options["retain_handling"] = subscription.retain_handling
    if subscription.subscription_id is not None:
        options["id"] = subscription.subscription_id
    return SubscriptionObject(
        node_id=subscription.node_id,
        clientid=subscription.client_id,
        client_addr=subscription.client_address,
        topic=subscription.topic_filter,
        qos=subscription.qos,
        share=subscription.share_group,
        opts=options,
    )


def route_object(route: RouteView) -> RouteObject:
    """A route."""
    return RouteObject(route.topic, route.node_id)
