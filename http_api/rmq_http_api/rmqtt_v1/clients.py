"""Clients: search, look-up, whether one is on line, kick, and sessions without a connection."""

import base64
from dataclasses import dataclass

from pydantic import Field

from rmq.management.models import ClientView, PropertiesView, WillView
from rmq.management.queries import ClientQuery
from rmq_http_api.answers import Answer, json_answer, rows_answer, text_answer
from rmq_http_api.calls import Call
from rmq_http_api.paging import PagedQuery, next_link
from rmq_http_api.parameters import Flag, NoQuery, Number, Query
from rmq_http_api.rmqtt_v1.wording import PREFIX, local_time, missing_header, username_text
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService


class ClientFilters(Query):
    """All filters of clients; times in seconds since 1970."""

    clientid: str | None = None
    username: str | None = None
    ip_address: str | None = None
    connected: Flag | None = None
    clean_start: Flag | None = None
    session_present: Flag | None = None
    proto_ver: Number | None = None
    like_clientid: str | None = Field(None, alias="_like_clientid", description="Is part of the client id")
    like_username: str | None = Field(None, alias="_like_username", description="Is part of the user name")
    gte_created_at: Number | None = Field(None, alias="_gte_created_at")
    lte_created_at: Number | None = Field(None, alias="_lte_created_at")
    gte_connected_at: Number | None = Field(None, alias="_gte_connected_at")
    lte_connected_at: Number | None = Field(None, alias="_lte_connected_at")
    gte_mqueue_len: Number | None = Field(None, alias="_gte_mqueue_len")
    lte_mqueue_len: Number | None = Field(None, alias="_lte_mqueue_len")

    def client_query(self, connected: bool | None) -> ClientQuery:
        """What management is asked; ``connected`` instead of the filter of that name."""
        return ClientQuery(
            client_id=self.clientid,
            username=self.username,
            ip_address=self.ip_address,
            connected=connected,
            clean_start=self.clean_start,
            session_present=self.session_present,
            protocol_level=self.proto_ver,
            client_id_contains=self.like_clientid,
            username_contains=self.like_username,
            created_from=self.gte_created_at,
            created_to=_whole_second(self.lte_created_at),
            connected_from=self.gte_connected_at,
            connected_to=_whole_second(self.lte_connected_at),
            queue_from=self.gte_mqueue_len,
            queue_to=self.lte_mqueue_len,
        )


class ClientsQuery(ClientFilters, PagedQuery):
    """A page of what the filters leave."""


@dataclass(frozen=True, slots=True)
class PropertiesObject:
    """The properties of a message; correlation data in base64."""

    content_type: str | None
    correlation_data: str | None
    is_utf8_payload: bool | None
    response_topic: str | None
    user_properties: list[list[str]]


@dataclass(frozen=True, slots=True)
class WillObject:
    """A will; its payload in base64."""

    topic: str
    message: str
    qos: int
    retain: bool
    will_delay_interval_sec: int
    message_expiry_interval: int | None
    content_type: str | None
    correlation_data: str | None
    is_utf8_payload: bool | None
    response_topic: str | None
    user_properties: list[list[str]]


