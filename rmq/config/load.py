"""From files, environment and flags to one frozen `Settings`; every problem is reported, not only the first."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rmq.config.changes import FILE
from rmq.config.cluster import CLUSTER_TABLE, ClusterSettings
from rmq.config.cluster_checks import cluster_problems
from rmq.config.listener_kinds import DEFAULT_ADDRESSES, DEFAULT_LISTENER, TcpListenerSettings, UnixListenerSettings
from rmq.config.model import NodeSettings, PluginsSettings, Settings, plugins_folder
from rmq.config.origins import ConfigError, Origins, Override, Problem, Sources
from rmq.config.sources import RawTable
from rmq.config.validate import dotted, validate

DEFAULT_FILE = Path("etc/rmq.toml")
# Kinds of which there is a listener when nothing is configured.
DEFAULT_KINDS = ("tcp", "ws")


def load(
    config_file: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[Override] = (),
    changes_file: Path | None = None,
) -> Settings:
    """Defaults, the plugins' files, the main file, what was changed since, environment and flags; the later one wins.

    Without `config_file` the variable RMQ_CONFIG names it, then ./etc/rmq.toml is taken if it is there. What was
    changed is read from `changes_file`, else from the data folder if there is such a file.
    """
    environ = environ if environ is not None else {}
    path = _find(config_file, environ)
    # Where the plugins' files and the data are may be said by any source: hence two passes.
    first = _read(path, environ, overrides, ())
    plugin_files, dir_problems = _plugin_files(path, first)
    changes_path = _changes_path(first)
    changed = changes_file or changes_path
    raw = _read(path, environ, overrides, plugin_files, changed if changed and os.path.exists(changed) else None)
    raw.problems += dir_problems
    if any(problem.where == str(path) for problem in raw.problems):
        raise ConfigError(raw.problems)  # without the main file everything else would only look wrong

    def again(file: Path | None) -> Settings:
        return load(config_file, environ=environ, overrides=overrides, changes_file=file)

    return _settings(raw, path, again, changes_path)


def load_node(
    config_file: Path | None = None, *, environ: Mapping[str, str] | None = None, overrides: Sequence[Override] = ()
) -> NodeSettings:
    """[node] from the same sources, for commands that have to find a node that runs; nothing else is looked at."""
    environ = environ if environ is not None else {}
    path = _find(config_file, environ)
    raw = _read(path, environ, overrides, ())
    unread = [problem for problem in raw.problems if problem.where == str(path)]
    if unread:
        raise ConfigError(unread)
    return validate(NodeSettings, raw.table("node"), raw.origins, prefix=("node",))


def load_table(values: Mapping[str, object], source: str) -> Settings:
    """Settings from the tables that a program gives; no file and no variable is read. Errors name `source`."""
    raw = RawTable()
    raw.add_table(values, source)
    return _settings(raw, None)


def _settings(
    raw: RawTable,
    path: Path | None,
    read_again: Callable[[Path | None], Settings] | None = None,
    changes_path: Path | None = None,
) -> Settings:
    plugin_configs = _take_plugin_tables(raw)
    _fill_default_listeners(raw)
    problems = list(raw.problems)
    cluster = ClusterSettings()
    try:
        values = plugin_configs.pop(CLUSTER_TABLE, {})
        cluster = validate(ClusterSettings, values, raw.origins, prefix=("plugins", CLUSTER_TABLE))
    except ConfigError as error:
        problems += error.problems
    sources = Sources(path, plugin_configs, raw.origins, read_again, cluster, changes_path)
    try:
        settings = validate(Settings, raw.values, raw.origins, context=sources)
    except ConfigError as error:
        raise ConfigError(problems + list(error.problems)) from None
    problems += _address_clashes(settings, raw.origins)
    problems += cluster_problems(settings)
    if problems:
        raise ConfigError(problems)
    return settings


def _find(config_file: Path | None, environ: Mapping[str, str]) -> Path | None:
    if config_file is not None:
        return config_file
    if environ.get("RMQ_CONFIG"):
        return Path(environ["RMQ_CONFIG"])
    try:
        return DEFAULT_FILE if DEFAULT_FILE.exists() else None
    except OSError:
        return DEFAULT_FILE  # it can't be looked at: reading it will say why, instead of running without it


def _changes_path(raw: RawTable) -> Path | None:
    """Where the settings are that were changed since; None where the data has no place, which validation tells."""
    try:
        return validate(NodeSettings, raw.table("node"), raw.origins, prefix=("node",)).data_path / FILE
    except ConfigError:
        return None


def _read(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Sequence[Override],
    plugin_files: Sequence[Path],
    changes: Path | None = None,
) -> RawTable:
    raw = RawTable()
    for plugin_file in plugin_files:
        raw.add_file(plugin_file, under=("plugins", plugin_file.stem))
    if path is not None:
        raw.add_file(path)
    if changes is not None:
        raw.add_file(changes)
    raw.add_environment(environ)
    raw.add_overrides(overrides)
    return raw


def _plugin_files(path: Path | None, raw: RawTable) -> tuple[list[Path], list[Problem]]:
    """The TOML files of the plugins' folder. A folder that was asked for must be there; the default one need not."""
    default = PluginsSettings().dir
    configured = raw.table("plugins").get("dir", default)
    if not isinstance(configured, str) or "\0" in configured:
        return [], []  # validation says so
    folder = plugins_folder(configured, path)
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".toml" and not file.name.startswith(".")), []
    except OSError as error:
        if isinstance(error, FileNotFoundError) and configured == default:
            return [], []
        origin = raw.origins.get(("plugins", "dir"))
        where = origin.name if origin is not None else ""
        return [], [Problem(where, "plugins.dir", f"{folder} can't be read: {error.strerror or error}")]


