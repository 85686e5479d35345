"""Which clients are asked for: EMQX's filters as those of management."""

import re
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from rmq.management.queries import ClientQuery
from rmq_http_api.emqx_v5.client_object import FIELDS
from rmq_http_api.emqx_v5.pages import DEFAULT_ROWS, MAX_ROWS, PageQuery, V5Query
from rmq_http_api.parameters import Flag, Number, whole_number

_NAME: Final = f"({'|'.join(re.escape(name) for name in sorted(FIELDS))})"
# What a comparison to the end of a millisecond needs: moments are finer than they are written.
_LAST_OF_MS: Final = 0.000_999


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip("-").isdigit():
        return whole_number(value) / 1000
    try:
        # A plus in a query is a space, if it wasn't written as %2B.
        found = datetime.fromisoformat(value.replace(" ", "+"))
    except ValueError:
        raise ValueError("must be RFC 3339, or milliseconds since 1970") from None
    if found.tzinfo is None:
        raise ValueError("must say its time zone")
    return found.timestamp()


Moment = Annotated[
    float,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 4_102_444_800_000},
                {"type": "string", "format": "emqx-moment"},
            ],
            "description": "RFC 3339, or milliseconds since 1970",
        }
    ),
]


class ClientFilters(V5Query):
    """All filters of clients; several client ids or user names mean any of them."""

    repeatable: ClassVar[frozenset[str]] = frozenset({"clientid", "username"})
    node: str | None = None
    clientid: list[str] = Field(default_factory=list)
    username: list[str] = Field(default_factory=list)
    ip_address: str | None = None
    conn_state: Literal["connected", "idle", "disconnected"] | None = None
    clean_start: Flag | None = None
    proto_ver: Number | None = None
    like_clientid: str | None = Field(None, description="Is part of the client id")
    like_username: str | None = Field(None, description="Is part of the user name")
    gte_created_at: Moment | None = None
    lte_created_at: Moment | None = None
    gte_connected_at: Moment | None = None
    lte_connected_at: Moment | None = None
    fields: str = Field(
        "all",
        description='"all", or names of fields with commas',
        json_schema_extra={"pattern": f"^(all|{_NAME}(,{_NAME})*)$"},
    )

    def client_query(self) -> ClientQuery:
        """What management is asked. Nobody is idle here: who is connected and has no session isn't listed."""
        connected = None if self.conn_state is None else self.conn_state == "connected"
        one = self.clientid[0] if len(self.clientid) == 1 else None
        return ClientQuery(
            client_id=one,
            client_ids=() if one is not None else tuple(self.clientid),
            usernames=tuple(self.username),
            ip_address=self.ip_address,
            connected=connected,
            clean_start=self.clean_start,
            protocol_level=self.proto_ver,
            client_id_contains=self.like_clientid,
            username_contains=self.like_username,
            created_from=self.gte_created_at,
            created_to=_end(self.lte_created_at),
            connected_from=self.gte_connected_at,
            connected_to=_end(self.lte_connected_at),
        )


class ClientsQuery(ClientFilters, PageQuery):
    """A page of what the filters leave."""


class CursorQuery(ClientFilters):
    """What the filters leave, behind a cursor."""

    cursor: str | None = Field(None, description="From the answer before", json_schema_extra={"format": "cursor"})
    limit: Annotated[Number, Field(ge=1, le=MAX_ROWS)] = DEFAULT_ROWS


def _end(moment: float | None) -> float | None:
    return None if moment is None else moment + _LAST_OF_MS
