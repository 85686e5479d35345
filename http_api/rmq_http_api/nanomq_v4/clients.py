"""Clients: all, one, those of a user.

NanoMQ's document says ``clientid`` and ``connected`` where its answers have ``client_id`` and ``conn_state``: both are
given, and both are taken in queries.
"""

from typing import Literal

from rmq.management.models import ClientView
from rmq.management.queries import ClientQuery
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.nanomq.answers import data_answer, every_client, list_answer
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import Flag, NoQuery, Number, Query
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

ConnState = Literal["connected", "idle", "disconnected"]
ProtoName = Literal["MQTT", "MQIsdp", "CoAP", "LwM2M", "MQTT-SN"]


class OfClient(Query):
    """The filter by client id, in both its spellings."""

    clientid: str | None = None
    client_id: str | None = None

    @property
    def is_nobody(self) -> bool:
        """Whether both are there and differ, which no client is."""
        return None not in (self.clientid, self.client_id) and self.clientid != self.client_id


class ClientsQuery(OfClient):
    """All filters of clients. Nobody speaks the protocols that aren't MQTT here, and nobody is ``idle``."""

    username: str | None = None
    conn_state: ConnState | None = None
    clean_start: Flag | None = None
    proto_name: ProtoName | None = None
    proto_ver: Number | None = None


class ClientObject(TypedDict):
    """A client; the protocol name is MQIsdp for MQTT 3.1."""

    clientid: str
    client_id: str
    username: str
    keepalive: int
    connected: bool
    conn_state: str
    clean_start: bool
    proto_name: str
    proto_ver: int
    ipv4: str
    recv_msg: int


class ClientsAnswer(TypedDict):
    """Clients by (node, client id)."""

    code: int
    data: list[ClientObject]


Plain = Call[NoQuery, None]


class ClientRoutes:
    """The routes of clients."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        clients, shape = f"{PREFIX}/clients", (ClientsAnswer,)
        one, of_user = f"{clients}/{{clientid}}", f"{clients}/username/{{username}}"
        return [
            Route("GET", clients, "list_clients", "Clients of the cluster", self.search, ClientsQuery, answers=shape),
            Route("GET", one, "lookup_client", "One client", self.client, answers=shape),
            Route("GET", of_user, "lookup_client_via_username", "Clients of a user", self.of_user, answers=shape),
        ]

    async def search(self, call: Call[ClientsQuery, None]) -> Answer:
        """All clients that satisfy all filters."""
        asked = call.query
        if asked.conn_state == "idle" or asked.proto_name in ("CoAP", "LwM2M", "MQTT-SN") or asked.is_nobody:
            return data_answer([])
        query = ClientQuery(
            client_id=asked.client_id if asked.clientid is None else asked.clientid,
            username=asked.username,
            connected=None if asked.conn_state is None else asked.conn_state == "connected",
            clean_start=asked.clean_start,
            protocol_level=asked.proto_ver,
        )
        return await self._answer(query, asked.proto_name)

    async def client(self, call: Plain) -> Answer:
        """One client, in a list as all clients are."""
        return data_answer([client_object(await self._management.client(call.path.text("clientid")))])

    async def of_user(self, call: Plain) -> Answer:
        """Clients that have logged in by a user name; there may be none."""
        return await self._answer(ClientQuery(username=call.path.text("username")), None)

    async def _answer(self, query: ClientQuery, name: ProtoName | None) -> Answer:
        def shown(client: ClientView) -> ClientObject | None:
            return client_object(client) if name is None or _protocol_name(client) == name else None

        return await list_answer(self._service.turns, every_client(self._service, query), shown)


def client_object(client: ClientView) -> ClientObject:
    """A client under NanoMQ's names."""
    return {
        "clientid": client.client_id,
        "client_id": client.client_id,
        "username": client.username or "",
        "keepalive": client.keepalive,
        "connected": client.connected,
        "conn_state": "connected" if client.connected else "disconnected",
        "clean_start": client.clean_start,
        "proto_name": _protocol_name(client),
        "proto_ver": client.protocol_level,
        "ipv4": "" if ":" in client.ip_address else client.ip_address,
        "recv_msg": client.messages_received,
    }


def _protocol_name(client: ClientView) -> str:
    return "MQIsdp" if client.protocol_level == 3 else "MQTT"
