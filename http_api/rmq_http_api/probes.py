"""/health/live and /health/ready, for whoever starts and stops nodes: open to all, and cheap."""

from typing import Literal

from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import RETRY_AFTER_S
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[NoQuery, None]


class Live(TypedDict):
    """The process answers."""

    status: Literal["live"]


class Ready(TypedDict):
    """The node can serve clients."""

    status: Literal["ready"]


class NotReady(TypedDict):
    """The node can't serve clients, and why."""

    status: Literal["not ready"]
    reason: str


class Probes:
    """The two routes."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """Both."""
        return [
            Route(
                "GET",
                "/health/live",
                "live",
                "Whether the process answers at all",
                self.live,
                answers=(Live,),
                open=True,
            ),
            Route(
                "GET",
                "/health/ready",
                "ready",
                "Whether the node can serve clients",
                self.ready,
                answers=(Ready,),
                refusal=NotReady,
                open=True,
            ),
        ]

    async def live(self, call: Plain) -> Answer:
        """That it answers is the answer."""
        return json_answer({"status": "live"})

    async def ready(self, call: Plain) -> Answer:
        """200, or 503 with the reason."""
        health = await self._management.health_of(self._management.local.ref.node_id)
        if health.serving:
            return json_answer({"status": "ready"})
        return json_answer({"status": "not ready", "reason": health.reason}, 503, {"Retry-After": str(RETRY_AFTER_S)})
