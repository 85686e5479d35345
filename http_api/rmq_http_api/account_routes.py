"""What our own routes of users and of API keys have in common: who may ask, and how times are written."""

from collections.abc import Callable
from datetime import UTC, datetime

from rmq_http_api.calls import ADMINISTRATOR
from rmq_http_api.parameters import Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route


def account_route(
    method: str,
    path: str,
    name: str,
    summary: str,
    handler: Callable[..., object],
    answer: object,
    body: type[Body] | None = None,
) -> AnyRoute:
    """A route for administrators who have logged in."""
    return Route(
        method,
        path,
        name,
        summary,
        handler,  # type: ignore[arg-type]  # handlers of routes with and without a body
        NoQuery,
        body,
        answers=(answer,),
        role=ADMINISTRATOR,
        login=True,
    )


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
