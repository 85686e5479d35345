"""Answers with a result code: ``{"code": 0, "data": …}``, long lists piece by piece; and the names of missing nodes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

import orjson

from rmq.management.models import ClientView, MissingNode, Page, SubscriptionView
from rmq.management.queries import ClientQuery, Paging, SubscriptionQuery
from rmq.management.service import subscription_key
from rmq.management.turns import Turns
from rmq_http_api.answers import JSON, Answer, json_answer, rows_json
from rmq_http_api.nanomq.codes import SUCCEEDED
from rmq_http_api.service import ApiService


class OfNode(Protocol):
    """A row that says which node it is of."""

    @property
    def node_id(self) -> int:
        """Its id."""


R = TypeVar("R", bound=OfNode)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Rows(Protocol[T_co]):
    """A long list, some of it at a time."""

    async def next(self) -> Sequence[T_co]:
        """The next rows; none at the end."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer says beside them."""


# NanoMQ has no room in its answers for nodes that gave none: they are named here, "3, 5".
MISSING_NODES: Final = "X-RMQ-Missing-Nodes"


def done(headers: Mapping[str, str] | None = None) -> Answer:
    """It is done, and there is nothing to say."""
    return json_answer({"code": SUCCEEDED}, headers=headers)


def data_answer(data: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Something that isn't long."""
    return json_answer({"code": SUCCEEDED, "data": data}, headers=headers)


def missing_header(missing: Iterable[MissingNode]) -> Mapping[str, str]:
    """The header that names nodes without an answer; none without any."""
    numbers = ", ".join(str(node.node_id) for node in missing)
    return {MISSING_NODES: numbers} if numbers else {}


class Pages(Generic[R]):
    """A list of all nodes, a page at a time: NanoMQ has no pages, so a list is everything.

    ``ask`` asks management for a page, ``key`` is that of a row, ``rows`` how many a page has: what is held of a list
    is its JSON and one page.
    """

    def __init__(self, ask: Callable[[Paging], Awaitable[Page[R]]], key: Callable[[R], str], rows: int) -> None:
        self._ask = ask
        self._key = key
        self._paging: Paging | None = Paging(rows, after="", after_node=0)
        self._missing: dict[int, MissingNode] = {}

    async def next(self) -> tuple[R, ...]:
        """The next rows; none at the end."""
        if self._paging is None:
            return ()
        page = await self._ask(self._paging)
        self._missing.update((node.node_id, node) for node in page.missing)
        if page.has_more and page.items:
            last = page.items[-1]
            self._paging = Paging(self._paging.limit, after=self._key(last), after_node=last.node_id)
        else:
            self._paging = None
        return page.items

    @property
    def headers(self) -> Mapping[str, str]:
        """What names the nodes that gave no answer to one of the pages."""
        return missing_header(self._missing[number] for number in sorted(self._missing))


def every_client(service: ApiService, query: ClientQuery) -> Pages[ClientView]:
    """Clients by (node, client id)."""
    management = service.management
    return Pages(lambda paging: management.clients(query, paging), lambda client: client.client_id, service.max_rows)


def every_subscription(service: ApiService, query: SubscriptionQuery) -> Pages[SubscriptionView]:
    """Subscriptions by (node, client id, topic filter)."""
    management = service.management
    return Pages(lambda paging: management.subscriptions(query, paging), subscription_key, service.max_rows)


async def list_answer(
    turns: Turns, pages: Rows[T], present: Callable[[T], object | None], more: Mapping[str, object] | None = None
) -> Answer:
    """``{"code": 0, "data": [all rows]}`` with ``more`` keys; rows that ``present`` has nothing for are left out."""
    pieces = [b"["]
    while rows := await pages.next():
        made = await rows_json(turns, (shown for row in rows if (shown := present(row)) is not None), _as_it_is)
        if len(made) > 1:
            made[0] = (b"," if len(pieces) > 1 else b"") + made[0][1:]
            pieces += made[:-1]
    pieces.append(b"]")
    head = orjson.dumps({"code": SUCCEEDED, **(more or {})})[:-1] + b',"data":'
    return Answer([head, *pieces, b"}"], JSON, 200, pages.headers)


def _as_it_is(row: object) -> object:
    return row


def written_filter(subscription: SubscriptionView) -> str:
    """A topic filter as the client wrote it, with its share name."""
    group = subscription.share_group
    return subscription.topic_filter if group is None else f"$share/{group}/{subscription.topic_filter}"
