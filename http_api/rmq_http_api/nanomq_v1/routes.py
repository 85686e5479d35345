"""The whole table of the dialect: one route."""

from rmq_http_api.calls import VIEWER
from rmq_http_api.nanomq_v1.requests import AnyAnswer, RequestBody, Requests
from rmq_http_api.nanomq_v1.wording import PREFIX
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService


def routes(service: ApiService) -> list[AnyRoute]:
    """All routes of the dialect; who may only read may ask, and each request that changes something looks again."""
    return [
        Route(
            "POST",
            PREFIX,
            "numbered_request",
            "Whatever `req` says: 2 the broker, 4 subscriptions, 5 clients, 11 and 12 the configuration",
            Requests(service).handle,
            NoQuery,
            RequestBody,
            answers=(AnyAnswer,),
            role=VIEWER,
            content="says anything",
        )
    ]
