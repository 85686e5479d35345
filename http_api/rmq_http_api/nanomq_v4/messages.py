"""Publishing, subscribing and unsubscribing clients, one request at a time or many."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, JsonValue, RootModel, ValidationError

from rmq.management.errors import BadQuery, ManagementError
from rmq.management.models import FilterOutcome
from rmq.management.requests import FilterRequest, PublishRequest
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call, Caller
from rmq_http_api.errors import ApiError, MissingParameter, from_management
from rmq_http_api.nanomq.answers import data_answer, done
from rmq_http_api.nanomq.codes import MISSING_PARAMETER, SUCCEEDED, WRONG_PARAMETER, code_of
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import WHOLE, Body, NoQuery
from rmq_http_api.payloads import Encoding, payload_bytes
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

B = TypeVar("B", bound="Topics")

Qos = Annotated[int, Field(ge=0, le=2), WHOLE]
U32 = Annotated[int, Field(ge=0, le=0xFFFF_FFFF), WHOLE]
# In whose name messages are published where nobody is named.
PUBLISHER: Final = "NanoMQ-HTTP-Client"


class Topics(Body):
    """``topic``, or several in ``topics``, separated by commas; ``topic`` wins."""

    topic: str | None = None
    topics: str | None = Field(None, description="Several, separated by commas")
    clientid: str | None = None
    client_id: str | None = None

    def all(self) -> tuple[str, ...]:
        """Every topic, once; ``MissingParameter`` without any."""
        if self.topic is not None:
            return (self.topic,)
        found = tuple(dict.fromkeys(topic.strip() for topic in (self.topics or "").split(",")))
        named = tuple(topic for topic in found if topic)
        if not named:
            raise MissingParameter("topic: is missing (or topics)")
        return named

    def client(self) -> str:
        """The client; ``MissingParameter`` if none is named."""
        found = _either(self.clientid, self.client_id)
        if found is None:
            raise MissingParameter("clientid: is missing")
        return found


class MessageProperties(Body):
    """The properties of MQTT 5."""

    payload_format_indicator: Annotated[int, Field(ge=0, le=1), WHOLE] | None = None
    message_expiry_interval: U32 | None = None
    response_topic: str | None = None
    correlation_data: str | None = None
    content_type: str | None = None
    user_properties: dict[str, str | int | float | bool] = Field(default_factory=dict)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """User properties; what isn't a text is one here, as JSON writes it."""
        return tuple((name, _text(value)) for name, value in self.user_properties.items())


class PublishBody(Topics):
    """A message for one or several topic names."""

    payload: str
    encoding: Encoding = "plain"
    qos: Qos = 0
    retain: bool = False
    properties: MessageProperties = Field(default_factory=MessageProperties)


class SubscribeBody(Topics):
    """Topic filters for a client."""

    qos: Qos = 0


class UnsubscribeBody(Topics):
    """Topic filters of a client."""


class Batch(RootModel[list[JsonValue]]):
    """Several bodies; each has its own result code."""


class DoneAnswer(TypedDict):
    """It is done."""

    code: int


class OutcomeObject(TypedDict):
    """What became of one of several."""

    topic: str
    code: int


class BatchAnswer(TypedDict):
    """What became of each."""

    code: int
    data: list[OutcomeObject]


