"""Pages as EMQX has them: ``page`` and ``limit``, rows under ``data``, what is known of all of them under ``meta``."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Final, NotRequired, TypeVar

import orjson
from pydantic import ConfigDict, Field

from rmq.management.models import MissingNode, Page
from rmq.management.queries import MAX_LIMIT, Paging
from rmq.management.turns import Turns
from rmq_http_api.answers import JSON, Answer, rows_json
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import Number, Query
from rmq_http_api.shapes import TypedDict

T = TypeVar("T")

MAX_ROWS: Final = 10_000
DEFAULT_ROWS: Final = 100
# Where an answer has no room for them, nodes that gave none are named here: "3, 5".
MISSING_NODES: Final = "X-RMQ-Missing-Nodes"


class V5Query(Query):
    """The base of all queries: as EMQX does, what isn't known is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PageQuery(V5Query):
    """Which page."""

    page: Annotated[Number, Field(ge=1)] = 1
    limit: Annotated[Number, Field(ge=1, le=MAX_ROWS)] = DEFAULT_ROWS

    def paging(self) -> Paging:
        """What management is asked for: rows in the order of their nodes and keys, and how many there are.

        ``ApiError`` 400 behind the first ``MAX_LIMIT`` rows: programs go on by the cursor of ``/clients_v2``.
        """
        if self.page * self.limit > MAX_LIMIT:
            raise ApiError(400, "INVALID_PARAMETER", f"page: no more than the first {MAX_LIMIT} rows can be had so")
        return Paging.ordered_page(self.page, self.limit)


class Meta(TypedDict):
    """Which page it is, how many rows there are on all of them, and whether there is another one."""

    page: int
    limit: int
    count: NotRequired[int]
    hasnext: bool


class CursorMeta(TypedDict):
    """How many rows these are, and what goes on behind them; no cursor at the end."""

    count: int
    cursor: NotRequired[str]


async def page_answer(turns: Turns, query: PageQuery, page: Page[T], present: Callable[[T], object]) -> Answer:
    """A page of management's."""
    meta: Meta = {"page": query.page, "limit": query.limit, "hasnext": page.has_more}
    if page.total is not None:
        meta["count"] = page.total
    return await data_answer(turns, page.items, present, meta, missing_header(page.missing))


async def slice_answer(
    turns: Turns,
    query: PageQuery,
    rows: list[T],
    present: Callable[[T], object],
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """A page of a list that is there as a whole."""
    start = (query.page - 1) * query.limit
    end = start + query.limit
    meta: Meta = {"page": query.page, "limit": query.limit, "count": len(rows), "hasnext": len(rows) > end}
    return await data_answer(turns, rows[start:end], present, meta, headers or {})


async def data_answer(
    turns: Turns, rows: Iterable[T], present: Callable[[T], object], meta: object, headers: Mapping[str, str]
) -> Answer:
    """Rows and what is to be told of them, made piece by piece."""
    written = await rows_json(turns, rows, present)
    return Answer([b'{"data":', *written, b',"meta":' + orjson.dumps(meta) + b"}"], JSON, 200, headers)


def missing_header(missing: Iterable[MissingNode]) -> Mapping[str, str]:
    """The header that names nodes without an answer; none without any."""
    numbers = ", ".join(str(node.node_id) for node in missing)
    return {MISSING_NODES: numbers} if numbers else {}
