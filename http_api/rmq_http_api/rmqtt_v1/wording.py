"""What many answers have in common: times as text, nodes, and nodes that gave no answer.

RMQTT's documents say ``node_status``, its answers of today ``running``: both are given.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import WithJsonSchema

from rmq.management.models import MissingNode, NodeRef
from rmq_http_api.dialects import Dialect
from rmq_http_api.shapes import TypedDict

PREFIX: Final = "/api/v1"
DIALECT: Final = Dialect("rmqtt_v1", "RMQTT v1", PREFIX)
RUNNING: Final = "Running"
DOWN: Final = "Down"
# Where an answer has no room for them, nodes that gave none are named here: "3, 5".
MISSING_NODES: Final = "X-RMQ-Missing-Nodes"

NodeState = Literal["Running", "Down"]
# Figures of a node that gives none.
NoFigures = Annotated[dict[str, int], WithJsonSchema({"type": "object", "maxProperties": 0})]


class NodeFacts(TypedDict):
    """A node in brokers and nodes."""

    node_id: int
    node_name: str
    node_status: NodeState
    running: bool


class DownNodeFacts(NodeFacts):
    """A node without an answer in brokers and nodes."""

    error: str


class NodeStatus(TypedDict):
    """A node in sums, by its id."""

    name: str
    status: NodeState
    running: bool


class DownNodeStatus(NodeStatus):
    """A node without an answer in sums."""

    error: str


class NodeObject(NodeStatus):
    """A node in stats and metrics."""

    id: int


NodesOfSum = dict[str, NodeStatus | DownNodeStatus]


def local_time(seconds: float | None) -> str:
    """``YYYY-MM-DD HH:mm:ss`` in this machine's time zone, as RMQTT writes times; "" for none."""
    return "" if seconds is None else f"{datetime.fromtimestamp(int(seconds)):%Y-%m-%d %H:%M:%S}"


def utc_time(seconds: float) -> str:
    """``YYYY-MM-DD HH:mm:ss UTC``."""
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M:%S} UTC"


def username_text(username: str | None) -> str:
    """A user name as RMQTT writes it: "undefined" for none."""
    return "undefined" if username is None else username


def duration(seconds: float) -> str:
    """``5 days 23 hours, 16 minutes, 3 seconds``."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} hours, {minutes} minutes, {left} seconds"


def version_text(version: str) -> str:
    """``rmq/1.2.3``."""
    return f"rmq/{version}"


def node_facts(node: NodeRef) -> NodeFacts:
    """A node in brokers and nodes."""
    return {
        "node_id": node.node_id,
        "node_name": node.name,
        "node_status": RUNNING if node.running else DOWN,
        "running": node.running,
    }


def missing_facts(node: MissingNode) -> DownNodeFacts:
    """A node without an answer in brokers and nodes."""
    return {
        "node_id": node.node_id,
        "node_name": node.name,
        "node_status": DOWN,
        "running": False,
        "error": node.reason,
    }


def node_object(node: NodeRef) -> NodeObject:
    """A node in stats and metrics."""
    return {
        "id": node.node_id,
        "name": node.name,
        "status": RUNNING if node.running else DOWN,
        "running": node.running,
    }


def missing_object(node: MissingNode) -> NodeObject:
    """A node without an answer in stats and metrics."""
    return {"id": node.node_id, "name": node.name, "status": DOWN, "running": False}


def nodes_of_sum(nodes: Iterable[NodeRef], missing: Iterable[MissingNode]) -> NodesOfSum:
    """The nodes of a sum by their ids; those that gave no answer are named among them."""
    found: NodesOfSum = {}
    for node in nodes:
        state: NodeState = RUNNING if node.running else DOWN
        found[str(node.node_id)] = {"name": node.name, "status": state, "running": node.running}
    for silent in missing:
        found[str(silent.node_id)] = {"name": silent.name, "status": DOWN, "running": False, "error": silent.reason}
    return found


def missing_header(missing: Iterable[MissingNode]) -> Mapping[str, str]:
    """The header that names nodes without an answer; none without any."""
    numbers = ", ".join(str(node.node_id) for node in missing)
    return {MISSING_NODES: numbers} if numbers else {}
