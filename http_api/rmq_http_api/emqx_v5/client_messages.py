"""What is on its way to one client, and what connections remember of access rules."""

import base64
from collections.abc import Callable
from typing import Annotated, Final, Literal, NotRequired

from pydantic import Field

from rmq.management.access.cache import VerdictView
from rmq.management.messages.of_session import MAX_MESSAGES, MAX_PAYLOADS, Part, SessionMessage
from rmq_http_api.answers import Answer, empty_answer, rows_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.pages import V5Query, data_answer, missing_header
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.parameters import NoQuery, Number
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

DEFAULT_ROWS: Final = 100
# Where a list begins for those who have no position yet.
NONE: Final = "none"

Encoding = Literal["none", "base64", "plain"]


class MessagesQuery(V5Query):
    """Which messages, behind a position that an answer gave, and how much of their payloads."""

    payload: Encoding = "base64"
    max_payload_bytes: Annotated[Number, Field(ge=1)] = MAX_PAYLOADS
    position: Annotated[str, Field(pattern=r"^(none|[0-9]{1,5})$")] = NONE
    limit: Annotated[Number, Field(ge=1, le=MAX_MESSAGES)] = DEFAULT_ROWS


class MessageObject(TypedDict):
    """A message; times in milliseconds since 1970."""

    msgid: str
    topic: str
    qos: int
    publish_at: int
    inserted_at: int
    from_clientid: str
    from_username: str
    mqueue_priority: NotRequired[int]
    payload: NotRequired[str]


class PositionMeta(TypedDict):
    """Where the list begins, and where to go on."""

    start: str
    position: str


class MessagesPage(TypedDict):
    """Messages and where to go on."""

    data: list[MessageObject]
    meta: PositionMeta


class VerdictObject(TypedDict):
    """A verdict; ``updated_time``, in milliseconds since 1970, is when the client connected: it is no older."""

    access: Literal["publish"]
    topic: str
    result: Literal["allow", "deny"]
    qos: int
    retain: bool
    updated_time: int


class ClientMessageRoutes:
    """These routes of a client."""

    def __init__(self, service: ApiService) -> None:
        self._operations = service.management.operations
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        one = f"{PREFIX}/clients/{{clientid}}"
        page, rows = (MessagesPage,), (list[VerdictObject],)
        cache = f"{one}/authorization/cache"
        return [
            Route(
                "GET",
                f"{one}/mqueue_messages",
                "mqueue_messages",
                "Messages of a client that wait to be sent",
                self.queued,
                MessagesQuery,
                answers=page,
            ),
            Route(
                "GET",
                f"{one}/inflight_messages",
                "inflight_messages",
                "Messages that were sent to a client and aren't done",
                self.inflight,
                MessagesQuery,
                answers=page,
            ),
            Route("GET", cache, "access_cache", "What is remembered of access rules", self.cache, answers=rows),
            Route("DELETE", cache, "access_cache_drop", "Ask access rules again", self.drop_cache, status=204),
            Route(
                "DELETE",
                f"{PREFIX}/authorization/cache",
                "access_caches_drop",
                "Ask access rules again for all clients",
                self.drop_all_caches,
                status=204,
            ),
        ]

    async def queued(self, call: Call[MessagesQuery, None]) -> Answer:
        """In the order in which they will be sent."""
        return await self._messages(call, "mqueue")

    async def inflight(self, call: Call[MessagesQuery, None]) -> Answer:
        """In the order in which they were sent."""
        return await self._messages(call, "inflight")

    async def _messages(self, call: Call[MessagesQuery, None], part: Part) -> Answer:
        query = call.query
        after = 0 if query.position == NONE else int(query.position)
        payload_bytes = 0 if query.payload == "none" else min(query.max_payload_bytes, MAX_PAYLOADS)
        found = await self._operations.session_messages(
            call.path.text("clientid"), part, after, query.limit, payload_bytes
        )
        last = found.last if found.last is not None else after or None
        meta: PositionMeta = {"start": _position(found.first), "position": _position(last)}
        return await data_answer(self._turns, found.messages, _presenter(part, query.payload), meta, {})

    async def cache(self, call: Call[NoQuery, None]) -> Answer:
        """On publishing only: subscribing is asked each time."""
        return await rows_answer(
            self._turns, await self._operations.access_cache(call.path.text("clientid")), verdict_object
        )

    async def drop_cache(self, call: Call[NoQuery, None]) -> Answer:
        """The next PUBLISH is judged anew."""
        await self._operations.drop_access_cache(call.path.text("clientid"))
        return empty_answer()

    async def drop_all_caches(self, call: Call[NoQuery, None]) -> Answer:
        """Of all clients of all nodes."""
        return empty_answer(missing_header((await self._operations.drop_all_access_caches()).missing))


def _position(packet_id: int | None) -> str:
    return NONE if packet_id is None else str(packet_id)


def _presenter(part: Part, encoding: Encoding) -> Callable[[SessionMessage], MessageObject]:
    def present(message: SessionMessage) -> MessageObject:
        at = round(message.published_at * 1000)
        row: MessageObject = {
            "msgid": f"{at:012X}{message.packet_id:04X}",
            "topic": message.topic,
            "qos": message.qos,
            "publish_at": at,
            "inserted_at": at,
            "from_clientid": message.publisher,
            "from_username": "undefined",
        }
        if part == "mqueue":
            row["mqueue_priority"] = 0
        if message.payload is not None:
            is_plain = encoding == "plain"
            row["payload"] = (
                message.payload.decode("utf-8", "replace") if is_plain else base64.b64encode(message.payload).decode()
            )
        return row

    return present


def verdict_object(verdict: VerdictView) -> VerdictObject:
    """A verdict under EMQX's names."""
    return {
        "access": "publish",
        "topic": verdict.topic,
        "result": "allow" if verdict.allowed else "deny",
        "qos": verdict.qos,
        "retain": verdict.retain,
        "updated_time": round(verdict.since * 1000),
    }
