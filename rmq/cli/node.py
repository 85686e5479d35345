"""rmq-node itself: read the configuration, then run a node or only check it; or hand over to a subcommand."""

import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rmq import __version__
from rmq.build_info import build_description
from rmq.cli.cluster import cluster
from rmq.cli.passwd import passwd

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rmq.config import Override, Settings

EXIT_BAD_CONFIG = 2
# What a node returns that wants to be started again (``node.process``, which isn't imported to show a version).
EXIT_START_AGAIN = 75


def _run_node(settings: "Settings") -> int:
    from rmq.node import run

    return run(settings)


def _start_again() -> None:
    """Become a new process of this one's number, with the same arguments and environment; a container goes on.

    A service manager counts starts and has a time limit for each, so it is left to one that listens: it restarts what
    ends so.
    """
    if "NOTIFY_SOCKET" in os.environ:
        sys.exit(EXIT_START_AGAIN)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _known_plugin_models() -> "Mapping[str, type[BaseModel]] | None":
    from rmq.node.node import PLUGINS
    from rmq.plugin_host.catalog import Catalog

    return Catalog.installed(PLUGINS).models()


@dataclass(frozen=True)
class NodeCommand:
    """What the command line stands on; tests pass their own as the click context's object."""

    run: "Callable[[Settings], int]" = _run_node
    start_again: "Callable[[], None]" = _start_again
    plugin_models: "Callable[[], Mapping[str, type[BaseModel]] | None]" = _known_plugin_models


def version_line() -> str:
    return f"rmq-node {__version__}, {build_description()}, Python {platform.python_version()}"


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(version_line())
        context.exit()


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--id", "node_id", metavar="N", help="Number of this node (node.id).")
@click.option(
    "-f",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="Main configuration file. Default: $RMQ_CONFIG, else ./etc/rmq.toml if it is there.",
)
@click.option("--data-dir", metavar="DIR", help="Where the node keeps its data (node.data_dir).")
@click.option(
    "--cluster-nodes",
    metavar="LIST",
    help="All nodes of the cluster, this one too: 1@10.0.0.1:5363,2@10.0.0.2:5363,… ($RMQ_CLUSTER_NODES).",
)
@click.option(
    "--compat",
    "brands",
    type=click.Choice(["nanomq", "emqx"]),
    multiple=True,
    help="Serve that broker's management API where it listens by default, on loopback: nanomq on 8081, emqx on 8080 "
    "and 18083; repeatable ($RMQ_COMPAT).",
)
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error (log.level).")
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set any key, e.g. listener.tcp.external.addr=127.0.0.1:1884 or plugins.<name>.<key>=…; repeatable.",
)
@click.option("--repair", is_flag=True, help="Start with damaged data: set aside what can't be read, and say what.")
@click.option(
    "--dev",
    is_flag=True,
    help="For those who write plugins: reload one when its configuration or its code changes on disk.",
)
@click.option("--check", is_flag=True, help="Check the configuration, print what is in effect as TOML, and leave.")
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version and leave.",
)
@click.pass_context
def main(
    context: click.Context,
    node_id: str | None,
    config_file: Path | None,
    data_dir: str | None,
    cluster_nodes: str | None,
    brands: tuple[str, ...],
    log_level: str | None,
    assignments: tuple[str, ...],
    repair: bool,
    dev: bool,
    check: bool,
) -> None:
    """Run one node of the rmq MQTT broker, unless a command is named."""
    if context.invoked_subcommand is not None:
        given = [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        if given:
            raise click.UsageError(f"the options of a node mean nothing to {context.invoked_subcommand}")
        return
    from rmq.config import ConfigError, check_plugins, effective_toml, load
    from rmq.node.auth import check_users

    command = context.obj if isinstance(context.obj, NodeCommand) else NodeCommand()
    try:
        compat = ",".join(brands) or None
        flags = {
            "id": node_id,
            "data_dir": data_dir,
            "cluster_nodes": cluster_nodes,
            "compat": compat,
            "log_level": log_level,
        }
        overrides = _overrides(assignments, flags)
        settings = load(config_file, environ=os.environ, overrides=overrides)
        models = command.plugin_models()
        plugins = check_plugins(settings, models) if models is not None else {}
        if check:
            check_users(settings)
            click.echo(effective_toml(settings, plugins), nl=False)
            return
        if repair:
            settings.ask_repair()
        if dev:
            settings.ask_development()
        exit_code = command.run(settings)
        if exit_code == EXIT_START_AGAIN:
            command.start_again()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"rmq-node: {problem}", err=True)
        sys.exit(EXIT_BAD_CONFIG)
    sys.exit(exit_code)


def _overrides(assignments: tuple[str, ...], flags: dict[str, str | None]) -> "list[Override]":
    """The flags in the order they win: a flag with a key of its own is more particular than --set."""
    from rmq.config import CLUSTER_TABLE, ConfigError, Override, Problem

    overrides: list[Override] = []
    problems: list[Problem] = []
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if equals and key:
            overrides.append(Override("--set", key, value))
        else:
            problems.append(Problem("--set", assignment, "write it as KEY=VALUE"))
    if problems:
        raise ConfigError(problems)
    keys = {
        "id": "node.id",
        "data_dir": "node.data_dir",
        "cluster_nodes": f"plugins.{CLUSTER_TABLE}.nodes",
        "compat": "plugins.rmq-http-api.compat",
        "log_level": "log.level",
    }
    for name, key in keys.items():
        value_given = flags[name]
        if value_given is not None:
            overrides.append(Override(f"--{name.replace('_', '-')}", key, value_given))
    return overrides


main.add_command(passwd)
main.add_command(cluster)
