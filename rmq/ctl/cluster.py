"""cluster: looked at, and changed, over the API of one of its members."""

from pathlib import PurePosixPath
from typing import Any, Final

import click

from rmq.ctl.asking import make_sure, yes_option
from rmq.ctl.command import CtlGroup, json_option
from rmq.ctl.paths import path
from rmq.ctl.printing import Row, of, print_facts, print_json, print_lines, print_table
from rmq.ctl.session import Session
from rmq.ctl.text import printable

# In words that can't be taken for those of another column, and loud where somebody has to look.
_STATES: Final = {"down": "DOWN", "left": "stopped"}
_rate = click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=100.0, show_default=True, help="Clients a second."
)
_member = click.argument("member", metavar="ID", type=click.IntRange(min=1))


@click.group("cluster", cls=CtlGroup)
def cluster() -> None:
    """Look at the cluster and change it.

    Whatever is about one node is about the one whose API is asked, unless it takes an ID.

    What a node that doesn't run needs done (rescue, rebuild) is done on its machine: rmq-node cluster.
    """


@cluster.command("status")
@json_option
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """Show the members, the leader, and what is wrong, as the node that is asked sees it."""
    found = session.get(path("cluster"))
    if as_json:
        print_json(found)
        return
    with session.reading():
        print_facts(_facts(found))
        click.echo()
        print_table(
            (
                ("node", of("node_id")),
                ("name", of("name")),
                ("address", of("address")),
                ("state", lambda row: _STATES.get(row["state"], row["state"])),
                ("votes", of("voter")),
                ("role", lambda row: _role(row, found["leader"])),
                ("link", lambda row: _link(row, found["node_id"])),
                ("behind", of("applied_lag")),
                ("start", of("incarnation")),
            ),
            [found["members"]],
            right=["node", "behind", "start"],
        )
        if found["alarms"]:
            click.echo()
            print_facts([("ALARM", alarm) for alarm in found["alarms"]])


def _facts(found: Row) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        ("cluster", f"{found['cluster_id'] or 'not founded yet'}, as node {found['node_id']} sees it"),
        ("leader", "none known" if found["leader"] is None else f"node {found['leader']}, term {found['term']}"),
        ("quorum", "yes" if found["has_quorum"] else "NO: nothing that is kept can be changed"),
        ("log", f"{found['commit_index']} committed, {found['applied_index']} applied here"),
    ]
    if found["draining"]:
        facts.append(("drained", "clients of this node are moved away, and it takes no new ones"))
    return facts


def _role(row: Row, leader: object) -> str:
    if row["node_id"] == leader:
        return "leader"
    return "follower" if row["voter"] else "observer"


def _link(row: Row, own: object) -> str:
    if row["node_id"] == own:
        return ""
    return "up" if row["link_up"] else "DOWN"


@cluster.command("join")
@click.argument("members", nargs=-1, required=True, metavar="HOST:PORT…")
@click.option(
    "--discard-data", is_flag=True, help="Give up the data that the node has; they are no part of the cluster."
)
@yes_option
@click.pass_obj
def join(session: Session, members: tuple[str, ...], discard_data: bool, yes: bool) -> None:
    """Make the node a member of the cluster of these, such as 10.0.0.1:5363, each of which has to answer.

    Of those that are named with their numbers, such as 1@10.0.0.1:5363, one has to.
    The addresses are those of the links between nodes, which the members find each other by, not of their APIs.
    """
    if discard_data:
        make_sure(yes, "All data of this node are deleted: its sessions, their messages, its retained messages.")
    _change(session, "join", {"members": list(members), "discard_data": discard_data})
    print_lines(["joined"])


@cluster.command("leave")
@_rate
@click.pass_obj
def leave(session: Session, rate: float) -> None:
    """Take the node that is asked out for good: what it leads is handed over, its clients are moved away first."""
    _change(session, "leave", {"rate": rate})
    print_lines(["left"])


@cluster.command("remove")
@_member
@yes_option
@click.pass_obj
def remove(session: Session, member: int, yes: bool) -> None:
    """Take node ID, another one, out of the cluster, whether it runs or not."""
    make_sure(
        yes,
        f"Node {member} is taken out of the cluster for good; if it runs, its clients are disconnected.",
        "What is kept stays with the other nodes. Sessions on it that aren't kept are lost, and their messages.",
        "Its number may come back with an empty disk only.",
    )
    session.change("DELETE", path("cluster", "members", member), waits=True)
    print_lines([f"node {member} is removed"])


