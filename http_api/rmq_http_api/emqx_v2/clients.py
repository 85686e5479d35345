"""Clients that are connected: those of a node, one by its name, and one thrown out."""

from rmq.management.errors import ClientOffline
from rmq.management.models import ClientView
from rmq.management.queries import ClientQuery
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.client_lists import ClientLists
from rmq_http_api.emqx_v2.messages import LooseBody
from rmq_http_api.emqx_v2.pages import Loose, PageQuery, answers_of_objects, answers_of_page
from rmq_http_api.emqx_v2.wording import DONE, PREFIX, UNDEFINED, done, local_time
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[Loose, None]


class ClientObject(TypedDict):
    """A client; ``username`` "undefined" for none, its time as ``YYYY-MM-DD HH:MM:SS``."""

    client_id: str
    username: str
    ipaddress: str
    port: int
    clean_sess: bool
    proto_ver: int
    keepalive: int
    connected_at: str


class TopicBody(LooseBody):
    """The topic name that is meant."""

    topic: str


class ClientRoutes:
    """The routes of clients."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management
        self._lists = ClientLists(service, ClientQuery(connected=True), client_object)

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        of_node, one = f"{PREFIX}/nodes/{{node}}/clients", f"{PREFIX}/clients/{{client}}"
        objects = answers_of_objects(ClientObject)
        return [
            Route(
                "GET",
                of_node,
                "v2_client_list",
                "The clients of a node",
                self._lists.of_node,
                PageQuery,
                answers=answers_of_page(ClientObject),
            ),
            Route(
                "GET",
                f"{of_node}/{{client}}",
                "v2_node_client",
                "One client of a node",
                self._lists.one_of_node,
                Loose,
                answers=objects,
            ),
            Route("GET", one, "v2_client", "One client", self._lists.one, Loose, answers=objects),
            Route("DELETE", one, "v2_kick_client", "Throw a client out", self.kick, Loose, answers=DONE),
            Route(
                "PUT",
                f"{one}/clean_acl_cache",
                "v2_clean_acl_cache",
                "Ask access rules again",
                self.clean,
                Loose,
                TopicBody,
                answers=DONE,
                content="says anything",
            ),
        ]

    async def kick(self, call: Plain) -> Answer:
        """When it is gone, and its session with it."""
        client_id = call.path.text("client")
        if not (await self._management.client(client_id)).connected:
            raise ClientOffline(client_id)
        await self._management.kick(client_id)
        return done()

    async def clean(self, call: Call[Loose, TopicBody]) -> Answer:
        """When nothing is remembered of the topic name for the client, which must be connected."""
        client_id = call.path.text("client")
        if not (await self._management.client(client_id)).connected:
            raise ClientOffline(client_id)
        await self._management.operations.drop_access_cache(client_id, call.body.topic)
        return done()


def client_object(client: ClientView) -> ClientObject:
    """A client under the names of EMQX v2."""
    return {
        "client_id": client.client_id,
        "username": UNDEFINED if client.username is None else client.username,
        "ipaddress": client.ip_address,
        "port": client.port,
        "clean_sess": client.clean_start,
        "proto_ver": client.protocol_level,
        "keepalive": client.keepalive,
        "connected_at": local_time(client.connected_at),
    }
