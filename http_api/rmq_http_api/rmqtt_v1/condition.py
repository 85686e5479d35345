"""Whether nodes can serve, what they can do, and what their processes use."""

from typing import Any

from rmq.management.models import HealthView, MissingNode, SystemFigures
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import RETRY_AFTER_S
from rmq_http_api.parameters import NoQuery
from rmq_http_api.rmqtt_v1.wording import JSON_OBJECT, JSON_ROWS, PREFIX, missing_header, missing_object, node_object
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

Plain = Call[NoQuery, None]


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
                answers=JSON_OBJECT,
            ),
            Route(
                "GET",
                f"{health}/{{node:int}}",
                "check_node_health",
                "Whether one node can serve",
                self.health_of,
                answers=JSON_OBJECT,
            ),
            Route("GET", features, "get_features", "What each node can do", self.features, answers=JSON_OBJECT),
            Route(
                "GET",
                f"{features}/{{node:int}}",
                "get_node_features",
                "What one node can do",
                self.features_of,
                answers=JSON_OBJECT,
            ),
            Route("GET", system, "get_sys_stats", "What the process of each node uses", self.system, answers=JSON_ROWS),
            Route(
                "GET",
                f"{system}/{{node:int}}",
                "get_node_sys_stats",
                "What one process uses",
                self.system_of,
                answers=JSON_OBJECT,
            ),
            Route(
                "GET",
                f"{system}/sum",
                "get_sys_stats_sum",
                "What all nodes' processes use",
                self.system_sum,
                answers=JSON_OBJECT,
            ),
        ]

    async def health(self, call: Plain) -> Answer:
        """503 when the node that answers can't serve; ``running`` is about that node."""
        found = await self._management.health()
        own = found.answers[0]
        nodes = [health_object(one) for one in found.answers] + [_silent(one) for one in found.missing]
        nodes.sort(key=_node_id)
        body = {"running": own.serving, "descr": own.reason or "Ok", "nodes": nodes}
        return _health_answer(body, missing_header(found.missing), is_well=own.serving)

    async def health_of(self, call: Plain) -> Answer:
        """503 when it can't serve."""
        found = await self._management.health_of(call.path.number("node"))
        return _health_answer(health_object(found), {}, is_well=found.serving)

    async def features(self, call: Plain) -> Answer:
        """What the nodes can do, and what they don't agree on."""
        found = await self._management.features()
        nodes = [
            {"node_id": one.node.node_id, "node_name": one.node.name, "features": dict(one.features)}
            for one in sorted(found.answers, key=lambda one: one.node.node_id)
        ]
        names = sorted({name for one in found.answers for name in one.features})
        conflicts = [name for name in names if len({one.features.get(name) for one in found.answers}) > 1]
        body: dict[str, Any] = {"consistent": not conflicts, "node_count": len(nodes), "nodes": nodes}
        if conflicts:
            body["conflicts"] = conflicts
        return json_answer(body, headers=missing_header(found.missing))

    async def features_of(self, call: Plain) -> Answer:
        """What one node can do."""
        found = await self._management.features_of(call.path.number("node"))
        body = {"node_id": found.node.node_id, "node_name": found.node.name, "features": dict(found.features)}
        return json_answer(body)

    async def system(self, call: Plain) -> Answer:
        """Each node."""
        found = await self._management.system()
        rows = [system_object(one) for one in found.answers]
        rows += [{"node": missing_object(one), "stats": {}, "error": one.reason} for one in found.missing]
        rows.sort(key=lambda row: row["node"]["id"])
        return json_answer(rows, headers=missing_header(found.missing))

    async def system_of(self, call: Plain) -> Answer:
        """One node."""
        return json_answer(system_object(await self._management.system_of(call.path.number("node"))))

    async def system_sum(self, call: Plain) -> Answer:
        """All nodes, added up."""
        found = await self._management.system()
        nodes = [node_object(one.node) for one in found.answers]
        nodes += [{**missing_object(one), "error": one.reason} for one in found.missing]
        stats: dict[str, int] = {}
        for one in found.answers:
            for name, value in one.values.items():
                stats[name] = stats.get(name, 0) + value
        by_id = {str(node.pop("id")): node for node in nodes}
        return json_answer({"nodes": by_id, "stats": stats}, headers=missing_header(found.missing))


def health_object(health: HealthView) -> dict[str, Any]:
    """The health of one node."""
    found: dict[str, Any] = {"node_id": health.node.node_id, "running": health.serving}
    if health.leader is not None:
        found["leader_id"] = health.leader
    if health.reason:
        found["descr"] = health.reason
    return found


def system_object(figures: SystemFigures) -> dict[str, Any]:
    """What one process uses."""
    return {"node": node_object(figures.node), "stats": dict(figures.values)}


def _health_answer(body: dict[str, Any], headers: Any, *, is_well: bool) -> Answer:
    if is_well:
        return json_answer(body, headers=headers)
    return json_answer(body, 503, {**headers, "Retry-After": str(RETRY_AFTER_S)})


def _silent(node: MissingNode) -> dict[str, Any]:
    return {"node_id": node.node_id, "running": False, "descr": node.reason}


def _node_id(row: dict[str, Any]) -> int:
    number: int = row["node_id"]
    return number
