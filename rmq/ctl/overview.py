"""status, nodes and health: how the cluster and its nodes are."""

import re
from typing import Any, Final

import click

from rmq.ctl.command import command, json_option, node_option, quiet_option
from rmq.ctl.failures import NEGATIVE, Failure, Refused
from rmq.ctl.paths import path
from rmq.ctl.printing import Row, of, print_facts, print_json, print_table
from rmq.ctl.session import Session, say
from rmq.ctl.text import size

# Health says no by status 503, in a body that is an answer and no error.
HEALTHY_OR_NOT: Final = (503,)
_COUNTS: Final = (
    ("clients", "connections"),
    ("sessions", "sessions"),
    ("subscriptions", "subscriptions"),
    ("retained", "retained"),
)


@command("status")
@json_option
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """Show how all of it is. Exit code 1 says that the node that is asked can't serve clients."""
    health = session.get(path("health", "check"), good=HEALTHY_OR_NOT)
    brokers = session.get(path("brokers"))
    stats = session.get(path("stats", "sum"))
    cluster = _cluster(session)
    with session.reading():
        session.is_negative = not health["running"]
        if as_json:
            print_json({"health": health, "brokers": brokers, "stats": stats, "cluster": cluster})
            return
        print_facts([*_cluster_facts(cluster), *_counts(stats["stats"]), ("health", _health_text(health))])
        click.echo()
        print_table(
            (
                ("node", of("node_id")),
                ("name", of("node_name")),
                ("status", of("node_status")),
                ("version", lambda row: row.get("version")),
                ("up for", _up_for),
            ),
            [brokers],
            right=["node"],
        )


def _up_for(row: Row) -> str:
    """The API's "0 days 0 hours, 5 minutes, 3 seconds" without what is nought; of a node that is missing, why."""
    if "uptime" not in row:
        return str(row["error"])
    parts: list[tuple[str, str]] = re.findall(r"([0-9]+) ([a-z])", row["uptime"])
    return " ".join(f"{count}{unit}" for count, unit in parts if count != "0") or "0s"


def _cluster(session: Session) -> Any:
    try:
        return session.get(path("cluster"))
    except Refused as refused:
        if refused.code != "NOT_IN_A_CLUSTER":
            raise
        return None


def _cluster_facts(cluster: Any) -> list[tuple[str, object]]:
    if cluster is None:
        return [("cluster", "none, this node is alone")]
    leader = "no leader known" if cluster["leader"] is None else f"node {cluster['leader']} leads"
    quorum = "quorum" if cluster["has_quorum"] else "NO QUORUM"
    found: list[tuple[str, object]] = [("cluster", f"{len(cluster['members'])} members, {leader}, {quorum}")]
    found += [("ALARM", alarm) for alarm in cluster["alarms"]]
    return found


def _counts(stats: Row) -> list[tuple[str, object]]:
    return [(title, stats[f"{name}.count"]) for title, name in _COUNTS]


def _health_text(health: Row) -> str:
    return "can serve" if health["running"] else f"CAN'T SERVE: {health['descr']}"


@command("nodes")
@click.argument("node", type=click.IntRange(min=1), required=False)
@json_option
@click.pass_obj
def nodes(session: Session, node: int | None, as_json: bool) -> None:
    """List nodes and their machines; NODE is the number of one."""
    found = session.get(path("nodes") if node is None else path("nodes", node))
    if as_json:
        print_json(found)
        return
    rows = found if node is None else [found]
    with session.reading():
        print_table(
            (
                ("node", of("node_id")),
                ("name", of("node_name")),
                ("status", of("node_status")),
                ("connections", lambda row: row.get("connections")),
                ("load", lambda row: f"{row['load1']:.2f}" if "load1" in row else None),
                ("memory", lambda row: _share(row, "memory_used", "memory_total")),
                ("disk free", lambda row: _share(row, "disk_free", "disk_total")),
                ("up for", _up_for),
                ("version", lambda row: row.get("version")),
            ),
            [rows],
            right=["node", "connections", "load"],
        )


def _share(row: Row, part: str, whole: str) -> str | None:
    return f"{size(row[part])} of {size(row[whole])}" if part in row else None


@command("health")
@node_option
@quiet_option
@json_option
@click.pass_obj
def health(session: Session, node: int | None, quiet: bool, as_json: bool) -> None:
    """Say which nodes can serve clients. Exit code: 0 if all can, 1 if one can't, 6 if one doesn't answer."""
    where = path("health", "check") if node is None else path("health", "check", node)
    try:
        found = session.get(where, good=HEALTHY_OR_NOT)
    except Refused as refused:
        if refused.code != "NODE_UNREACHABLE":
            raise
        raise Failure(NEGATIVE, str(refused)) from None
    with session.reading():
        rows: list[Row] = found["nodes"] if node is None else [found]
        answered = [row for row in rows if str(row["node_id"]) not in session.missing]
        session.is_negative = not all(row["running"] for row in answered)
        if quiet:
            return
        if as_json:
            print_json(found)
            return
        print_table(
            (
                ("node", of("node_id")),
                ("can serve", of("running")),
                ("leader", lambda row: row.get("leader_id")),
                ("why not", lambda row: row.get("descr")),
            ),
            [rows],
            right=["node", "leader"],
        )
    if node is None and not found["running"]:
        say(f"the node that was asked can't serve: {found['descr']}")


COMMANDS: Final = (status, nodes, health)
