"""rmq-node cluster: commands about the cluster, given to a member that runs on this machine."""

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from rmq.cli.cluster_table import status_lines
from rmq.cli.control_client import QUICK_S, NodeUnavailable, NotRunning, Refused, ask

EXIT_FAILED = 1
EXIT_BAD_CONFIG = 2

_NODE_OPTIONS = (
    click.option("--id", "node_id", metavar="N", help="Number of the node that is to do it (node.id)."),
    click.option("--data-dir", metavar="DIR", help="Its data (node.data_dir)."),
    click.option("-f", "--config", "config_file", type=click.Path(path_type=Path), help="Its configuration file."),
)
_rate = click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=100.0, show_default=True, help="Clients a second."
)
_yes = click.option("-y", "--yes", is_flag=True, help="Don't ask.")


class Target:
    """The node that a command is for."""

    def __init__(self, path: Path, node_id: int) -> None:
        self._path = path
        self._node_id = node_id

    @property
    def runs(self) -> bool:
        """Whether it runs; where it doesn't, what can be done is done to its data."""
        try:
            ask(self._path, "status", QUICK_S)
        except NotRunning:
            return False
        except (NodeUnavailable, Refused):
            return True
        return True

    def change_data(self, what: str) -> None:
        """Do it to the data of a node that doesn't run."""
        from rmq.config import ConfigError
        from rmq.node import offline

        folder = self._path.parent
        try:
            if what == "rebuild":
                offline.rebuild(folder)
            else:
                offline.rescue(folder, self._node_id)
        except ConfigError as error:
            _fail("; ".join(problem.message for problem in error.problems))

    def ask(self, command: str, **arguments: object) -> Any:
        """Its answer; leaves with one line on standard error when it is none that one could wish for."""
        return self._ask(command, None, arguments)

    def ask_quickly(self, command: str, **arguments: object) -> Any:
        """The same for what it knows at once: a node that hangs isn't waited for."""
        return self._ask(command, QUICK_S, arguments)

    def _ask(self, command: str, timeout_s: float | None, arguments: dict[str, object]) -> Any:
        try:
            return ask(self._path, command, timeout_s, **arguments)
        except (NodeUnavailable, Refused) as error:
            _fail(str(error))


@click.group()
def cluster() -> None:
    """Look at the cluster and change it, by a member that runs on this machine."""


def _command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """A command of the group: the node's options become its first argument, a ``Target``."""

    def register(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def called(node_id: str | None, data_dir: str | None, config_file: Path | None, **others: object) -> None:
            function(_target(node_id, data_dir, config_file), **others)

        decorated: Callable[..., None] = called
        for option in reversed(_NODE_OPTIONS):
            decorated = option(decorated)
        return cluster.command(name)(decorated)

    return register


def _target(node_id: str | None, data_dir: str | None, config_file: Path | None) -> Target:
    from rmq.config import ConfigError, Override, load_node

    given = {"--id": ("node.id", node_id), "--data-dir": ("node.data_dir", data_dir)}
    overrides = [Override(flag, key, value) for flag, (key, value) in given.items() if value is not None]
    try:
        node = load_node(config_file, environ=os.environ, overrides=overrides)
        return Target(node.control_path, node.id)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"rmq-node cluster: {problem}", err=True)
        sys.exit(EXIT_BAD_CONFIG)


@_command("status")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def status(target: Target, *, as_json: bool) -> None:
    """Show the members, the leader, and what is wrong."""
    answer = target.ask_quickly("status")
    click.echo(json.dumps(answer, indent=2) if as_json else "\n".join(status_lines(answer)))


@_command("join")
@click.argument("members", nargs=-1, required=True)
@click.option(
    "--discard-data", is_flag=True, help="Give up the data that the node has; they are no part of the cluster."
)
@_yes
def join(target: Target, *, members: tuple[str, ...], discard_data: bool, yes: bool) -> None:
    """Make the node a member of the cluster of MEMBERS, such as 10.0.0.1:5363, each of which has to answer.

    Of those that are named with their numbers, such as 1@10.0.0.1:5363, one has to.
    """
    from rmq.config import parse_nodes

    try:
        parse_nodes([member for member in members if "@" in member])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if discard_data:
        _make_sure(yes, "All data of this node are deleted: its sessions, their messages, its retained messages.")
    target.ask("join", members=list(members), discard_data=discard_data)
    click.echo("joined")


