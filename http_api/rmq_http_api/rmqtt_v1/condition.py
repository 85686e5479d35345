"""Whether nodes can serve, what they can do, and what their processes use."""

from collections.abc import Mapping
from typing import NotRequired

from rmq.management.models import FeaturesView, HealthView, MissingNode, SystemFigures
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import RETRY_AFTER_S
from rmq_http_api.parameters import NoQuery
from rmq_http_api.rmqtt_v1.wording import (
    PREFIX,
    NodeObject,
    NodesOfSum,
    NoFigures,
    missing_header,
    missing_object,
    node_object,
    nodes_of_sum,
)
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[NoQuery, None]


class HealthObject(TypedDict):
    """The health of a node; ``descr`` says why it can't serve."""

    node_id: int
    running: bool
    leader_id: NotRequired[int]
    descr: NotRequired[str]


class HealthOfAll(TypedDict):
    """``running`` and ``descr`` are about the node that answers."""

    running: bool
    descr: str
    nodes: list[HealthObject]


class FeaturesObject(TypedDict):
    """What a node can do."""

    node_id: int
    node_name: str
    features: dict[str, bool]


class FeaturesOfAll(TypedDict):
    """What the nodes can do; ``conflicts`` are what they don't agree on."""

    consistent: bool
    node_count: int
    nodes: list[FeaturesObject]
    conflicts: NotRequired[list[str]]


class SystemObject(TypedDict):
    """What a process uses, by name; memory in bytes."""

    node: NodeObject
    stats: dict[str, int]


class DownSystem(TypedDict):
    """A node without an answer."""

    node: NodeObject
    stats: NoFigures
    error: str


class SystemSum(TypedDict):
    """What the processes of all nodes use."""

    nodes: NodesOfSum
    stats: dict[str, int]


SystemRow = SystemObject | DownSystem


class ConditionRoutes:
    """The routes of health, features and the process's figures."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        health, features, system = f"{PREFIX}/health/check", f"{PREFIX}/features", f"{PREFIX}/stats/sys"
        return [
            Route(
                "GET",
                health,
                "check_health",
                "Whether this node can serve, and how the others are",
                self.health,
                answers=(HealthOfAll,),
                refusal=HealthOfAll,
            ),
            Route(
                "GET",
                f"{health}/{{node:int}}",
                "check_node_health",
                "Whether one node can serve",
                self.health_of,
                answers=(HealthObject,),
                refusal=HealthObject,
            ),
            Route("GET", features, "get_features", "What each node can do", self.features, answers=(FeaturesOfAll,)),
            Route(
                "GET",
                f"{features}/{{node:int}}",
                "get_node_features",
                "What one node can do",
                self.features_of,
                answers=(FeaturesObject,),
            ),
            Route(
                "GET",
                system,
                "get_sys_stats",
                "What the process of each node uses",
                self.system,
                answers=(list[SystemRow],),
            ),
            Route(
                "GET",
                f"{system}/{{node:int}}",
                "get_node_sys_stats",
                "What one process uses",
                self.system_of,
                answers=(SystemObject,),
            ),
            Route(
                "GET",
                f"{system}/sum",
                "get_sys_stats_sum",
                "What all nodes' processes use",
                self.system_sum,
                answers=(SystemSum,),
            ),
        ]

    async def health(self, call: Plain) -> Answer:
        """503 when the node that answers can't serve; ``running`` is about that node."""
        found = await self._management.health()
        own = found.answers[0]
        nodes = [health_object(one) for one in found.answers] + [_silent(one) for one in found.missing]
        nodes.sort(key=lambda row: row["node_id"])
        body: HealthOfAll = {"running": own.serving, "descr": own.reason or "Ok", "nodes": nodes}
        return _health_answer(body, missing_header(found.missing), is_well=own.serving)

    async def health_of(self, call: Plain) -> Answer:
        """503 when it can't serve."""
        found = await self._management.health_of(call.path.number("node"))
        return _health_answer(health_object(found), {}, is_well=found.serving)

    async def features(self, call: Plain) -> Answer:
        """What the nodes can do, and what they don't agree on."""
        found = await self._management.features()
        nodes = [features_object(one) for one in sorted(found.answers, key=lambda one: one.node.node_id)]
        names = sorted({name for one in found.answers for name in one.features})
        conflicts = [name for name in names if len({one.features.get(name) for one in found.answers}) > 1]
        body: FeaturesOfAll = {"consistent": not conflicts, "node_count": len(nodes), "nodes": nodes}
        if conflicts:
            body["conflicts"] = conflicts
        return json_answer(body, headers=missing_header(found.missing))

    async def features_of(self, call: Plain) -> Answer:
        """What one node can do."""
        return json_answer(features_object(await self._management.features_of(call.path.number("node"))))

    async def system(self, call: Plain) -> Answer:
        """Each node."""
        found = await self._management.system()
        rows: list[SystemRow] = [system_object(one) for one in found.answers]
        rows += [_silent_system(one) for one in found.missing]
        rows.sort(key=lambda row: row["node"]["id"])
        return json_answer(rows, headers=missing_header(found.missing))

    async def system_of(self, call: Plain) -> Answer:
        """One node."""
        return json_answer(system_object(await self._management.system_of(call.path.number("node"))))

    async def system_sum(self, call: Plain) -> Answer:
        """All nodes, added up."""
        found = await self._management.system()
        stats: dict[str, int] = {}
        for one in found.answers:
            for name, value in one.values.items():
                stats[name] = stats.get(name, 0) + value
        nodes = nodes_of_sum((one.node for one in found.answers), found.missing)
        body: SystemSum = {"nodes": nodes, "stats": stats}
        return json_answer(body, headers=missing_header(found.missing))


def health_object(health: HealthView) -> HealthObject:
    """The health of one node."""
    found: HealthObject = {"node_id": health.node.node_id, "running": health.serving}
    if health.leader is not None:
        found["leader_id"] = health.leader
    if health.reason:
        found["descr"] = health.reason
    return found


def features_object(found: FeaturesView) -> FeaturesObject:
    """What one node can do."""
    return {"node_id": found.node.node_id, "node_name": found.node.name, "features": dict(found.features)}


def system_object(figures: SystemFigures) -> SystemObject:
    """What one process uses."""
    return {"node": node_object(figures.node), "stats": dict(figures.values)}


def _health_answer(body: object, headers: Mapping[str, str], *, is_well: bool) -> Answer:
    if is_well:
        return json_answer(body, headers=headers)
    return json_answer(body, 503, {**headers, "Retry-After": str(RETRY_AFTER_S)})


def _silent(node: MissingNode) -> HealthObject:
    return {"node_id": node.node_id, "running": False, "descr": node.reason}


def _silent_system(node: MissingNode) -> DownSystem:
    return {"node": missing_object(node), "stats": {}, "error": node.reason}
