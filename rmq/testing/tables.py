"""From the tables that a test gives to settings: free loopback ports, and nothing of this machine's configuration."""

import copy
from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from typing import Final

from rmq.config import Address, ConfigError, Problem, Settings, load_table

FREE_PORT: Final = "127.0.0.1:0"
SOURCE: Final = "rmq.testing"

Table = dict[str, object]


def make_tables(tables: Mapping[str, object], data_dir: str | PathLike[str] | None) -> Table:
    """A copy of ``tables`` with a free port for every listener that has no address, and what else tests want."""
    made: Table = copy.deepcopy(dict(tables))
    node = made.setdefault("node", {})
    if isinstance(node, dict):
        # Whether this machine is busy, or halted by a debugger, must not decide whether a client is taken.
        node.setdefault("busy", {"check_enable": False})
        if data_dir is not None:
            node["data_dir"] = fspath(data_dir)
        _keep_or_not(made, "data_dir" in node)
    if made.get("listener") in (None, {}):
        made["listener"] = {"tcp": {"external": {}}}
    for _name, listener in _listeners(made):
        listener.setdefault("addr", FREE_PORT)
    plugins = made.setdefault("plugins", {})
    if isinstance(plugins, dict) and not {"rmq-http-api", "rmqtt-http-api"} & plugins.keys():
        plugins["rmq-http-api"] = {"http_laddr": FREE_PORT}
    return made


def _keep_or_not(tables: Table, has_folder: bool) -> None:
    """Nothing is kept on disk unless a folder was given for it: a test must not find what another has left."""
    storage = tables.setdefault("storage", {})
    if not isinstance(storage, dict):
        return
    if storage.setdefault("enable", has_folder) is True and not has_folder:
        raise ConfigError([Problem(SOURCE, "storage.enable", "needs a folder: give data_dir, such as tmp_path")])


def make_settings(tables: Table) -> Settings:
    """The settings; ``ConfigError`` names every key that is wrong. Files and environment have no say."""
    return load_table(tables, SOURCE)


def keep_addresses(tables: Table, addresses: Mapping[str, tuple[str, int]]) -> None:
    """Have the listeners take these addresses again: clients expect a restarted broker where it was."""
    for name, listener in _listeners(tables):
        if name in addresses:
            listener["addr"] = str(Address(*addresses[name]))


def _listeners(tables: Table) -> Iterator[tuple[str, dict[str, object]]]:
    # What isn't a table here is left for validation, which says so.
    kinds = tables.get("listener")
    for kind, named in kinds.items() if isinstance(kinds, dict) else ():
        for name, listener in named.items() if isinstance(named, dict) else ():
            if isinstance(listener, dict) and kind != "unix":
                yield f"{kind}.{name}", listener
