"""Messages published, one or several at once: what is answered says whether anybody was subscribed."""

import base64
import binascii
import itertools
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field, RootModel

from rmq.management.errors import BadQuery
from rmq.management.models import Published
from rmq.management.requests import MAX_EXPIRY, PublishRequest
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.wording import PREFIX, ErrorObject
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import TOPIC_NAME, WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

MAX_AT_ONCE: Final = 1000
# MQTT's reason codes, as EMQX answers them.
NO_MATCHING_SUBSCRIBERS: Final = 16
TOPIC_NAME_INVALID: Final = 144
PAYLOAD_FORMAT_INVALID: Final = 153
ADMINISTRATIVE_ACTION: Final = 152


class MessageProperties(Body):
    """Properties of MQTT 5; correlation data as text."""

    payload_format_indicator: Annotated[int, Field(ge=0, le=1), WHOLE] | None = None
    message_expiry_interval: Annotated[int, Field(ge=0, le=MAX_EXPIRY), WHOLE] | None = None
    response_topic: str | None = Field(default=None, json_schema_extra=TOPIC_NAME)
    correlation_data: str | None = None
    user_properties: dict[str, str] = Field(default_factory=dict)
    content_type: str | None = None


class PublishBody(Body):
    """A message."""

    topic: str = Field(json_schema_extra=TOPIC_NAME)
    payload: str
    qos: Annotated[int, Field(ge=0, le=2), WHOLE] = 0
    retain: bool = False
    payload_encoding: Literal["plain", "base64"] = "plain"
    properties: MessageProperties = MessageProperties()
    clientid: str | None = Field(None, description="In whose name; No Local is about that client")


class PublishBodies(RootModel[Annotated[list[PublishBody], Field(min_length=1, max_length=MAX_AT_ONCE)]]):
    """Messages, published in their order."""


class PublishedObject(TypedDict):
    """A message that somebody was subscribed to, or that is kept."""

    id: str


class NotDelivered(TypedDict):
    """A message that nobody got: why, by MQTT's reason code."""

    reason_code: int
    message: str


class NotPublished(ErrorObject):
    """A message that can't be one; the reason code is there where MQTT has one."""

    reason_code: NotRequired[int]


class _Refused(Exception):
    """A message that can't be one."""

    def __init__(self, reason_code: int, message: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code
        self.message = message


class PublishRoutes:
    """The two routes."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management
        self._numbers = itertools.count(1)

    def routes(self) -> list[AnyRoute]:
        """Both."""
        path = f"{PREFIX}/publish"
        row = PublishedObject | NotDelivered
        many: Any = list[row]
        return [
            Route(
                "POST",
                path,
                "publish",
                "Publish a message",
                self.publish,
                NoQuery,
                PublishBody,
                answers=(PublishedObject,),
                also={202: NotDelivered, 400: NotPublished},
            ),
            Route(
                "POST",
                f"{path}/bulk",
                "publish_each",
                "Publish several messages",
                self.publish_each,
                NoQuery,
                PublishBodies,
                answers=(many,),
                also={202: many, 400: NotPublished},
            ),
        ]

    async def publish(self, call: Call[NoQuery, PublishBody]) -> Answer:
        """200 with the message's id, or 202 where nobody was subscribed."""
        try:
            (row,) = await self._publish([call.body])
        except _Refused as error:
            return _refused(error)
        return json_answer(row, 200 if "id" in row else 202)

    async def publish_each(self, call: Call[NoQuery, PublishBodies]) -> Answer:
        """A result for each: 200, or 202 where nobody was subscribed to some. With a bad one none is published."""
        try:
            rows = await self._publish(call.body.root)
        except _Refused as error:
            return _refused(error)
        return json_answer(rows, 200 if all("id" in row for row in rows) else 202)

    async def _publish(self, bodies: list[PublishBody]) -> list[PublishedObject | NotDelivered]:
        requests = tuple(_request(body) for body in bodies)
        published = await self._management.publish_each(requests)
        return [await self._row(one) for one in published]

    async def _row(self, published: Published) -> PublishedObject | NotDelivered:
        if published.dropped:
            return {"reason_code": ADMINISTRATIVE_ACTION, "message": "dropped_by_a_plugin"}
        matched = published.matched
        if matched is None:  # it is stored first: who is subscribed is known all the same
            matched = len((await self._management.routes_of(published.topic)).items)
        if not matched:
            return {"reason_code": NO_MATCHING_SUBSCRIBERS, "message": "no_matching_subscribers"}
        now = self._management.local.broker_info().now
        return {
            "id": f"{int(now * 1e6):016X}{self._management.local.ref.node_id & 0xFFFF:04X}{next(self._numbers):012X}"
        }


def _request(body: PublishBody) -> PublishRequest:
    """What management is asked. As with EMQX, a message without an expiry of its own never expires."""
    properties = body.properties
    payload = body.payload.encode()
    if body.payload_encoding == "base64":
        try:
            payload = base64.b64decode(payload, validate=True)
        except binascii.Error:
            raise _Refused(PAYLOAD_FORMAT_INVALID, "payload: isn't base64") from None
    correlation = properties.correlation_data
    try:
        return PublishRequest(
            topics=(body.topic,),
            payload=payload,
            qos=body.qos,
            retain=body.retain,
            publisher=body.clientid or "",
            message_expiry_interval=properties.message_expiry_interval,
            payload_format=properties.payload_format_indicator,
            content_type=properties.content_type,
            response_topic=properties.response_topic,
            correlation_data=None if correlation is None else correlation.encode(),
            user_properties=tuple(properties.user_properties.items()),
        )
    except BadQuery as error:
        if error.parameter in ("topics", "response_topic"):
            raise _Refused(TOPIC_NAME_INVALID, f"topic_name_invalid: {error}") from None
        raise ApiError(400, "BAD_REQUEST", str(error)) from None


def _refused(error: _Refused) -> Answer:
    body: NotPublished = {
        "code": "BAD_REQUEST",
        "message": error.message,
        "reason": error.message,
        "reason_code": error.reason_code,
    }
    return json_answer(body, 400)
