"""plugins: listed, shown, started and stopped, on one node or on all; and new ones begun."""

from collections.abc import Callable
from typing import Any, Final

import click

from rmq.ctl.asking import make_sure, yes_option
from rmq.ctl.command import CtlGroup, json_option, node_option, quiet_option
from rmq.ctl.failures import NEGATIVE, Failure, Refused
from rmq.ctl.new_plugin import new
from rmq.ctl.paths import path
from rmq.ctl.printing import of, print_facts, print_json, print_lines, print_table
from rmq.ctl.session import Session, say
from rmq.ctl.text import shown

name_argument = click.argument("name")
# The plugin that answers, by its own name and by RMQTT's.
API_NAMES: Final = ("rmq-http-api", "rmqtt-http-api")


@click.group("plugins", cls=CtlGroup)
def plugins() -> None:
    """Plugins of one node, or of all; and a new one of your own."""


plugins.add_command(new)


@plugins.command("list")
@node_option
@json_option
@click.pass_obj
def list_them(session: Session, node: int | None, as_json: bool) -> None:
    """List the plugins that could run."""
    found = session.get(path("plugins") if node is None else path("plugins", node))
    if as_json:
        print_json(found)
        return
    with session.reading():
        if node is None:
            rows = [{**plugin, "node": one["node"]} for one in found for plugin in one["plugins"]]
        else:
            rows = [{**plugin, "node": node} for plugin in found]
        print_table(
            (
                ("node", of("node")),
                ("name", of("name")),
                ("runs", of("active")),
                ("version", of("version")),
                ("fixed", of("immutable")),
                ("what it does", lambda row: row.get("failure") or row["descr"]),
            ),
            [rows],
            right=["node"],
        )


@plugins.command("show")
@name_argument
@node_option
@json_option
@click.pass_obj
def show(session: Session, name: str, node: int | None, as_json: bool) -> None:
    """Show one plugin."""

    def pairs(plugin: Any) -> list[tuple[str, object]]:
        return [(key, value) for key, value in plugin.items() if key != "attrs"] + _flat(plugin.get("attrs") or {})

    _show_each(session, name, node, "", pairs, as_json=as_json)


@plugins.command("config")
@name_argument
@node_option
@json_option
@click.pass_obj
def config(session: Session, name: str, node: int | None, as_json: bool) -> None:
    """Show the configuration in force; secrets are masked."""
    _show_each(session, name, node, "config", _flat, as_json=as_json)


def _show_each(
    session: Session,
    name: str,
    node: int | None,
    what: str,
    pairs: Callable[[Any], list[tuple[str, object]]],
    *,
    as_json: bool,
) -> None:
    nodes = _nodes(session) if node is None else [node]
    answers = {number: session.get(path("plugins", number, value=name, then=what)) for number in nodes}
    if as_json:
        print_json(answers if node is None else answers[node])
        return
    with session.reading():
        for number, answer in answers.items():
            if len(answers) > 1:
                print_lines([f"# node {number}"])
            print_facts(pairs(answer))


@plugins.command("forget")
@name_argument
@yes_option
@quiet_option
@click.pass_obj
def forget(session: Session, name: str, yes: bool, quiet: bool) -> None:
    """Forget what APIs set in a configuration, on all nodes: files say all of it again."""
    make_sure(yes, f"What APIs set in the configuration of {shown(name)} is gone then; files are left as they are.")
    was_there = session.change("DELETE", path("plugins", _nodes(session)[0], value=name, then="config"))
    if not quiet:
        became = "goes by files again" if was_there else "went by files already"
        print_lines([f"{shown(name)} {became}"])


@plugins.command("load")
@name_argument
@node_option
@quiet_option
@click.pass_obj
def load(session: Session, name: str, node: int | None, quiet: bool) -> None:
    """Start a plugin: on all nodes, or on one."""
    _on_each(session, name, node, "load", "runs", quiet=quiet)


@plugins.command("unload")
@name_argument
@node_option
@yes_option
@quiet_option
@click.pass_obj
def unload(session: Session, name: str, node: int | None, yes: bool, quiet: bool) -> None:
    """Stop a plugin: on all nodes, or on one."""
    if name in API_NAMES:
        if node is None:
            raise click.UsageError("without its API a node can't be asked for anything: one --node at a time")
        make_sure(yes, f"This is the API: rmq-ctl can't reach node {node} directly until it is started again.")
    _on_each(session, name, node, "unload", "is stopped", quiet=quiet)


@plugins.command("reload")
@name_argument
@node_option
@click.option("--dry-run", is_flag=True, help="Change nothing: show what would change.")
@quiet_option
@click.pass_obj
def reload(session: Session, name: str, node: int | None, dry_run: bool, quiet: bool) -> None:
    """Have a plugin read its configuration again: on all nodes, or on one."""
    if dry_run:
        _preview(session, name, node)
        return
    _on_each(session, name, node, "config/reload", "has read its configuration", quiet=quiet)


def _preview(session: Session, name: str, node: int | None) -> None:
    for number in _nodes(session) if node is None else [node]:
        where = path("plugins", number, value=name, then="config/reload")
        told = session.change("PUT", where, query={"dry_run": "true"})
        with session.reading():
            print_lines([f"# node {number}"])
            print_facts(_flat({"changed": told["changed"], **told["details"]}))


def _on_each(session: Session, name: str, node: int | None, action: str, done: str, *, quiet: bool) -> None:
    """One node that refuses doesn't stop the others: it is named, and the run is no success."""
    nodes = _nodes(session) if node is None else [node]
    for number in nodes:
        try:
            said = session.change("PUT", path("plugins", number, value=name, then=action))
        except Refused as refused:
            if node is not None or refused.exit_code != NEGATIVE:
                raise
            session.is_negative = True
            say(f"node {number}: {refused}")
            continue
        if not quiet:
            became = "didn't run" if said is False else done
            print_lines([f"node {number}: {shown(name)} {became}"])


def _nodes(session: Session) -> list[int]:
    """The nodes that answer; the others are noted as missing."""
    with session.reading():
        found = [one["node"] for one in session.get(path("plugins")) if "error" not in one]
    if not found:
        raise Failure(NEGATIVE, "no node answers")
    return found


def _flat(value: Any, name: str = "") -> list[tuple[str, object]]:
    """The keys of nested tables with dots between them, as ``--set`` takes them."""
    if isinstance(value, dict) and value:
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{name}.{key}" if name else key)]
    if isinstance(value, list):
        return [(shown(name), "[" + ", ".join(str(one) for one in value) + "]")]
    return [(shown(name), value)] if name else []


COMMANDS: Final = (plugins,)
