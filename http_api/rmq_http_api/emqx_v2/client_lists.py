"""Clients as EMQX v2 lists them, once as clients and once as sessions: those of a node, one of a node, one anywhere."""

from collections.abc import Callable
from dataclasses import replace

from rmq.management.errors import ClientNotFound
from rmq.management.models import ClientView, Page
from rmq.management.queries import ClientQuery, Paging
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.pages import Loose, PageQuery, objects_answer, page_answer
from rmq_http_api.emqx_v2.wording import node_id_of
from rmq_http_api.service import ApiService


class ClientLists:
    """Handlers of routes; ``wanted`` says which of them are meant at all, ``present`` makes a row."""

    def __init__(self, service: ApiService, wanted: ClientQuery, present: Callable[[ClientView], object]) -> None:
        self._service = service
        self._management = service.management
        self._wanted = wanted
        self._present = present

    async def of_node(self, call: Call[PageQuery, None]) -> Answer:
        """A page of them by client id."""
        node_id = await node_id_of(self._management, call.path.text("node"))

        async def ask(paging: Paging) -> Page[ClientView]:
            return await self._management.of_node.clients(node_id, self._wanted, paging)

        return await page_answer(self._service, call.query, ask, self._present)

    async def one_of_node(self, call: Call[Loose, None]) -> Answer:
        """It, or nothing."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        query = replace(self._wanted, client_id=call.path.text("client"))
        page = await self._management.of_node.clients(node_id, query, Paging(1))
        return await objects_answer(self._service, page.items, self._present)

    async def one(self, call: Call[Loose, None]) -> Answer:
        """It, wherever it is, or nothing: that is an answer too."""
        found: tuple[ClientView, ...] = ()
        try:
            client = await self._management.client(call.path.text("client"))
            if self._wanted.connected in (None, client.connected):
                found = (client,)
        except ClientNotFound:
            pass
        return await objects_answer(self._service, found, self._present)