def _take_plugin_tables(raw: RawTable) -> dict[str, dict[str, object]]:
    """Tables under [plugins] are the plugins' own; what isn't a table stays for our model to judge."""
    section = raw.values.get("plugins")
    if not isinstance(section, dict):
        return {}
    tables = {str(name): value for name, value in section.items() if isinstance(value, dict)}
    own_keys = set(PluginsSettings.model_fields)
    for name in list(tables):
        if name in own_keys:
            del tables[name]  # `[plugins.dir]` is a mistake, not a plugin
        else:
            del section[name]
    return tables


def _fill_default_listeners(raw: RawTable) -> None:
    """No listener at all: the default ones. A default one without an address: its default address.

    A default one that is merely switched off says nothing about the other.
    """
    listeners = raw.values.setdefault("listener", {})
    if not isinstance(listeners, dict):
        return
    off = {"enable": False}
    named = [table for kind in listeners.values() if isinstance(kind, dict) for table in kind.items()]
    if all(name == DEFAULT_LISTENER and table == off for name, table in named):
        for kind in DEFAULT_KINDS:
            tables = listeners.setdefault(kind, {})
            if isinstance(tables, dict):
                tables.setdefault(DEFAULT_LISTENER, {})
    else:
        for kind in DEFAULT_KINDS:
            listeners.setdefault(kind, {})
    for kind, address in DEFAULT_ADDRESSES.items():
        tables = listeners.get(kind)
        table = tables.get(DEFAULT_LISTENER) if isinstance(tables, dict) else None
        if isinstance(table, dict):
            table.setdefault("addr", str(address))


def _address_clashes(settings: Settings, origins: Origins) -> list[Problem]:
    problems = []
    seen = list(settings.listeners.items())
    for position, (name, listener) in enumerate(seen):
        for earlier_name, earlier in seen[:position]:
            if isinstance(listener, TcpListenerSettings) and isinstance(earlier, TcpListenerSettings):
                if not listener.addr.clashes_with(earlier.addr):
                    continue
                # A wildcard and one interface can share a port when both ask for it; one address never can.
                if listener.addr != earlier.addr and listener.reuseport and earlier.reuseport:
                    continue
                key, mine, other = "addr", str(listener.addr), str(earlier.addr)
            elif isinstance(listener, UnixListenerSettings) and isinstance(earlier, UnixListenerSettings):
                key, mine, other = "path", listener.path, earlier.path
                if os.path.abspath(mine) != os.path.abspath(other):
                    continue
            else:
                continue
            at = ("listener", *name.split(".", 1), key)
            origin = origins.nearest(at)
            where = origin.name if origin is not None else ""
            problems.append(Problem(where, dotted(at), f"{mine} is taken by listener.{earlier_name} ({other})"))
    return problems
