"""What one node lists: the clients, sessions and subscriptions that it answers for, and the routes to them."""

from typing import Protocol, TypeVar

from rmq.management.models import ClientView, Page, RouteView, SessionView, SubscriptionView
from rmq.management.peers import AskClients, AskRoutes, AskSessions, AskSubscriptions, Question
from rmq.management.queries import ClientQuery, Paging, SubscriptionQuery

T = TypeVar("T")


class Ask(Protocol):
    """How one node is asked, this one or another."""

    async def __call__(self, node_id: int, question: Question[T]) -> T:
        """Its answer; ``NodeNotFound``, ``NodeUnreachable``, or what the question raises there."""


class OfNode:
    """The lists of one node, by the filters and pages of those of all nodes."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def clients(self, node_id: int, query: ClientQuery, paging: Paging) -> Page[ClientView]:
        """Its clients, connected or with a session only."""
        return await self._ask(node_id, AskClients(query, paging))

    async def sessions(self, node_id: int, query: ClientQuery, paging: Paging) -> Page[SessionView]:
        """Its sessions, with and without a connection."""
        return await self._ask(node_id, AskSessions(query, paging))

    async def subscriptions(self, node_id: int, query: SubscriptionQuery, paging: Paging) -> Page[SubscriptionView]:
        """The subscriptions of its clients."""
        return await self._ask(node_id, AskSubscriptions(query, paging))

    async def routes(self, node_id: int, paging: Paging) -> Page[RouteView]:
        """The topic filters of its clients."""
        return await self._ask(node_id, AskRoutes(paging))
