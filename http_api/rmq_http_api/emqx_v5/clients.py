"""Clients: pages by number and by cursor, one, kickout, keep alive, and how many sessions there are."""

from typing import Annotated, Final

from pydantic import Field, RootModel

from rmq.management.errors import ClientNotFound
from rmq.management.models import ClientView, Page
from rmq.management.queries import ClientQuery, Paging
from rmq_http_api.answers import Answer, empty_answer, json_answer, text_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.client_filters import ClientsQuery, CursorQuery, Moment
from rmq_http_api.emqx_v5.client_object import ClientObject, client_object, presenter
from rmq_http_api.emqx_v5.names import find_node, node_names
from rmq_http_api.emqx_v5.pages import CursorMeta, Meta, V5Query, data_answer, missing_header, page_answer
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.paging import read_cursor, write_cursor
from rmq_http_api.parameters import WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

MAX_KEEP_ALIVE: Final = 65_535
MAX_KICKED: Final = 1000


class ClientsPage(TypedDict):
    """Clients and which page of them."""

    data: list[ClientObject]
    meta: Meta


class ClientsBehindCursor(TypedDict):
    """Clients and what goes on behind them."""

    data: list[ClientObject]
    meta: CursorMeta


class ClientIds(RootModel[Annotated[list[str], Field(max_length=MAX_KICKED)]]):
    """Client ids."""


class KeepAliveBody(Body):
    """The keep alive that is to be in force, in seconds; 0 is none."""

    interval: Annotated[int, Field(ge=0, le=MAX_KEEP_ALIVE), WHOLE]


class SinceQuery(V5Query):
    """Sessions whose client connected at this moment or later."""

    since: Moment | None = None


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
        row, page, slice_ = (ClientObject,), (ClientsPage,), (ClientsBehindCursor,)
        return [
            Route("GET", clients, "clients", "Clients, on line or not", self.page, ClientsQuery, answers=page),
            Route(
                "GET",
                f"{PREFIX}/clients_v2",
                "clients_v2",
                "The same, behind a cursor: each client once, whatever changes meanwhile",
                self.behind_cursor,
                CursorQuery,
                answers=slice_,
            ),
            Route("GET", one, "client", "One client", self.one, answers=row),
            Route("DELETE", one, "kick_client", "Kick a client out", self.kick, status=204),
            Route(
                "POST",
                f"{clients}/kickout/bulk",
                "kick_clients",
                "Kick several clients out",
                self.kick_each,
                NoQuery,
                ClientIds,
                status=204,
            ),
            Route(
                "PUT",
                f"{one}/keepalive",
                "set_keepalive",
                "Change the keep alive of a client that is connected",
                self.set_keep_alive,
                NoQuery,
                KeepAliveBody,
                answers=row,
            ),
            Route(
                "GET",
                f"{PREFIX}/sessions_count",
                "sessions_count",
                "How many sessions there are",
                self.sessions_count,
                SinceQuery,
                answers=(str,),
            ),
        ]

    async def page(self, call: Call[ClientsQuery, None]) -> Answer:
        """A page by (node, client id)."""
        query = call.query
        node_id = None if query.node is None else await find_node(self._management, query.node)
        paging = query.paging()
        names = await node_names(self._management)
        present = presenter(names, self._now(), query.fields)
        page = await self._found(query.client_query(), paging, node_id)
        return await page_answer(self._service.turns, query, page, present)

    async def behind_cursor(self, call: Call[CursorQuery, None]) -> Answer:
        """The next clients by (node, client id)."""
        query = call.query
        node_id = None if query.node is None else await find_node(self._management, query.node)
        node, after = (0, "") if query.cursor is None else read_cursor(query.cursor, "cursor")
        names = await node_names(self._management)
        present = presenter(names, self._now(), query.fields)
        paging = Paging(query.limit, after=after, after_node=node)
        page = await self._found(query.client_query(), paging, node_id)
        meta: CursorMeta = {"count": len(page.items)}
        if page.has_more and page.items:
            last = page.items[-1]
            meta["cursor"] = write_cursor(last.node_id, last.client_id)
        return await data_answer(self._service.turns, page.items, present, meta, missing_header(page.missing))

    async def _found(self, query: ClientQuery, paging: Paging, node_id: int | None) -> Page[ClientView]:
        if node_id is None:
            return await self._management.clients(query, paging)
        return await self._management.of_node.clients(node_id, query, paging)

    async def one(self, call: Plain) -> Answer:
        """One client."""
        try:
            client = await self._management.client(call.path.text("clientid"))
        except ClientNotFound:
            raise ApiError(404, "RESOURCE_NOT_FOUND", "Client id not found") from None  # as EMQX's documents show it
        return json_answer(client_object(client, await node_names(self._management), self._now()))

    async def kick(self, call: Plain) -> Answer:
        """204 when the connection is closed and the session is gone."""
        await self._management.kick(call.path.text("clientid"))
        return empty_answer()

    async def kick_each(self, call: Call[NoQuery, ClientIds]) -> Answer:
        """204, also for clients that aren't there."""
        for client_id in dict.fromkeys(call.body.root):
            try:
                await self._management.kick(client_id)
            except ClientNotFound:
                continue
        return empty_answer()

    async def set_keep_alive(self, call: Call[NoQuery, KeepAliveBody]) -> Answer:
        """The client as it is then."""
        client = await self._management.set_keep_alive(call.path.text("clientid"), call.body.interval)
        return json_answer(client_object(client, await node_names(self._management), self._now()))

    async def sessions_count(self, call: Call[SinceQuery, None]) -> Answer:
        """A number as text: of all nodes that answer."""
        since = call.query.since
        if since is None:
            stats = await self._management.stats_sum()
            return text_answer(str(stats.values["sessions.count"]), missing_header(stats.missing))
        found = await self._management.clients(ClientQuery(connected_from=since), Paging(0, with_total=True))
        return text_answer(str(found.total or 0), missing_header(found.missing))

    def _now(self) -> float:
        return self._management.local.broker_info().now
