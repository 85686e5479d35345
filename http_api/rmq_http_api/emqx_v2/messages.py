"""Publishing, and subscribing and unsubscribing clients."""

from typing import Annotated

from pydantic import ConfigDict, Field

from rmq.management.requests import FilterRequest, PublishRequest
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.pages import Loose
from rmq_http_api.emqx_v2.wording import DONE, PREFIX, done
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import TOPIC_NAME, WHOLE, Body
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

Qos = Annotated[int, Field(ge=0, le=2), WHOLE]
# In whose name EMQX v2 publishes what says no name.
PUBLISHER = "http"


class LooseBody(Body):
    """EMQX v2 looks at no key that it doesn't know."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class PublishBody(LooseBody):
    """A message."""

    topic: Annotated[str, Field(min_length=1, json_schema_extra=TOPIC_NAME)]
    payload: str
    qos: Qos = 0
    retain: bool = False
    client_id: str = PUBLISHER


class SubscribeBody(LooseBody):
    """A topic filter for a client."""

    topic: Annotated[str, Field(min_length=1)]
    client_id: str
    qos: Qos = 0


class UnsubscribeBody(LooseBody):
    """A topic filter of a client."""

    topic: Annotated[str, Field(min_length=1)]
    client_id: str


class MessageRoutes:
    """The routes below /mqtt."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        mqtt = f"{PREFIX}/mqtt"
        return [
            Route(
                "POST",
                f"{mqtt}/publish",
                "v2_publish",
                "Publish a message",
                self.publish,
                Loose,
                PublishBody,
                answers=DONE,
                content="says anything",
            ),
            Route(
                "POST",
                f"{mqtt}/subscribe",
                "v2_subscribe",
                "Subscribe a client",
                self.subscribe,
                Loose,
                SubscribeBody,
                answers=DONE,
                content="says anything",
            ),
            Route(
                "POST",
                f"{mqtt}/unsubscribe",
                "v2_unsubscribe",
                "Unsubscribe a client",
                self.unsubscribe,
                Loose,
                UnsubscribeBody,
                answers=DONE,
                content="says anything",
            ),
        ]

    async def publish(self, call: Call[Loose, PublishBody]) -> Answer:
        """When it is published, in the name of ``client_id`` and by the access rules about it."""
        body = call.body
        request = PublishRequest(
            topics=(body.topic,),
            payload=body.payload.encode(),
            qos=body.qos,
            retain=body.retain,
            publisher=body.client_id,
        )
        (one,) = await self._management.publish_as_client(request, call.caller.address)
        if one.denied:
            raise ApiError(409, "REFUSED", f"{body.client_id!r} isn't allowed to publish to {one.topic!r}")
        if one.dropped:
            raise ApiError(409, "REFUSED", f"a plugin dropped the message to {one.topic!r}")
        return done()

    async def subscribe(self, call: Call[Loose, SubscribeBody]) -> Answer:
        """When the client, which must be connected, has the subscription."""
        body = call.body
        (outcome,) = await self._management.subscribe(body.client_id, (FilterRequest(body.topic, body.qos),))
        if outcome.refused:
            raise ApiError(409, "REFUSED", f"{outcome.topic_filter}: {outcome.reason}")
        return done()

    async def unsubscribe(self, call: Call[Loose, UnsubscribeBody]) -> Answer:
        """When the client hasn't the subscription, whether it had it or not."""
        (outcome,) = await self._management.unsubscribe(call.body.client_id, (call.body.topic,))
        if outcome.refused:
            raise ApiError(409, "REFUSED", f"{outcome.topic_filter}: {outcome.reason}")
        return done()
