"""/load_rebalance: nodes that are drained, which EMQX calls evacuated, and whether a node takes clients.

Rebalancing isn't there: clients are moved away from a node that is to stop, and from no other.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field

from rmq.management.errors import ClusterRefused, NotInACluster
from rmq.management.node.evacuation import EvacuationView
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.names import find_node, node_names
from rmq_http_api.emqx_v5.pages import missing_header
from rmq_http_api.emqx_v5.wording import PREFIX, present_error
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

# EMQX's.
DEFAULT_RATE = 500

Rate = Annotated[int, Field(ge=1, le=1_000_000), WHOLE]
Span = Annotated[str, Field(max_length=32)] | Annotated[int, Field(ge=0), WHOLE]


class EvacuationBody(Body):
    """How many connections a second are ended.

    Kept sessions are on every node, so there is nothing to do for ``sess_evict_rate``, ``wait_takeover`` and
    ``migrate_to``, and whoever evacuates has looked at the node's health. They may be there, and change nothing.
    """

    conn_evict_rate: Rate = DEFAULT_RATE
    sess_evict_rate: Rate | None = None
    redirect_to: str | None = None
    wait_takeover: Span | None = None
    wait_health_check: Span | None = None
    migrate_to: list[str] | None = None


class Nothing(TypedDict):
    """An empty object."""


class EvacuationStats(TypedDict):
    """How far it is."""

    initial_connected: int
    current_connected: int
    initial_sessions: int
    current_sessions: int


class LoadRebalanceStatusObject(TypedDict):
    """How a node is evacuated; only ``status`` when it isn't."""

    status: Literal["enabled", "disabled"]
    process: NotRequired[Literal["evacuation"]]
    state: NotRequired[Literal["evicting_conns", "prohibiting"]]
    connection_eviction_rate: NotRequired[int]
    session_eviction_rate: NotRequired[int]
    connection_goal: NotRequired[int]
    session_goal: NotRequired[int]
    session_recipients: NotRequired[list[str]]
    stats: NotRequired[EvacuationStats]


class NodeEvacuation(TypedDict):
    """The same of a node."""

    node: str
    state: Literal["evicting_conns", "prohibiting"]
    connection_eviction_rate: int
    session_eviction_rate: int
    connection_goal: int
    session_goal: int
    session_recipients: list[str]
    stats: EvacuationStats


class GlobalStatus(TypedDict):
    """What goes on on all nodes."""

    evacuations: list[NodeEvacuation]
    purges: list[Any]
    rebalances: list[Any]


Plain = Call[NoQuery, None]


class LoadRebalanceRoutes:
    """The routes of evacuation."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/load_rebalance"
        evacuation = f"{path}/{{node}}/evacuation"
        return [
            Route(
                "GET",
                f"{path}/status",
                "rebalance_status",
                "Whether this node is evacuated",
                self.status,
                answers=(LoadRebalanceStatusObject,),
            ),
            Route(
                "GET",
                f"{path}/global_status",
                "rebalance_global_status",
                "Which nodes are evacuated",
                self.global_status,
                answers=(GlobalStatus,),
            ),
            Route(
                "GET",
                f"{path}/availability_check",
                "rebalance_availability",
                "Whether this node takes clients, for load balancers",
                self.availability,
                answers=(Nothing,),
                open=True,
            ),
            Route(
                "POST",
                f"{evacuation}/start",
                "evacuation_start",
                "Move a node's clients away",
                self.start,
                NoQuery,
                EvacuationBody,
                answers=(Nothing,),
            ),
            Route(
                "POST",
                f"{evacuation}/stop",
                "evacuation_stop",
                "Have a node take clients again",
                self.stop,
                answers=(Nothing,),
            ),
        ]

    async def status(self, call: Plain) -> Answer:
        """Of the node that is asked."""
        own = self._management.local.ref.node_id
        for view in (await self._management.operations.evacuations()).answers:
            if view.node.node_id == own and view.is_on:
                facts = _node_evacuation(view, await self._others(own))
                return json_answer({"status": "enabled", "process": "evacuation", **_without_node(facts)})
        body: LoadRebalanceStatusObject = {"status": "disabled"}
        return json_answer(body)

    async def global_status(self, call: Plain) -> Answer:
        """Of every node."""
        gathered = await self._management.operations.evacuations()
        views = sorted((view for view in gathered.answers if view.is_on), key=lambda view: view.node.node_id)
        body: GlobalStatus = {
            "evacuations": [_node_evacuation(view, await self._others(view.node.node_id)) for view in views],
            "purges": [],
            "rebalances": [],
        }
        return json_answer(body, headers=missing_header(gathered.missing))

    async def availability(self, call: Plain) -> Answer:
        """200, or 503 where a load balancer should send nobody."""
        health = await self._management.health_of(self._management.local.ref.node_id)
        if health.serving:
            return json_answer({})
        return present_error(ApiError(503, "NODE_EVACUATING", health.reason))

    async def start(self, call: Call[NoQuery, EvacuationBody]) -> Answer:
        """When it has begun."""
        body = call.body
        if body.redirect_to is not None:
            raise ApiError(
                400,
                "BAD_REQUEST",
                "redirect_to: clients are sent to where the listeners' advertise says, on other nodes",
            )
        node_id = await find_node(self._management, call.path.text("node"))
        if (await self._evacuation(node_id)).is_on:
            raise ApiError(400, "BAD_REQUEST", f"node {node_id} is evacuated already")
        try:
            await self._management.drain(node_id, float(body.conn_evict_rate))
        except (NotInACluster, ClusterRefused) as error:
            raise ApiError(400, "BAD_REQUEST", str(error)) from None
        return json_answer({})

    async def stop(self, call: Plain) -> Answer:
        """When it takes clients."""
        node_id = await find_node(self._management, call.path.text("node"))
        if not (await self._evacuation(node_id)).is_on:
            raise ApiError(400, "BAD_REQUEST", f"node {node_id} isn't evacuated")
        await self._management.undrain(node_id)
        return json_answer({})

    async def _evacuation(self, node_id: int) -> EvacuationView:
        return await self._management.operations.evacuation_of(node_id)

    async def _others(self, node_id: int) -> list[str]:
        names = await node_names(self._management)
        return [names[other] for other in sorted(names) if other != node_id]


def _node_evacuation(view: EvacuationView, others: list[str]) -> NodeEvacuation:
    rate = max(1, round(view.rate))
    return {
        "node": view.node.name,
        "state": "evicting_conns" if view.connected else "prohibiting",
        "connection_eviction_rate": rate,
        "session_eviction_rate": rate,
        "connection_goal": 0,
        "session_goal": 0,
        "session_recipients": others,
        "stats": {
            "initial_connected": view.begun_with,
            "current_connected": view.connected,
            "initial_sessions": 0,
            "current_sessions": 0,
        },
    }


def _without_node(facts: NodeEvacuation) -> dict[str, object]:
    return {name: value for name, value in facts.items() if name != "node"}
