"""Nodes: what they are (management), and how they and their machines are (monitoring)."""

from typing import Literal, NotRequired

from rmq.management.models import BrokerInfo, MissingNode, NodeInfo, SystemFigures
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.wording import (
    PREFIX,
    answers_of,
    duration,
    local_time,
    missing_header,
    name_of,
    node_id_of,
    result_answer,
    size_text,
)
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[NoQuery, None]


class BrokerObject(TypedDict):
    """What a node is; ``name`` where there are others beside it. ``otp_release`` is a name of what runs it."""

    name: NotRequired[str]
    version: str
    sysdescr: str
    uptime: str
    datetime: str
    otp_release: str
    node_status: Literal["Running"]


class NodeObject(TypedDict):
    """How a node is; sizes as ``69.19M``. Processes are tasks in EMQX; here they are threads, as far as they go."""

    name: str
    otp_release: str
    memory_total: str
    memory_used: str
    process_available: int
    process_used: int
    max_fds: int
    clients: int
    node_status: Literal["Running"]
    load1: str
    load5: str
    load15: str


class StoppedNode(TypedDict):
    """A node without an answer."""

    name: str
    node_status: Literal["Stopped"]


BrokerRow = BrokerObject | StoppedNode
NodeRow = NodeObject | StoppedNode

# EMQX's own limit; here tasks have none.
PROCESS_LIMIT = 262_144


class NodeRoutes:
    """The routes of nodes."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        brokers, nodes = f"{PREFIX}/management/nodes", f"{PREFIX}/monitoring/nodes"
        return [
            Route("GET", brokers, "v2_brokers", "What nodes are", self.brokers, answers=answers_of(list[BrokerRow])),
            Route(
                "GET",
                f"{brokers}/{{node}}",
                "v2_broker",
                "What one node is",
                self.broker,
                answers=answers_of(BrokerObject),
            ),
            Route("GET", nodes, "v2_nodes", "How nodes are", self.nodes, answers=answers_of(list[NodeRow])),
            Route("GET", f"{nodes}/{{node}}", "v2_node", "How one node is", self.node, answers=answers_of(NodeObject)),
        ]

    async def brokers(self, call: Plain) -> Answer:
        """All nodes."""
        found = await self._management.brokers()
        answers = sorted(found.answers, key=lambda one: one.node.node_id)
        rows: list[BrokerRow] = [{"name": one.node.name, **broker_object(one)} for one in answers]
        rows += [stopped_node(one) for one in found.missing]
        return result_answer(rows, missing_header(found.missing))

    async def broker(self, call: Plain) -> Answer:
        """One node."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        return result_answer(broker_object(await self._management.broker(node_id)))

    async def nodes(self, call: Plain) -> Answer:
        """All nodes."""
        found = await self._management.nodes()
        system = {one.node.node_id: one for one in (await self._management.system()).answers}
        answers = sorted(found.answers, key=lambda one: one.node.node_id)
        rows: list[NodeRow] = [node_object(one, system.get(one.node.node_id)) for one in answers]
        rows += [stopped_node(one) for one in found.missing]
        return result_answer(rows, missing_header(found.missing))

    async def node(self, call: Plain) -> Answer:
        """One node."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        info = await self._management.node(node_id)
        return result_answer(node_object(info, await self._management.system_of(node_id)))


def broker_object(info: BrokerInfo) -> BrokerObject:
    """What a node is, without its name."""
    return {
        "version": info.version,
        "sysdescr": info.description,
        "uptime": duration(info.uptime_s),
        "datetime": local_time(info.now),
        "otp_release": release(info.version),
        "node_status": "Running",
    }


def node_object(info: NodeInfo, system: SystemFigures | None) -> NodeObject:
    """How a node is."""
    return {
        "name": info.node.name,
        "otp_release": release(info.version),
        "memory_total": size_text(info.memory_total),
        "memory_used": size_text(info.memory_used),
        "process_available": PROCESS_LIMIT,
        "process_used": 0 if system is None else system.values.get("tasks", 0),
        "max_fds": info.max_open_files,
        "clients": info.connections,
        "node_status": "Running",
        "load1": f"{info.load1:.2f}",
        "load5": f"{info.load5:.2f}",
        "load15": f"{info.load15:.2f}",
    }


def stopped_node(node: MissingNode) -> StoppedNode:
    """A node without an answer."""
    return {"name": name_of(node), "node_status": "Stopped"}


def release(version: str) -> str:
    """What runs the node: EMQX has the release of Erlang here."""
    return f"rmq/{version}"
