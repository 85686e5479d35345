"""Publishing, and subscribing and unsubscribing clients."""

from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from rmq.management.models import Published
from rmq.management.requests import FilterRequest, PublishRequest
from rmq_http_api.answers import Answer, json_answer, text_answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import BASE64, TOPIC_NAME, WHOLE, Body, NoQuery
from rmq_http_api.payloads import Encoding, from_base64, payload_bytes
from rmq_http_api.rmqtt_v1.wording import PREFIX
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

Qos = Annotated[int, Field(ge=0, le=2), WHOLE]
TOPIC_NAMES: Final = r"^[^+#\u0000]*$"
# A name and its value.
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
U32 = Annotated[int, Field(ge=0, le=0xFFFF_FFFF), WHOLE]


# What a body must be beyond its keys, for OpenAPI.
TOPIC_IS_THERE: Final[JsonValue] = {"required": ["topic"], "properties": {"topic": {"type": "string"}}}
TOPICS_ARE_THERE: Final[JsonValue] = {
    "required": ["topics"],
    "properties": {"topics": {"type": "string", "pattern": r"[^,\s]"}},
}


PLAIN: Final[JsonValue] = {"properties": {"encoding": {"const": "plain"}}}
IN_BASE64: Final[JsonValue] = {"properties": {"encoding": {"const": "base64"}, "payload": {"type": "string", **BASE64}}}


class Topics(Body):
    """``topic``, or several in ``topics``, separated by commas, or both."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [TOPIC_IS_THERE, TOPICS_ARE_THERE]})

    topic: str | None = Field(None, min_length=1)
    topics: str | None = Field(None, description="Several, separated by commas")

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if not self.all():
            raise ValueError("topic: is missing (or topics)")
        return self

    def all(self) -> tuple[str, ...]:
        """Every topic, once."""
        found = [] if self.topic is None else [self.topic]
        if self.topics is not None:
            found += [topic.strip() for topic in self.topics.split(",")]
        return tuple(dict.fromkeys(topic for topic in found if topic))


class MessageProperties(Body):
    """The properties of MQTT 5; correlation data in base64."""

    message_expiry_interval: U32 | None = None
    payload_format_indicator: Annotated[int, Field(ge=0, le=1), WHOLE] | None = None
    is_utf8_payload: bool | None = None
    content_type: str | None = None
    response_topic: Annotated[str, Field(json_schema_extra=TOPIC_NAME)] | None = None
    correlation_data: Annotated[str, Field(json_schema_extra=BASE64)] | None = None
    user_properties: list[Pair] | dict[str, str | list[str]] | None = None

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """User properties in their order, however they were written."""
        given = self.user_properties
        if given is None:
            return ()
        if isinstance(given, list):
            return tuple((name, value) for name, value in given)
        found: list[tuple[str, str]] = []
        for name, value in given.items():
            found += [(name, one) for one in ([value] if isinstance(value, str) else value)]
        return tuple(found)

    def payload_format(self) -> int | None:
        """0, 1 or None."""
        if self.payload_format_indicator is not None:
            return self.payload_format_indicator
        return None if self.is_utf8_payload is None else int(self.is_utf8_payload)


class PublishBody(Topics):
    """A message for one or several topic names."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [{"anyOf": [TOPIC_IS_THERE, TOPICS_ARE_THERE]}, {"anyOf": [PLAIN, IN_BASE64]}]}
    )

    topic: Annotated[str, Field(min_length=1, json_schema_extra=TOPIC_NAME)] | None = None
    topics: Annotated[str, Field(json_schema_extra={"pattern": TOPIC_NAMES})] | None = Field(
        None, description="Several, separated by commas"
    )
    clientid: str = "system"
    payload: str
    encoding: Encoding = "plain"
    qos: Qos = 0
    retain: bool = False
    properties: MessageProperties = Field(default_factory=MessageProperties)


class SubscribeBody(Topics):
    """Topic filters for a client."""

    clientid: str
    qos: Qos = 0


class UnsubscribeBody(Body):
    """One topic filter of a client."""

    topic: Annotated[str, Field(min_length=1)]
    clientid: str


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
                "publish",
                "Publish a message",
                self.publish,
                NoQuery,
                PublishBody,
                answers=(str, dict[str, bool | str]),
            ),
            Route(
                "POST",
                f"{mqtt}/subscribe",
                "subscribe",
                "Subscribe a client",
                self.subscribe,
                NoQuery,
                SubscribeBody,
                answers=(dict[str, bool],),
            ),
            Route(
                "POST",
                f"{mqtt}/unsubscribe",
                "unsubscribe",
                "Unsubscribe a client",
                self.unsubscribe,
                NoQuery,
                UnsubscribeBody,
                answers=(bool,),
            ),
        ]

    async def publish(self, call: Call[NoQuery, PublishBody]) -> Answer:
        """``ok`` for one topic; of several what became of each."""
        body = call.body
        properties = body.properties
        expiry = properties.message_expiry_interval
        if expiry is None and self._service.message_expiry_s > 0:
            expiry = max(1, round(self._service.message_expiry_s))
        elif expiry == 0:
            expiry = None  # for ever, as 0 means where it is configured
        request = PublishRequest(
            topics=body.all(),
            payload=payload_bytes(body.payload, body.encoding),
            qos=body.qos,
            retain=body.retain,
            publisher=body.clientid,
            message_expiry_interval=expiry,
            payload_format=properties.payload_format(),
            content_type=properties.content_type,
            response_topic=properties.response_topic,
            correlation_data=_correlation_data(properties),
            user_properties=properties.pairs(),
        )
        published = await self._management.publish_as_client(request, call.caller.address)
        if len(published) > 1:
            return json_answer({one.topic: _outcome(one) for one in published})
        (one,) = published
        if one.denied:
            raise ApiError(403, "PUBLISH_DENIED", f"{body.clientid!r} isn't allowed to publish to {one.topic!r}")
        if one.dropped:
            raise ApiError(403, "PUBLISH_DROPPED", f"a plugin dropped the message to {one.topic!r}")
        return text_answer("ok")

    async def subscribe(self, call: Call[NoQuery, SubscribeBody]) -> Answer:
        """For each topic filter whether the client is subscribed now."""
        requests = tuple(FilterRequest(topic_filter, call.body.qos) for topic_filter in call.body.all())
        outcomes = await self._management.subscribe(call.body.clientid, requests)
        return json_answer({outcome.topic_filter: not outcome.refused for outcome in outcomes})

    async def unsubscribe(self, call: Call[NoQuery, UnsubscribeBody]) -> Answer:
        """Whether there was such a subscription."""
        (outcome,) = await self._management.unsubscribe(call.body.clientid, (call.body.topic,))
        return json_answer(outcome.reason_code == 0)


def _correlation_data(properties: MessageProperties) -> bytes | None:
    data = properties.correlation_data
    return None if data is None else from_base64("properties.correlation_data", data)


def _outcome(published: Published) -> bool | str:
    if published.denied:
        return "not allowed"
    return "dropped by a plugin" if published.dropped else True
