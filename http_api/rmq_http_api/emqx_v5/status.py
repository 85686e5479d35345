"""/status, with and without /api/v5 in front: whether this node runs, for load balancers; open to all."""

from typing import Final, Literal

from pydantic import Field

from rmq_http_api.answers import TEXT, Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.parameters import Query
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

# When a load balancer should look again, in seconds; as EMQX says it.
RETRY_AFTER_S: Final = 15


class StatusQuery(Query):
    """Text for people, unless JSON is asked for."""

    format: Literal["text", "json"] = Field("text", description="How the answer is written")


class BrokerStatusObject(TypedDict):
    """How the node is."""

    node_name: str
    rel_vsn: str
    cluster: Literal["running", "stopped"]
    broker_status: Literal["started", "stopped"]
    app_status: Literal["running", "not_running"]


class StatusRoutes:
    """The two routes."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """Both."""
        return [
            Route(
                "GET",
                path,
                name,
                "Whether this node runs",
                self.status,
                StatusQuery,
                answers=(str, BrokerStatusObject),
                refusal=BrokerStatusObject,
                open=True,
            )
            for path, name in ((f"{PREFIX}/status", "status"), ("/status", "plain_status"))
        ]

    async def status(self, call: Call[StatusQuery, None]) -> Answer:
        """200, or 503 where clients can't be served now."""
        local = self._management.local
        health = await self._management.health_of(local.ref.node_id)
        status = 200 if health.serving else 503
        headers = {} if health.serving else {"Retry-After": str(RETRY_AFTER_S)}
        if call.query.format == "json":
            body: BrokerStatusObject = {
                "node_name": local.ref.name,
                "rel_vsn": local.broker_info().version,
                "cluster": "running" if health.serving else "stopped",
                "broker_status": "started",
                "app_status": "running" if health.serving else "not_running",
            }
            return json_answer(body, status, headers)
        state = "is running" if health.serving else f"is not_running: {health.reason}"
        return Answer(f"Node {local.ref.name} is started\nemqx {state}".encode(), TEXT, status, headers)
