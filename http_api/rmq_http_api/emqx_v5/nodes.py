"""Nodes: how each of them and its machine is; one that doesn't answer is stopped."""

from typing import Final, Literal, NotRequired

from rmq.management.models import Gathered, MissingNode, NodeFigures, NodeInfo
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.names import find_node
from rmq_http_api.emqx_v5.pages import missing_header
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

EDITION: Final = "Opensource"


class NodeObject(TypedDict):
    """A node; ``uptime`` in milliseconds, memory as text, as EMQX writes it. A stopped one has only its name."""

    node: str
    node_status: Literal["running", "stopped"]
    version: NotRequired[str]
    edition: NotRequired[str]
    role: NotRequired[Literal["core", "replicant"]]
    uptime: NotRequired[int]
    otp_release: NotRequired[str]
    connections: NotRequired[int]
    live_connections: NotRequired[int]
    cluster_sessions: NotRequired[int]
    load1: NotRequired[float]
    load5: NotRequired[float]
    load15: NotRequired[float]
    memory_total: NotRequired[str]
    memory_used: NotRequired[str]
    max_fds: NotRequired[int]
    process_available: NotRequired[int]
    process_used: NotRequired[int]
    sys_path: NotRequired[str]
    log_path: NotRequired[str]


Plain = Call[NoQuery, None]


class NodeRoutes:
    """The routes of nodes; stats and metrics of one are among ``figures``."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """Both."""
        path = f"{PREFIX}/nodes"
        one = f"{path}/{{node}}"
        return [
            Route("GET", path, "nodes", "All nodes", self.all, answers=(list[NodeObject],)),
            Route("GET", one, "node", "One node", self.one, answers=(NodeObject,)),
        ]

    async def all(self, call: Plain) -> Answer:
        """Each node, by number."""
        infos = await self._management.nodes()
        figures = await self._management.figures()
        by_node = {one.node.node_id: one for one in figures.answers}
        sessions = _sessions(figures)
        rows = [(one.node.node_id, _node_object(one, by_node.get(one.node.node_id), sessions)) for one in infos.answers]
        rows += [(one.node_id, stopped_object(one)) for one in infos.missing]
        rows.sort(key=lambda row: row[0])
        return json_answer([row for _, row in rows], headers=missing_header(infos.missing))

    async def one(self, call: Plain) -> Answer:
        """One node; stopped if it doesn't answer."""
        node_id = await find_node(self._management, call.path.text("node"))
        infos = await self._management.nodes()
        for missing in infos.missing:
            if missing.node_id == node_id:
                return json_answer(stopped_object(missing))
        figures = await self._management.figures()
        by_node = {one.node.node_id: one for one in figures.answers}
        (info,) = [one for one in infos.answers if one.node.node_id == node_id]
        return json_answer(_node_object(info, by_node.get(node_id), _sessions(figures)))


def stopped_object(missing: MissingNode) -> NodeObject:
    """A node that doesn't answer."""
    return {"node": missing.name or f"node {missing.node_id}", "node_status": "stopped"}


def _sessions(figures: Gathered[NodeFigures]) -> int:
    return sum(one.stats["sessions.count"] for one in figures.answers)


def _node_object(info: NodeInfo, figures: NodeFigures | None, sessions: int) -> NodeObject:
    """A node that runs. There is no OTP here, and no processes within it: its threads are told."""
    own = info.connections if figures is None else figures.stats["sessions.count"]
    return {
        "node": info.node.name,
        "node_status": "running" if info.node.running else "stopped",
        "version": info.version,
        "edition": EDITION,
        "role": "core",
        "uptime": int(info.uptime_s * 1000),
        "otp_release": "",
        "connections": own,
        "live_connections": info.connections,
        "cluster_sessions": sessions,
        "load1": info.load1,
        "load5": info.load5,
        "load15": info.load15,
        "memory_total": _amount(info.memory_total),
        "memory_used": _amount(info.memory_used),
        "max_fds": info.max_open_files,
        "process_available": 0,
        "process_used": 0 if figures is None else figures.threads,
        "sys_path": "",
        "log_path": "",
    }


def _amount(size: int) -> str:
    """``1.50G``, as EMQX writes sizes."""
    value = float(size)
    for unit in ("", "K", "M", "G"):
        if value < 1024 or unit == "G":
            break
        value /= 1024
    return f"{value:.2f}{unit}"
