"""What is asked by each number: the broker (2), subscriptions (4), clients (5), configuration (11; 12 changes it)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Final

from pydantic import Field, JsonValue

from rmq.management.models import ClientView, SubscriptionView
from rmq.management.queries import ClientQuery, SubscriptionQuery
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import ADMINISTRATOR, Call
from rmq_http_api.errors import ApiError, MissingParameter
from rmq_http_api.nanomq.answers import (
    Pages,
    every_client,
    every_subscription,
    list_answer,
    missing_header,
    written_filter,
)
from rmq_http_api.nanomq.codes import SUCCEEDED
from rmq_http_api.nanomq.configuration import Configuration, nested
from rmq_http_api.nanomq.figures import messages_dropped
from rmq_http_api.nanomq.shapes import ConfigurationObject
from rmq_http_api.parameters import LARGEST, WHOLE, Body, NoQuery
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

BROKER: Final = 2
TOPICS: Final = 4
CLIENTS: Final = 5
CONFIGURATION: Final = 11
CHANGE_CONFIGURATION: Final = 12

Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST), WHOLE]


class RequestBody(Body):
    """A numbered request; the answer has its ``seq``."""

    req: Whole
    seq: Whole
    data: JsonValue = None


class BrokerFigures(TypedDict):
    """All nodes as one."""

    client_size: int
    message_in: int
    message_out: int
    message_drop: int


class BrokerAnswer(TypedDict):
    """To request 2."""

    code: int
    seq: int
    rep: int
    data: BrokerFigures


class TopicObject(TypedDict):
    """A subscription of a client."""

    topic: str
    qos: int


class TopicsObject(TypedDict):
    """A client with its subscriptions."""

    client_id: str
    subscriptions: list[TopicObject]


class TopicsAnswer(TypedDict):
    """To request 4."""

    code: int
    seq: int
    rep: int
    data: list[TopicsObject]


class ClientObject(TypedDict):
    """A client; ``connect_status`` is 1 while it is connected."""

    client_id: str
    username: str
    keepalive: int
    protocol: int
    connect_status: int
    message_receive: int


class ClientsAnswer(TypedDict):
    """To request 5."""

    code: int
    seq: int
    rep: int
    data: list[ClientObject]


class ConfigurationAnswer(TypedDict):
    """To request 11; ``ignored`` are keys that are kept and have no effect."""

    code: int
    seq: int
    rep: int
    data: ConfigurationObject
    ignored: list[str]


class ChangeAnswer(TypedDict):
    """To request 12: keys in force now, that wait for a restart, and that are kept and have no effect."""

    code: int
    seq: int
    rep: int
    applied: list[str]
    after_restart: list[str]
    ignored: list[str]


AnyAnswer = BrokerAnswer | TopicsAnswer | ClientsAnswer | ConfigurationAnswer | ChangeAnswer
Request = Call[NoQuery, RequestBody]


class Requests:
    """The handlers by their numbers."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management
        self._configuration = Configuration(service)
        self._handlers: Mapping[int, Callable[[Request], Awaitable[Answer]]] = {
            BROKER: self.broker,
            TOPICS: self.topics,
            CLIENTS: self.clients,
            CONFIGURATION: self.configuration,
            CHANGE_CONFIGURATION: self.change_configuration,
        }

    async def handle(self, call: Request) -> Answer:
        """Whatever is asked; ``ApiError`` for a number that means nothing."""
        handler = self._handlers.get(call.body.req)
        if handler is None:
            known = ", ".join(map(str, self._handlers))
            raise ApiError(400, "BAD_PARAMETER", f"req: {call.body.req} isn't one of {known}")
        answer = await handler(call)
        return answer if call.body.req == CHANGE_CONFIGURATION else replace(answer, is_question=True)

    async def broker(self, call: Request) -> Answer:
        """Clients and messages of all nodes."""
        stats = await self._management.stats_sum()
        metrics = await self._management.metrics_sum()
        missing = {node.node_id: node for node in (*stats.missing, *metrics.missing)}
        figures: BrokerFigures = {
            "client_size": stats.values.get("connections.count", 0),
            "message_in": metrics.values.get("packets.publish.received", 0),
            "message_out": metrics.values.get("packets.publish.sent", 0),
            "message_drop": messages_dropped(metrics.values),
        }
        answer = {"code": SUCCEEDED, **_about(call), "data": figures}
        return json_answer(answer, headers=missing_header(missing.values()))

    async def topics(self, call: Request) -> Answer:
        """Clients with their subscriptions."""
        found = _ByClient(every_subscription(self._service, SubscriptionQuery()))
        return await list_answer(self._service.turns, found, _topics_object, _about(call))

    async def clients(self, call: Request) -> Answer:
        """Clients, and sessions off line."""
        pages = every_client(self._service, ClientQuery())
        return await list_answer(self._service.turns, pages, _client_object, _about(call))

    async def configuration(self, call: Request) -> Answer:
        """All values of this node; secrets masked."""
        told = nested(self._configuration.told())
        return json_answer({"code": SUCCEEDED, **_about(call), "data": told, "ignored": self._configuration.ignored()})

    async def change_configuration(self, call: Request) -> Answer:
        """What stands in ``data``, all of it or nothing; for administrators."""
        if not call.caller.may(ADMINISTRATOR):
            raise ApiError(403, "FORBIDDEN", f"{call.caller.name} may read, and change nothing")
        data = call.body.data
        if data is None:
            raise MissingParameter("data: is missing")
        if not isinstance(data, dict):
            raise ApiError(400, "BAD_PARAMETER", "data: must be an object")
        changed = await self._configuration.change(data)
        found = {"applied": changed.applied, "after_restart": changed.after_restart, "ignored": changed.ignored}
        return json_answer({"code": SUCCEEDED, **_about(call), **found})


def _about(call: Request) -> Mapping[str, int]:
    """What every answer says of the request."""
    return {"seq": call.body.seq, "rep": call.body.req}


@dataclass(slots=True)
class _Client:
    client_id: str
    subscriptions: list[SubscriptionView] = field(default_factory=list)


class _ByClient:
    """Subscriptions as they come, those of a client together; a page may end among them."""

    def __init__(self, pages: Pages[SubscriptionView]) -> None:
        self._pages = pages
        self._last: _Client | None = None

    async def next(self) -> Sequence[_Client]:
        found: list[_Client] = []
        while not found:
            rows = await self._pages.next()
            for row in rows:
                if self._last is None or self._last.client_id != row.client_id:
                    found += [] if self._last is None else [self._last]
                    self._last = _Client(row.client_id)
                self._last.subscriptions.append(row)
            if not rows:
                found += [] if self._last is None else [self._last]
                self._last = None
                break
        return found

    @property
    def headers(self) -> Mapping[str, str]:
        return self._pages.headers


def _topics_object(client: _Client) -> TopicsObject:
    return {
        "client_id": client.client_id,
        "subscriptions": [{"topic": written_filter(row), "qos": row.qos} for row in client.subscriptions],
    }


def _client_object(client: ClientView) -> ClientObject:
    return {
        "client_id": client.client_id,
        "username": client.username or "",
        "keepalive": client.keepalive,
        "protocol": client.protocol_level,
        "connect_status": int(client.connected),
        "message_receive": client.messages_received,
    }