@dataclass(frozen=True, slots=True)
class ClientObject:
    """A client; times as ``YYYY-MM-DD HH:mm:ss``, "" for none."""

    node_id: int
    clientid: str
    username: str
    superuser: bool
    proto_ver: int
    ip_address: str
    port: int
    connected: bool
    connected_at: str
    disconnected_at: str
    disconnected_reason: str
    keepalive: int
    clean_start: bool
    session_present: bool
    expiry_interval: int
    created_at: str
    subscriptions_cnt: int
    max_subscriptions: int
    last_will: WillObject | None
    inflight: int
    max_inflight: int
    mqueue_len: int
    max_mqueue: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many."""

    count: int


Plain = Call[NoQuery, None]


class ClientRoutes:
    """The routes of clients."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        clients = f"{PREFIX}/clients"
        one = f"{clients}/{{clientid}}"
        offlines = f"{clients}/offlines"
        rows, row = (list[ClientObject],), (ClientObject,)
        return [
            Route("GET", clients, "search_clients", "Clients, on line or not", self.search, ClientsQuery, answers=rows),
            Route("GET", one, "get_client", "One client", self.client, answers=row),
            Route("DELETE", one, "kick_client", "Close a connection, discard the session", self.kick, answers=(str,)),
            Route("GET", f"{one}/online", "check_online", "Whether it is connected", self.online, answers=(bool,)),
            Route("GET", offlines, "search_offlines", "Sessions off line", self.offlines, ClientsQuery, answers=rows),
            Route(
                "DELETE",
                offlines,
                "kick_offlines",
                "Discard sessions off line",
                self.kick_offlines,
                ClientFilters,
                answers=(Count,),
            ),
        ]

    async def search(self, call: Call[ClientsQuery, None]) -> Answer:
        """A page of clients by (node, client id)."""
        return await self._page(call, call.query.client_query(call.query.connected))

    async def offlines(self, call: Call[ClientsQuery, None]) -> Answer:
        """The same of those without a connection."""
        return await self._page(call, call.query.client_query(connected=False))

    async def _page(self, call: Call[ClientsQuery, None], query: ClientQuery) -> Answer:
        page = await self._management.clients(query, call.query.paging(self._service.max_rows))
        headers = {**missing_header(page.missing), **next_link(page, call.url, lambda row: row.client_id)}
        return await rows_answer(self._service.turns, page.items, client_object, headers)

    async def client(self, call: Plain) -> Answer:
        """One client."""
        return json_answer(client_object(await self._management.client(call.path.text("clientid"))))

    async def online(self, call: Plain) -> Answer:
        """true or false; false for a client that isn't known."""
        return json_answer(await self._management.is_online(call.path.text("clientid")))

    async def kick(self, call: Plain) -> Answer:
        """What the client was, as one text: its node, listener, address, client id and user name."""
        client = await self._management.kick(call.path.text("clientid"))
        listener = f"{client.node_id}@{client.listener}"
        return text_answer(f"{listener}/{client.address}/{client.client_id}/{username_text(client.username)}")

    async def kick_offlines(self, call: Call[ClientFilters, None]) -> Answer:
        """How many there were."""
        found = await self._management.discard_offline(call.query.client_query(connected=False))
        return json_answer(Count(sum(found.answers)), headers=missing_header(found.missing))


def client_object(client: ClientView) -> ClientObject:
    """A client under RMQTT's names."""
    return ClientObject(
        node_id=client.node_id,
        clientid=client.client_id,
        username=username_text(client.username),
        superuser=client.superuser,
        proto_ver=client.protocol_level,
        ip_address=client.ip_address,
        port=client.port,
        connected=client.connected,
        connected_at=local_time(client.connected_at),
        disconnected_at=local_time(client.disconnected_at),
        disconnected_reason=client.disconnected_reason,
        keepalive=client.keepalive,
        clean_start=client.clean_start,
        session_present=client.session_present,
        expiry_interval=client.expiry_interval,
        created_at=local_time(client.created_at),
        subscriptions_cnt=client.subscriptions,
        max_subscriptions=client.max_subscriptions,
        last_will=None if client.will is None else will_object(client.will),
        inflight=client.inflight,
        max_inflight=client.max_inflight,
        mqueue_len=client.queue_length,
        max_mqueue=client.max_queue,
    )


def will_object(will: WillView) -> WillObject:
    """A will under RMQTT's names."""
    properties = properties_object(will.properties)
    return WillObject(
        topic=will.topic,
        message=base64.b64encode(will.payload).decode(),
        qos=will.qos,
        retain=will.retain,
        will_delay_interval_sec=will.delay_interval,
        message_expiry_interval=will.message_expiry_interval,
        content_type=properties.content_type,
        correlation_data=properties.correlation_data,
        is_utf8_payload=properties.is_utf8_payload,
        response_topic=properties.response_topic,
        user_properties=properties.user_properties,
    )


def properties_object(properties: PropertiesView) -> PropertiesObject:
    """The properties of a message under RMQTT's names."""
    data = properties.correlation_data
    return PropertiesObject(
        content_type=properties.content_type,
        correlation_data=None if data is None else base64.b64encode(data).decode(),
        is_utf8_payload=None if properties.payload_format is None else properties.payload_format == 1,
        response_topic=properties.response_topic,
        user_properties=[list(pair) for pair in properties.user_properties],
    )


def _whole_second(upper: int | None) -> float | None:
    """A moment is written in whole seconds, so an upper bound takes its whole second in."""
    return None if upper is None else upper + 0.999_999
