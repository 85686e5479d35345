"""The subscriptions of one client: shown, made and taken away, one or several at once."""

from typing import Annotated, Final

from pydantic import Field, RootModel

from rmq.management.models import FilterOutcome
from rmq.management.requests import FilterRequest
from rmq.management.service import subscription_key
from rmq_http_api.answers import Answer, empty_answer, json_answer, rows_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.names import named, node_names
from rmq_http_api.emqx_v5.subscriptions import SubscriptionObject, subscription_object
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import TOPIC_FILTER, WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

MAX_AT_ONCE: Final = 1000
_TOPIC_NAME_INVALID: Final = frozenset({0x8F, 0x90})

UpTo1 = Annotated[int, Field(ge=0, le=1), WHOLE]
UpTo2 = Annotated[int, Field(ge=0, le=2), WHOLE]


class SubscribeBody(Body):
    """A topic filter and the options of its subscription."""

    topic: str = Field(json_schema_extra=TOPIC_FILTER)
    qos: UpTo2 = 0
    nl: UpTo1 = Field(0, description="No Local")
    rap: UpTo1 = Field(0, description="Retain As Published")
    rh: UpTo2 = Field(0, description="Retain Handling")

    def request(self) -> FilterRequest:
        """What management is asked."""
        return FilterRequest(self.topic, self.qos, bool(self.nl), bool(self.rap), self.rh)


class SubscribeBodies(RootModel[Annotated[list[SubscribeBody], Field(min_length=1, max_length=MAX_AT_ONCE)]]):
    """Several."""


class UnsubscribeBody(Body):
    """A topic filter, with its share name if it has one."""

    topic: str


class UnsubscribeBodies(RootModel[Annotated[list[UnsubscribeBody], Field(min_length=1, max_length=MAX_AT_ONCE)]]):
    """Several."""


class SubscribedObject(TypedDict):
    """A subscription that was made; QoS as it was granted."""

    clientid: str
    node: str
    topic: str
    qos: int
    nl: int
    rap: int
    rh: int


class RefusedFilter(TypedDict):
    """A subscription that wasn't made, and why."""

    clientid: str
    topic: str
    code: str
    message: str


Plain = Call[NoQuery, None]


class ClientSubscriptionRoutes:
    """The routes of one client's subscriptions."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        one = f"{PREFIX}/clients/{{clientid}}"
        made = SubscribedObject
        return [
            Route(
                "GET",
                f"{one}/subscriptions",
                "client_subscriptions",
                "The subscriptions of a client",
                self.all,
                answers=(list[SubscriptionObject],),
            ),
            Route(
                "POST",
                f"{one}/subscribe",
                "subscribe",
                "Subscribe a client that is connected",
                self.subscribe,
                NoQuery,
                SubscribeBody,
                answers=(made,),
            ),
            Route(
                "POST",
                f"{one}/subscribe/bulk",
                "subscribe_each",
                "Subscribe it to several topic filters",
                self.subscribe_each,
                NoQuery,
                SubscribeBodies,
                answers=(list[made | RefusedFilter],),  # type: ignore[valid-type]  # short for the type
            ),
            Route(
                "POST",
                f"{one}/unsubscribe",
                "unsubscribe",
                "Take a subscription away",
                self.unsubscribe,
                NoQuery,
                UnsubscribeBody,
                status=204,
            ),
            Route(
                "POST",
                f"{one}/unsubscribe/bulk",
                "unsubscribe_each",
                "Take several away",
                self.unsubscribe_each,
                NoQuery,
                UnsubscribeBodies,
                status=204,
            ),
        ]

    async def all(self, call: Plain) -> Answer:
        """A plain list; of a client that isn't there 404."""
        found = await self._management.client_subscriptions(call.path.text("clientid"))
        names = await node_names(self._management)
        rows = sorted(found, key=subscription_key)
        return await rows_answer(self._service.turns, rows, lambda row: subscription_object(row, names))

    async def subscribe(self, call: Call[NoQuery, SubscribeBody]) -> Answer:
        """The subscription."""
        client_id = call.path.text("clientid")
        (outcome,) = await self._management.subscribe(client_id, (call.body.request(),))
        if outcome.refused:
            raise ApiError(400, _code(outcome), f"{outcome.topic_filter[:256]}: {outcome.reason}")
        return json_answer(subscribed_object(client_id, await self._node(client_id), call.body, outcome))

    async def subscribe_each(self, call: Call[NoQuery, SubscribeBodies]) -> Answer:
        """Each subscription, or why there is none."""
        client_id = call.path.text("clientid")
        bodies = call.body.root
        outcomes = await self._management.subscribe(client_id, tuple(body.request() for body in bodies))
        node = await self._node(client_id)
        rows: list[SubscribedObject | RefusedFilter] = []
        for body, outcome in zip(bodies, outcomes, strict=True):
            if not outcome.refused:
                rows.append(subscribed_object(client_id, node, body, outcome))
                continue
            refused: RefusedFilter = {
                "clientid": client_id,
                "topic": body.topic,
                "code": _code(outcome),
                "message": outcome.reason,
            }
            rows.append(refused)
        return json_answer(rows)

    async def unsubscribe(self, call: Call[NoQuery, UnsubscribeBody]) -> Answer:
        """204, whether there was one or not."""
        await self._management.unsubscribe(call.path.text("clientid"), (call.body.topic,))
        return empty_answer()

    async def unsubscribe_each(self, call: Call[NoQuery, UnsubscribeBodies]) -> Answer:
        """204, whether there were any or not."""
        topics = tuple(body.topic for body in call.body.root)
        await self._management.unsubscribe(call.path.text("clientid"), topics)
        return empty_answer()

    async def _node(self, client_id: str) -> str:
        client = await self._management.client(client_id)
        return named(await node_names(self._management), client.node_id)


def subscribed_object(client_id: str, node: str, body: SubscribeBody, outcome: FilterOutcome) -> SubscribedObject:
    """A subscription that was made."""
    return {
        "clientid": client_id,
        "node": node,
        "topic": body.topic,
        "qos": outcome.reason_code,
        "nl": body.nl,
        "rap": body.rap,
        "rh": body.rh,
    }


def _code(outcome: FilterOutcome) -> str:
    return "BAD_TOPIC" if outcome.reason_code in _TOPIC_NAME_INVALID else "INVALID_PARAMETER"
