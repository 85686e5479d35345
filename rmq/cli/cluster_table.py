"""What `rmq-node cluster status` prints: the state of a cluster as lines for a person."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

# In words that can't be taken for those of another column, and loud where somebody has to look.
STATES: Final = {"down": "DOWN", "left": "stopped"}
COLUMNS: Final = ("node", "name", "address", "state", "votes", "role", "link", "behind", "start")


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """A ``ClusterStatus``, as it comes in JSON."""
    members: Sequence[Mapping[str, Any]] = status["members"]
    own = status["node_id"]
    leader = "none known" if status["leader"] is None else f"node {status['leader']}"
    lines = [
        f"cluster  {status['cluster_id'] or 'not founded yet'}, as node {own} sees it",
        f"leader   {leader}, term {status['term']}",
        f"quorum   {'yes' if status['has_quorum'] else 'NO: nothing that is kept can be changed'}",
        f"log      {status['commit_index']} committed, {status['applied_index']} applied here",
    ]
    if status["draining"]:
        lines.append("drained  clients of this node are moved away, and it takes no new ones")
    lines += ["", *_table([COLUMNS, *(_row(member, own, status["leader"]) for member in members)])]
    if status["alarms"]:
        lines += ["", *(f"ALARM    {alarm}" for alarm in status["alarms"])]
    return lines


def _row(member: Mapping[str, Any], own: int, leader: int | None) -> tuple[str, ...]:
    role = "leader" if member["node_id"] == leader else "follower" if member["voter"] else "observer"
    link = "-" if member["node_id"] == own else "up" if member["link_up"] else "DOWN"
    state = STATES.get(member["state"], member["state"])
    return (
        str(member["node_id"]),
        member["name"],
        member["address"],
        state,
        "yes" if member["voter"] else "no",
        role,
        link,
        str(member["applied_lag"]),
        str(member["incarnation"]),
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
