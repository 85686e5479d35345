"""Pages of long lists: how many rows, behind which row, and the link to the next page.

A cursor names the last row of a page by its node and its key: it says nothing to people and is given back as it came.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Final, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode

from pydantic import Field

from rmq.management.models import Page
from rmq.management.queries import Paging
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import Number, Query, whole_number

LIMIT: Final = "_limit"
CURSOR: Final = "_cursor"


class OfNode(Protocol):
    """A row that says which node it is of."""

    @property
    def node_id(self) -> int:
        """Its id."""


R = TypeVar("R", bound=OfNode)


class PagedQuery(Query):
    """A query whose answer comes in pages."""

    limit: Number | None = Field(None, alias=LIMIT, ge=0, description="The most rows in one answer")
    cursor: str | None = Field(
        None,
        alias=CURSOR,
        description="Goes on behind a page: from its Link header",
        json_schema_extra={"format": "cursor"},
    )

    def paging(self, max_rows: int) -> Paging:
        """By node first: what management is asked for. More rows than ``max_rows`` aren't given at once."""
        limit = max_rows if self.limit is None else min(self.limit, max_rows)
        node, after = (0, "") if self.cursor is None else read_cursor(self.cursor)
        return Paging(limit, after=after, after_node=node)

    def plain_paging(self, max_rows: int) -> Paging:
        """By key alone."""
        limit = max_rows if self.limit is None else min(self.limit, max_rows)
        return Paging(limit, after="" if self.cursor is None else read_cursor(self.cursor)[1])


def next_link(page: Page[R], url: str, key: Callable[[R], str]) -> dict[str, str]:
    """The header ``Link`` to the page behind this one (RFC 8288), if there is more; ``url`` as it was asked."""
    if not page.has_more or not page.items:
        return {}
    last = page.items[-1]
    path, _, query = url.partition("?")
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != CURSOR]
    pairs.append((CURSOR, write_cursor(last.node_id, key(last))))
    return {"Link": f'<{path}?{urlencode(pairs)}>; rel="next"'}


def write_cursor(node_id: int, key: str) -> str:
    """A cursor that goes on behind the row of this node with this key."""
    return base64.urlsafe_b64encode(f"{node_id}:{key}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, name: str = CURSOR) -> tuple[int, str]:
    """The node and the key; ``ApiError`` 400 with the parameter's name for one that was never given."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        number, colon, key = text.partition(":")
        if not colon:
            raise ValueError
        return whole_number(number), key
    except (ValueError, binascii.Error):
        raise ApiError(400, "BAD_PARAMETER", f"{name}: isn't one that was given") from None