@cluster.command("drain")
@_member
@_rate
@click.pass_obj
def drain(session: Session, member: int, rate: float) -> None:
    """Begin to move the clients of node ID to the others; it takes no new ones, and what it leads is handed over."""
    _change(session, "drain", {"node_id": member, "rate": rate})
    print_lines([f"draining node {member}"])


@cluster.command("undrain")
@_member
@click.pass_obj
def undrain(session: Session, member: int) -> None:
    """Have node ID take clients again."""
    _change(session, "undrain", {"node_id": member})
    print_lines([f"node {member} takes clients"])


@cluster.command("transfer-leader")
@click.argument("member", metavar="[ID]", type=click.IntRange(min=1), required=False)
@click.pass_obj
def transfer_leader(session: Session, member: int | None) -> None:
    """Make node ID the leader, or without one whoever is best."""
    found = _change(session, "transfer-leader", {} if member is None else {"node_id": member})
    with session.reading():
        print_lines([f"node {int(found['leader'])} leads"])


@cluster.command("bootstrap")
@click.option("--nodes", required=True, metavar="LIST", help="Their numbers: 1,2")
@click.pass_obj
def bootstrap(session: Session, nodes: str) -> None:
    """Found the cluster of just these of the configured nodes, when not all of them will come.

    All of them have to be there, with empty disks.
    """
    try:
        numbers = [int(number) for number in nodes.split(",")]
    except ValueError:
        raise click.UsageError("--nodes: write the numbers with commas between them, such as 1,2") from None
    _change(session, "bootstrap", {"node_ids": numbers})
    print_lines(["founded"])


@cluster.command("backup")
@click.argument("file", metavar="PATH")
@json_option
@click.pass_obj
def backup(session: Session, file: str, as_json: bool) -> None:
    """Write the state of the cluster to PATH, which must not be there yet: on the machine of the node that is asked."""
    written = _change(session, "backup", {"path": _absolute(file)})
    if as_json:
        print_json(written)
        return
    with session.reading():
        print_lines([printable(f"{written['path']}: {written['size']} bytes, up to log entry {written['index']}")])


@cluster.command("restore")
@click.argument("file", metavar="PATH")
@yes_option
@click.pass_obj
def restore(session: Session, file: str, yes: bool) -> None:
    """Begin a cluster with the backup at PATH on the machine of the node that is asked.

    That node is empty, and in no cluster yet.
    """
    where = _absolute(file)
    make_sure(
        yes,
        "This node founds a cluster with the state of the backup, when the other nodes that it lists are there, empty.",
        "What changed since the backup isn't in it: sessions, queued and retained messages, acknowledged ones too.",
    )
    _change(session, "restore", {"path": where})
    print_lines(["restored"])


@cluster.command("rescue")
@yes_option
@click.pass_obj
def rescue(session: Session, yes: bool) -> None:
    """Go on from the state of the node that is asked alone, when the majority is lost for good."""
    found = session.get(path("cluster", "rescue"))
    with session.reading():
        warnings = [str(warning) for warning in found]
    make_sure(
        yes,
        "This node goes on alone, with what it has. Do it only if the others never come back as they are.",
        *warnings,
    )
    _change(session, "rescue", {})
    print_lines(["this node is the cluster now; others join it with empty disks"])


@cluster.command("rebuild")
@yes_option
@click.pass_obj
def rebuild(session: Session, yes: bool) -> None:
    """Discard the data of the node that is asked, and take them from the other members."""
    make_sure(
        yes,
        "All data on this node's disk are deleted and taken from the other members.",
        "What no other member has is lost; without a majority of them there is nothing to take.",
    )
    _change(session, "rebuild", {})
    print_lines(["rebuilding"])


def _change(session: Session, what: str, body: dict[str, Any]) -> Any:
    return session.change("POST", path("cluster", what), body, waits=True)


def _absolute(file: str) -> str:
    if not PurePosixPath(file).is_absolute():
        raise click.UsageError(f"{file}: the node writes and reads it on its machine, so the path begins with /")
    return file


COMMANDS: Final = (cluster,)
