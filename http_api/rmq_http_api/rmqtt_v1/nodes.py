"""Brokers and nodes: what they are and how they are, all of them or one."""

from rmq.management.models import BrokerInfo, NodeInfo
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import NoQuery
from rmq_http_api.rmqtt_v1.wording import (
    PREFIX,
    DownNodeFacts,
    NodeFacts,
    duration,
    local_time,
    missing_facts,
    missing_header,
    node_facts,
    utc_time,
    version_text,
)
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

Plain = Call[NoQuery, None]


class BrokerObject(NodeFacts):
    """What a node is; its local time as ``YYYY-MM-DD HH:mm:ss``."""

    datetime: str
    sysdescr: str
    uptime: str
    version: str


class NodeInfoObject(NodeFacts):
    """How a node and its machine are; sizes in bytes, 0 where the machine doesn't tell."""

    boottime: str
    connections: int
    disk_free: int
    disk_total: int
    load1: float
    load5: float
    load15: float
    memory_free: int
    memory_total: int
    memory_used: int
    uptime: str
    version: str


BrokerRow = BrokerObject | DownNodeFacts
NodeRow = NodeInfoObject | DownNodeFacts


class NodeRoutes:
    """The routes of brokers and nodes."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        return [
            Route(
                "GET",
                f"{PREFIX}/brokers",
                "get_brokers",
                "What the nodes are",
                self.brokers,
                answers=(list[BrokerRow],),
            ),
            Route(
                "GET",
                f"{PREFIX}/brokers/{{node:int}}",
                "get_broker",
                "What one node is",
                self.broker,
                answers=(BrokerObject,),
            ),
            Route(
                "GET",
                f"{PREFIX}/nodes",
                "get_nodes",
                "How the nodes and their machines are",
                self.nodes,
                answers=(list[NodeRow],),
            ),
            Route(
                "GET",
                f"{PREFIX}/nodes/{{node:int}}",
                "get_node",
                "How one node and its machine are",
                self.node,
                answers=(NodeInfoObject,),
            ),
        ]

    async def brokers(self, call: Plain) -> Answer:
        """All nodes."""
        found = await self._management.brokers()
        rows: list[BrokerRow] = [broker_object(one) for one in found.answers]
        rows += [missing_facts(one) for one in found.missing]
        rows.sort(key=lambda row: row["node_id"])
        return json_answer(rows, headers=missing_header(found.missing))

    async def broker(self, call: Plain) -> Answer:
        """One node."""
        return json_answer(broker_object(await self._management.broker(call.path.number("node"))))

    async def nodes(self, call: Plain) -> Answer:
        """All nodes."""
        found = await self._management.nodes()
        rows: list[NodeRow] = [node_info_object(one) for one in found.answers]
        rows += [missing_facts(one) for one in found.missing]
        rows.sort(key=lambda row: row["node_id"])
        return json_answer(rows, headers=missing_header(found.missing))

    async def node(self, call: Plain) -> Answer:
        """One node."""
        return json_answer(node_info_object(await self._management.node(call.path.number("node"))))


def broker_object(info: BrokerInfo) -> BrokerObject:
    """What a node is."""
    return {
        **node_facts(info.node),
        "datetime": local_time(info.now),
        "sysdescr": info.description,
        "uptime": duration(info.uptime_s),
        "version": version_text(info.version),
    }


def node_info_object(info: NodeInfo) -> NodeInfoObject:
    """How a node is."""
    return {
        **node_facts(info.node),
        "boottime": utc_time(info.boot_time),
        "connections": info.connections,
        "disk_free": info.disk_free,
        "disk_total": info.disk_total,
        "load1": info.load1,
        "load5": info.load5,
        "load15": info.load15,
        "memory_free": info.memory_free,
        "memory_total": info.memory_total,
        "memory_used": info.memory_used,
        "uptime": duration(info.uptime_s),
        "version": version_text(info.version),
    }
