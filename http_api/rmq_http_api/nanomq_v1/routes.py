"""The whole table of the dialect: one route."""

from rmq_http_api.calls import VIEWER
from rmq_http_api.nanomq_v1.requests import BrokerAnswer, ClientsAnswer, RequestBody, Requests, TopicsAnswer
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
            "Whatever `req` says: 2 the broker, 4 subscriptions, 5 clients",
            Requests(service).handle,
            NoQuery,
            RequestBody,
            answers=(BrokerAnswer, TopicsAnswer, ClientsAnswer),
            role=VIEWER,
            content="says anything",
        )
    ]
