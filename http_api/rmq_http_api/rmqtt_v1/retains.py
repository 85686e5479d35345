"""Retained messages: listed by a topic filter, and deleted."""

import base64
from typing import NotRequired

from pydantic import Field

from rmq.management.models import RetainedView
from rmq.management.queries import MAX_OFFSET, Paging
from rmq_http_api.answers import Answer, rows_json, text_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import TOPIC_FILTER, Number, Query
from rmq_http_api.rmqtt_v1.clients import PropertiesObject, properties_object
from rmq_http_api.rmqtt_v1.wording import PREFIX
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class RetainsQuery(Query):
    """Which retained messages, and which of them."""

    topic_filter: str = Field("#", json_schema_extra=TOPIC_FILTER)
    offset: Number = Field(0, ge=0, le=MAX_OFFSET)
    limit: Number | None = Field(None, ge=0)


class RetainQuery(Query):
    """The retained message of one topic name."""

    topic: str = Field(min_length=1)


class RetainedPublish(TypedDict):
    """What was published; payload in base64, time in milliseconds since 1970."""

    topic: str
    qos: int
    retain: bool
    dup: bool
    payload: str
    create_time: int
    properties: PropertiesObject


# Not written as a class: "from" is a word of Python.
RetainedObject = TypedDict(
    "RetainedObject",
    {
        "topic": str,
        "client_id": str | None,
        "from": str,
        "publish": RetainedPublish,
        "remaining_ttl": NotRequired[int],
    },
)


class RetainedPage(TypedDict):
    """Some retained messages, and whether there are more behind them."""

    items: list[RetainedObject]
    has_more: bool


class RetainedRoutes:
    """The routes of retained messages."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/retains"
        return [
            Route("GET", path, "get_retains", "Retained messages", self.search, RetainsQuery, answers=(RetainedPage,)),
            Route(
                "DELETE", path, "delete_retain", "Delete a retained message", self.delete, RetainQuery, answers=(str,)
            ),
        ]

    async def search(self, call: Call[RetainsQuery, None]) -> Answer:
        """Some of the retained messages that match."""
        query = call.query
        most = self._service.max_rows
        limit = most if query.limit is None else min(query.limit, most)
        page = await self._management.retained(query.topic_filter, Paging(limit, query.offset))
        now = self._management.local.broker_info().now
        items = await rows_json(self._service.turns, page.items, lambda message: retained_object(message, now))
        return Answer([b'{"has_more":%s,"items":' % (b"true" if page.has_more else b"false"), *items, b"}"])

    async def delete(self, call: Call[RetainQuery, None]) -> Answer:
        """``ok``."""
        await self._management.delete_retained(call.query.topic)
        return text_answer("ok")


def retained_object(message: RetainedView, now: float) -> RetainedObject:
    """A retained message; payload in base64, times in milliseconds since 1970, what is left of its life in seconds."""
    found: RetainedObject = {
        "topic": message.topic,
        "client_id": message.publisher or None,
        "from": message.origin,
        "publish": {
            "topic": message.topic,
            "qos": message.qos,
            "retain": True,
            "dup": False,
            "payload": base64.b64encode(message.payload).decode(),
            "create_time": int(message.created_at * 1000),
            "properties": properties_object(message.properties),
        },
    }
    if message.expires_at is not None:
        found["remaining_ttl"] = max(0, int(message.expires_at - now))
    return found
