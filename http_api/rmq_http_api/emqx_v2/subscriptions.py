"""Subscriptions and routes: who is subscribed to what, and which topic filters lead to which nodes."""

from rmq.management.errors import ClientNotFound
from rmq.management.local import SEPARATOR
from rmq.management.models import Page, RouteView, SubscriptionView
from rmq.management.queries import MAX_LIMIT, Paging, SubscriptionQuery
from rmq.management.service import subscription_key
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.pages import (
    Loose,
    PageQuery,
    answers_of_objects,
    answers_of_page,
    objects_answer,
    page_answer,
)
from rmq_http_api.emqx_v2.wording import PREFIX, node_id_of, node_names
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[Loose, None]


class SubscriptionObject(TypedDict):
    """A subscription; a shared one's topic filter with its share name."""

    client_id: str
    topic: str
    qos: int


class RouteObject(TypedDict):
    """A topic filter and the node that has subscribers of it."""

    topic: str
    node: str


class SubscriptionRoutes:
    """The routes of subscriptions and of routes."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        of_node, one = f"{PREFIX}/nodes/{{node}}/subscriptions", f"{PREFIX}/subscriptions/{{client}}"
        routes = f"{PREFIX}/routes"
        objects = answers_of_objects(SubscriptionObject)
        return [
            Route(
                "GET",
                of_node,
                "v2_subscription_list",
                "The subscriptions on a node",
                self.of_node,
                PageQuery,
                answers=answers_of_page(SubscriptionObject),
            ),
            Route(
                "GET",
                f"{of_node}/{{client}}",
                "v2_node_subscription",
                "The subscriptions of a client on a node",
                self.of_client_there,
                Loose,
                answers=objects,
            ),
            Route(
                "GET",
                one,
                "v2_subscription",
                "The subscriptions of a client",
                self.of_client,
                Loose,
                answers=objects,
            ),
            Route(
                "GET",
                routes,
                "v2_route_list",
                "Topic filters and their nodes",
                self.all,
                PageQuery,
                answers=answers_of_page(RouteObject),
            ),
            Route(
                "GET",
                f"{routes}/{{topic}}",
                "v2_route",
                "The nodes of one topic filter",
                self.of_topic,
                Loose,
                answers=answers_of_objects(RouteObject),
            ),
        ]

    async def of_node(self, call: Call[PageQuery, None]) -> Answer:
        """A page of them by client id and topic filter."""
        node_id = await node_id_of(self._management, call.path.text("node"))

        async def ask(paging: Paging) -> Page[SubscriptionView]:
            return await self._management.of_node.subscriptions(node_id, SubscriptionQuery(), paging)

        return await page_answer(self._service, call.query, ask, subscription_object)

    async def of_client_there(self, call: Plain) -> Answer:
        """All of them; none for a client that isn't there."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        query = SubscriptionQuery(client_id=call.path.text("client"))
        page = await self._management.of_node.subscriptions(node_id, query, Paging(MAX_LIMIT))
        return await objects_answer(self._service, sorted(page.items, key=subscription_key), subscription_object)

    async def of_client(self, call: Plain) -> Answer:
        """All of them; none for a client that isn't known."""
        try:
            found = await self._management.client_subscriptions(call.path.text("client"))
        except ClientNotFound:
            found = ()
        return await objects_answer(self._service, sorted(found, key=subscription_key), subscription_object)

    async def all(self, call: Call[PageQuery, None]) -> Answer:
        """A page of them by topic filter and node."""
        names = await node_names(self._management)

        def present(route: RouteView) -> RouteObject:
            return route_object(route, names)

        return await page_answer(self._service, call.query, self._management.routes, present)

    async def of_topic(self, call: Plain) -> Answer:
        """Its nodes; the filter as it is written, no message's topic that it would match."""
        topic = call.path.text("topic")
        names = await node_names(self._management)
        # Behind the place of a filter without a node come its own routes, before all others.
        page = await self._management.routes(Paging(max(1, len(names)), after=f"{topic}{SEPARATOR}"))
        rows = [route for route in page.items if route.topic == topic]
        return await objects_answer(self._service, rows, lambda route: route_object(route, names))


def subscription_object(subscription: SubscriptionView) -> SubscriptionObject:
    """A subscription under the names of EMQX v2."""
    topic, group = subscription.topic_filter, subscription.share_group
    return {
        "client_id": subscription.client_id,
        "topic": topic if group is None else f"$share/{group}/{topic}",
        "qos": subscription.qos,
    }


def route_object(route: RouteView, names: dict[int, str]) -> RouteObject:
    """A route under the names of EMQX v2."""
    return {"topic": route.topic, "node": names.get(route.node_id, str(route.node_id))}
