"""Brokers and nodes: what each node is, and how many clients it has."""

from rmq.management.models import BrokerInfo, NodeInfo
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.nanomq.answers import data_answer, missing_header
from rmq_http_api.nanomq_v4.wording import PREFIX, RUNNING, duration, local_time
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class BrokerObject(TypedDict):
    """What a node is; NanoMQ has one only, so ``node_id`` is ours."""

    node_id: int
    datetime: str
    node_status: str
    sysdescr: str
    uptime: str
    version: str


class BrokersAnswer(TypedDict):
    """All nodes."""

    code: int
    data: list[BrokerObject]


class NodeObject(TypedDict):
    """How a node is; NanoMQ has one only, so ``node_id`` is ours."""

    node_id: int
    connections: int
    node_status: str
    uptime: str
    version: str


class NodesAnswer(TypedDict):
    """All nodes."""

    code: int
    data: list[NodeObject]


Plain = Call[NoQuery, None]


class NodeRoutes:
    """The routes of brokers and nodes."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        brokers, nodes = f"{PREFIX}/brokers", f"{PREFIX}/nodes"
        return [
            Route("GET", brokers, "list_brokers", "The brokers of the cluster", self.brokers, answers=(BrokersAnswer,)),
            Route("GET", nodes, "list_nodes", "The nodes of the cluster", self.nodes, answers=(NodesAnswer,)),
        ]

    async def brokers(self, call: Plain) -> Answer:
        """What each node is."""
        found = await self._management.brokers()
        rows = sorted(found.answers, key=lambda broker: broker.node.node_id)
        return data_answer([_broker_object(broker) for broker in rows], missing_header(found.missing))

    async def nodes(self, call: Plain) -> Answer:
        """How each node is."""
        found = await self._management.nodes()
        rows = sorted(found.answers, key=lambda node: node.node.node_id)
        return data_answer([_node_object(node) for node in rows], missing_header(found.missing))


def _broker_object(broker: BrokerInfo) -> BrokerObject:
    return {
        "node_id": broker.node.node_id,
        "datetime": local_time(broker.now),
        "node_status": RUNNING,
        "sysdescr": broker.description,
        "uptime": duration(broker.uptime_s),
        "version": broker.version,
    }


def _node_object(node: NodeInfo) -> NodeObject:
    return {
        "node_id": node.node.node_id,
        "connections": node.connections,
        "node_status": RUNNING,
        "uptime": duration(node.uptime_s),
        "version": node.version,
    }
