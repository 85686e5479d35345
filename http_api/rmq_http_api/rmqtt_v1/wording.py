"""What many answers have in common: times as text, nodes, and nodes that gave no answer.

RMQTT's documents say ``node_status``, its answers of today ``running``: both are given.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rmq.management.models import MissingNode, NodeRef

PREFIX: Final = "/api/v1"
# What routes say of answers whose fields depend on the node, for OpenAPI.
JSON_OBJECT: Final = (dict[str, Any],)
JSON_ROWS: Final = (list[dict[str, Any]],)
RUNNING: Final = "Running"
DOWN: Final = "Down"
# Where an answer has no room for them, nodes that gave none are named here: "3, 5".
MISSING_NODES: Final = "X-RMQ-Missing-Nodes"


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


def status(*, running: bool) -> dict[str, Any]:
    """The state of a node under both of its names."""
    return {"status": RUNNING if running else DOWN, "running": running}


def node_facts(node: NodeRef) -> dict[str, Any]:
    """A node in brokers and nodes."""
    return {
        "node_id": node.node_id,
        "node_name": node.name,
        "node_status": RUNNING if node.running else DOWN,
        "running": node.running,
    }


def missing_facts(node: MissingNode) -> dict[str, Any]:
    """A node without an answer in brokers and nodes."""
    return {
        "node_id": node.node_id,
        "node_name": node.name,
        "node_status": DOWN,
        "running": False,
        "error": node.reason,
    }


def node_object(node: NodeRef) -> dict[str, Any]:
    """A node in stats and metrics."""
    return {"id": node.node_id, "name": node.name, **status(running=node.running)}


def missing_object(node: MissingNode) -> dict[str, Any]:
    """A node without an answer in stats and metrics."""
    return {"id": node.node_id, "name": node.name, **status(running=False)}


def missing_header(missing: Iterable[MissingNode]) -> Mapping[str, str]:
    """The header that names nodes without an answer; none without any."""
    numbers = ", ".join(str(node.node_id) for node in missing)
    return {MISSING_NODES: numbers} if numbers else {}
