"""Bridges that were found, judged by the plugins' own models: what these refuse is taken out and named."""

from collections.abc import Callable, Sequence
from typing import Final

from pydantic import BaseModel, ValidationError

from rmq.config.model import PluginsSettings
from rmq.migration.bridges import EGRESS, INGRESS
from rmq.migration.findings import Findings, FoundBridge, shown
from rmq.migration.settings import tables
from rmq.node.node import PLUGINS
from rmq.plugin_host.catalog import Catalog

_STARTUPS: Final = "plugins.default_startups"
# What is taken from the environment needn't be there where the import runs.
_FROM_ENVIRONMENT: Final = ("username", "password")
# Without one of these there is no bridge.
_NEEDED: Final = ("enable", "name", "server", "entries")


def check(found: Findings) -> None:
    """Keep what the plugins would load, and have the plugins started that are needed."""
    if not found.bridges:
        return
    catalog = Catalog.installed(PLUGINS)
    kept: list[FoundBridge] = []
    for plugin in (EGRESS, INGRESS):
        kept += _checked(found, catalog.load(plugin).Config, [one for one in found.bridges if one.plugin == plugin])
    found.bridges = kept
    needed = [plugin for plugin in (EGRESS, INGRESS) if any(one.plugin == plugin for one in kept)]
    before = found.settings.get(_STARTUPS, PluginsSettings().default_startups)
    names = [str(name) for name in before] if isinstance(before, Sequence) else []
    missing = [plugin for plugin in needed if plugin not in names]
    if missing:
        found.take("bridges", _STARTUPS, missing + names)


def as_tables(bridge: FoundBridge) -> dict[str, object]:
    """A bridge as its file has it."""
    return {**tables(bridge.keys), "entries": [tables(entry) for entry in bridge.entries]}


def _checked(found: Findings, model: type[BaseModel], bridges: list[FoundBridge]) -> list[FoundBridge]:
    kept: list[FoundBridge] = []
    for bridge in bridges:
        while True:
            try:
                model.model_validate({"bridges": [_for_model(one) for one in [*kept, bridge]]})
            except ValidationError as error:
                if not _mended(bridge, error, found.leave):
                    break
            else:
                kept.append(bridge)
                break
    return kept


def _for_model(bridge: FoundBridge) -> dict[str, object]:
    found = as_tables(bridge)
    for key in _FROM_ENVIRONMENT:
        if "${ENV:" in str(found.get(key, "")):
            found[key] = ""
    return found


def _mended(bridge: FoundBridge, error: ValidationError, leave: Callable[[str, str], None]) -> bool:
    """Take out what the first problem is about; False: that is the whole bridge."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    what = f"{bridge.plugin}, bridge {bridge.name}"
    match problem["loc"][2:]:
        case ("entries", int(index), *_) if index < len(bridge.entries):
            _leave_entry(bridge, index, what, message, leave)
        case ("entries",) if problem["type"] == "too_long":
            _leave_entry(bridge, len(bridge.entries) - 1, what, "there are too many", leave)
        case (str(name), *rest) if name not in _NEEDED:
            key = ".".join([name, *(str(part) for part in rest)])
            known = _below(bridge, key) or _below(bridge, name)
            if not known:
                leave(what, f"{key}: {message}")
                return False
            for one in known:
                del bridge.keys[one]
            leave(f"{what}: {key}", f"{message}: it is left at its default")
        case _:
            leave(what, message)
            return False
    if not bridge.entries:
        leave(what, "nothing is left of it")
    return bool(bridge.entries)


def _below(bridge: FoundBridge, name: str) -> list[str]:
    return [key for key in bridge.keys if key == name or key.startswith(f"{name}.")]


def _leave_entry(bridge: FoundBridge, index: int, what: str, message: str, leave: Callable[[str, str], None]) -> None:
    entry = bridge.entries.pop(index)
    leave(f"{what}: {', '.join(f'{key} = {shown(value)}' for key, value in entry.items())}", message)