@_command("leave")
@_rate
def leave(target: Target, *, rate: float) -> None:
    """Take the node out of the cluster for good: what it leads is handed over, its clients are moved away first."""
    target.ask("leave", rate=rate)
    click.echo("left")


@_command("remove")
@click.argument("member", type=click.IntRange(min=1))
@_yes
def remove(target: Target, *, member: int, yes: bool) -> None:
    """Take MEMBER, another node, out of the cluster, whether it runs or not."""
    _make_sure(
        yes,
        f"Node {member} is taken out of the cluster for good; if it runs, its clients are disconnected.",
        "What is kept stays with the other nodes. Sessions on it that aren't kept are lost, and their messages.",
        "Its number may come back with an empty disk only.",
    )
    target.ask("remove", node_id=member)
    click.echo(f"node {member} is removed")


@_command("drain")
@_rate
def drain(target: Target, *, rate: float) -> None:
    """Begin to move the node's clients to the others, taking no new ones; what it leads is handed over."""
    target.ask("drain", rate=rate)
    click.echo("draining")


@_command("undrain")
def undrain(target: Target) -> None:
    """Have the node take clients again."""
    target.ask("undrain")
    click.echo("takes clients")


@_command("transfer-leader")
@click.argument("member", type=click.IntRange(min=1), required=False)
def transfer_leader(target: Target, *, member: int | None) -> None:
    """Make MEMBER the leader, or without one whoever is best."""
    click.echo(f"node {target.ask('transfer_leadership', node_id=member)} leads")


@_command("bootstrap")
@click.option("--nodes", required=True, metavar="LIST", help="Their numbers: 1,2")
def bootstrap(target: Target, *, nodes: str) -> None:
    """Found the cluster of just these of the configured nodes, when not all of them will come.

    All of them have to be there, with empty disks.
    """
    try:
        numbers = [int(number) for number in nodes.split(",")]
    except ValueError:
        raise click.UsageError("--nodes: write the numbers with commas between them, such as 1,2") from None
    target.ask("bootstrap", node_ids=numbers)
    click.echo("founded")


@_command("backup")
@click.argument("file", type=click.Path(path_type=Path))
def backup(target: Target, *, file: Path) -> None:
    """Write the state of the cluster into FILE, which must not be there yet."""
    written = target.ask("backup", path=str(file.absolute()))
    click.echo(f"{written['path']}: {written['size']} bytes, up to log entry {written['index']}")


@_command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@_yes
def restore(target: Target, *, file: Path, yes: bool) -> None:
    """Begin a cluster with what is in FILE, a backup: on an empty node that is in no cluster yet."""
    _make_sure(
        yes,
        "This node founds a cluster with the state of the backup, when the other nodes that it lists are there, empty.",
        "What changed since the backup isn't in it: sessions, queued and retained messages, acknowledged ones too.",
    )
    target.ask("restore", path=str(file.absolute()))
    click.echo("restored")


@_command("rescue")
@_yes
def rescue(target: Target, *, yes: bool) -> None:
    """Go on from this node's state alone, when the majority of the cluster is lost for good."""
    runs = target.runs
    warnings = target.ask_quickly("rescue_warnings") if runs else ["What only the others had is lost."]
    _make_sure(
        yes,
        "This node goes on alone, with what it has. Do it only if the others never come back as they are.",
        *warnings,
    )
    if not runs:
        target.change_data("rescue")
        click.echo("at its next start this node is the cluster; others join it with empty disks")
        return
    target.ask("rescue")
    click.echo("this node is the cluster now; others join it with empty disks")


@_command("rebuild")
@_yes
def rebuild(target: Target, *, yes: bool) -> None:
    """Discard the node's data and take them from the other members."""
    _make_sure(
        yes,
        "All data on this node's disk are deleted and taken from the other members.",
        "What no other member has is lost; without a majority of them there is nothing to take.",
    )
    if not target.runs:
        target.change_data("rebuild")
        click.echo("the node takes its data from the other members when it is started")
        return
    target.ask("rebuild")
    click.echo("rebuilding")


def _make_sure(yes: bool, *meaning: str) -> None:
    """Say what a command means, and leave unless it is wanted all the same."""
    for sentence in meaning:
        click.echo(sentence, err=True)
    if not yes and not click.confirm("Do it?", err=True):
        sys.exit(EXIT_FAILED)


def _fail(text: str) -> NoReturn:
    click.echo(f"rmq-node cluster: {text}", err=True)
    sys.exit(EXIT_FAILED)
