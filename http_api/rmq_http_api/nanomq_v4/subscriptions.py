"""Subscriptions: all, and those of one client."""

from pydantic import Field

from rmq.management.models import SubscriptionView
from rmq.management.queries import SubscriptionQuery
from rmq.management.service import subscription_key
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.nanomq.answers import data_answer, every_subscription, list_answer, written_filter
from rmq_http_api.nanomq_v4.clients import OfClient
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import NoQuery, Number
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class SubscriptionsQuery(OfClient):
    """All filters of subscriptions."""

    topic: str | None = Field(None, description="Is the topic filter")
    qos: Number | None = Field(None, ge=0, le=2)
    share: str | None = Field(None, description="Is the share group")


class SubscriptionObject(TypedDict):
    """A subscription; the topic filter as the client wrote it."""

    clientid: str
    topic: str
    qos: int


class SubscriptionsAnswer(TypedDict):
    """Subscriptions by (node, client id, topic filter)."""

    code: int
    data: list[SubscriptionObject]


class SubscriptionRoutes:
    """The routes of subscriptions."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path, shape = f"{PREFIX}/subscriptions", (SubscriptionsAnswer,)
        one, name = f"{path}/{{clientid}}", "lookup_client_subscriptions"
        return [
            Route(
                "GET",
                path,
                "list_subscriptions",
                "Subscriptions of the cluster",
                self.search,
                SubscriptionsQuery,
                answers=shape,
            ),
            Route("GET", one, name, "Those of one client", self.of_client, answers=shape),
        ]

    async def search(self, call: Call[SubscriptionsQuery, None]) -> Answer:
        """All subscriptions that satisfy all filters."""
        asked = call.query
        if asked.is_nobody:
            return data_answer([])
        query = SubscriptionQuery(
            client_id=asked.client_id if asked.clientid is None else asked.clientid,
            topic_filter=asked.topic,
            qos=asked.qos,
            share_group=asked.share,
        )
        found = every_subscription(self._service, query)
        return await list_answer(self._service.turns, found, subscription_object)

    async def of_client(self, call: Call[NoQuery, None]) -> Answer:
        """All subscriptions of one client."""
        found = await self._management.client_subscriptions(call.path.text("clientid"))
        return data_answer([subscription_object(row) for row in sorted(found, key=subscription_key)])


def subscription_object(subscription: SubscriptionView) -> SubscriptionObject:
    """A subscription under NanoMQ's names."""
    return {
        "clientid": subscription.client_id,
        "topic": written_filter(subscription),
        "qos": subscription.qos,
    }