class MessageRoutes:
    """The routes below /mqtt."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        return [
            self._single("publish", "Publish a message", self.publish, PublishBody),
            self._single("subscribe", "Subscribe a client", self.subscribe, SubscribeBody),
            self._single("unsubscribe", "Unsubscribe a client", self.unsubscribe, UnsubscribeBody),
            self._several("publish", "Publish several messages", self._publish, PublishBody),
            self._several("subscribe", "Subscribe clients", self._subscribe, SubscribeBody),
            self._several("unsubscribe", "Unsubscribe clients", self._unsubscribe, UnsubscribeBody),
        ]

    @staticmethod
    def _single(
        what: str, summary: str, handler: Callable[[Call[NoQuery, Any]], Awaitable[Answer]], body: type[Topics]
    ) -> AnyRoute:
        path, name = f"{PREFIX}/mqtt/{what}", f"mqtt_{what}"
        shape = (DoneAnswer,)
        return Route("POST", path, name, summary, handler, NoQuery, body, answers=shape, content="says anything")

    def _several(
        self, what: str, summary: str, one: Callable[[Any, Caller], Awaitable[None]], body: type[Topics]
    ) -> AnyRoute:
        async def handle(call: Call[NoQuery, Batch]) -> Answer:
            """Each by itself, in order."""
            rows = [await self._outcome(item, body, one, call.caller) for item in call.body.root]
            return data_answer(rows)

        path, name = f"{PREFIX}/mqtt/{what}_batch", f"mqtt_{what}_batch"
        shape = (BatchAnswer,)
        return Route("POST", path, name, summary, handle, NoQuery, Batch, answers=shape, content="says anything")

    async def publish(self, call: Call[NoQuery, PublishBody]) -> Answer:
        """Publish one message, to each of its topics."""
        await self._publish(call.body, call.caller)
        return done()

    async def subscribe(self, call: Call[NoQuery, SubscribeBody]) -> Answer:
        """Subscribe one client."""
        await self._subscribe(call.body, call.caller)
        return done()

    async def unsubscribe(self, call: Call[NoQuery, UnsubscribeBody]) -> Answer:
        """Unsubscribe one client; that there was no such subscription is no error."""
        await self._unsubscribe(call.body, call.caller)
        return done()

    async def _publish(self, body: PublishBody, caller: Caller) -> None:
        request = _request(body)
        for one in await self._management.publish_as_client(request, caller.address):
            if one.denied:
                text = f"{request.publisher!r} isn't allowed to publish to {one.topic!r}"
                raise ApiError(403, "PUBLISH_DENIED", text)
            if one.dropped:
                raise ApiError(403, "PUBLISH_DROPPED", f"a plugin dropped the message to {one.topic!r}")

    async def _subscribe(self, body: SubscribeBody, caller: Caller) -> None:
        requests = tuple(FilterRequest(topic_filter, body.qos) for topic_filter in body.all())
        _check(await self._management.subscribe(body.client(), requests))

    async def _unsubscribe(self, body: UnsubscribeBody, caller: Caller) -> None:
        _check(await self._management.unsubscribe(body.client(), body.all()))

    async def _outcome(
        self, item: JsonValue, model: type[B], one: Callable[[B, Caller], Awaitable[None]], caller: Caller
    ) -> OutcomeObject:
        written = item.get("topics", item.get("topic")) if isinstance(item, dict) else None
        topic = written if isinstance(written, str) else ""
        await self._service.turns.wait()
        try:
            body = model.model_validate(item)
        except ValidationError as error:
            return {"topic": topic, "code": _code_of_body(error)}
        try:
            await one(body, caller)
        except ManagementError as error:
            return {"topic": topic, "code": code_of(from_management(error))}
        except ApiError as error:
            return {"topic": topic, "code": code_of(error)}
        return {"topic": topic, "code": SUCCEEDED}


def _either(one: str | None, other: str | None) -> str | None:
    """What is given by either spelling of a name; ``ApiError`` where both are and differ."""
    if one is not None and other is not None and one != other:
        raise ApiError(400, "BAD_PARAMETER", "clientid and client_id are one parameter, and differ")
    return other if one is None else one


def _request(body: PublishBody) -> PublishRequest:
    """What management is asked; ``ApiError`` for what can't be published."""
    properties = body.properties
    data = properties.correlation_data
    try:
        return PublishRequest(
            topics=body.all(),
            payload=payload_bytes(body.payload, body.encoding),
            qos=body.qos,
            retain=body.retain,
            publisher=_either(body.clientid, body.client_id) or PUBLISHER,
            message_expiry_interval=properties.message_expiry_interval,
            payload_format=properties.payload_format_indicator,
            content_type=properties.content_type,
            response_topic=properties.response_topic,
            correlation_data=None if data is None else data.encode(),
            user_properties=properties.pairs(),
        )
    except BadQuery as error:
        if error.parameter != "topics":
            raise
        raise ApiError(400, "ILLEGAL_TOPIC", str(error)) from None


def _check(outcomes: Sequence[FilterOutcome]) -> None:
    """Nothing is told when all of them went well."""
    for outcome in outcomes:
        if outcome.refused:
            code = "ILLEGAL_TOPIC" if outcome.reason_code == 0x8F else "REFUSED"
            raise ApiError(400, code, f"{outcome.topic_filter!r}: {outcome.reason}")


def _code_of_body(error: ValidationError) -> int:
    found = error.errors(include_url=False, include_input=False)
    return MISSING_PARAMETER if all(one["type"] == "missing" for one in found) else WRONG_PARAMETER


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
