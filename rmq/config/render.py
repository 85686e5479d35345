"""The effective configuration as TOML that can be read back: every key, where it was set, secrets masked."""

import json
import math
import re
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ValidationError

from rmq.config.cluster import CLUSTER_TABLE, ClusterSettings
from rmq.config.listener_kinds import listener_defaults
from rmq.config.model import Settings
from rmq.config.origins import Key
from rmq.config.secrets import masked

_NOTHING = object()
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def effective_toml(settings: Settings, plugins: Mapping[str, BaseModel] | None = None) -> str:
    """All sections, then one table per plugin: validated where `plugins` has its settings, else as configured.

    The cluster's table is left out of a node alone.
    """
    values = effective_values(settings, plugins)
    lines = [f"# configuration: {settings.config_file if settings.config_file is not None else 'embedded defaults'}"]
    defaults = _resolved(Settings())
    for name, plugin in (plugins or {}).items():
        defaults["plugins"][name] = _plugin_defaults(type(plugin))
    defaults["plugins"][CLUSTER_TABLE] = ClusterSettings().model_dump(mode="json")
    for section, table in values.items():
        lines += _table_lines(settings, (section,), table, defaults[section])
    return "\n".join(lines) + "\n"


def effective_values(
    settings: Settings, plugins: Mapping[str, BaseModel] | None = None
) -> dict[str, dict[str, object]]:
    """All sections as a person would write them, those of plugins too; secrets are as they are."""
    values = _resolved(settings)
    checked = plugins if plugins is not None else {}
    names = dict.fromkeys((*settings.plugins.default_startups, *settings.configured_plugins))
    for name in names:
        if name in checked:
            values["plugins"][name] = checked[name].model_dump(mode="json")
        elif settings.plugin_config(name):
            values["plugins"][name] = settings.plugin_config(name)
    if settings.cluster.enabled:
        values["plugins"][CLUSTER_TABLE] = settings.cluster.model_dump(mode="json")
    return values


def _resolved(settings: Settings) -> dict[str, dict[str, object]]:
    """All sections as a person would write them, with the placeholders in paths filled in."""
    values: dict[str, dict[str, object]] = settings.model_dump(mode="json")
    values["node"]["data_dir"] = str(settings.data_path)
    values["log"]["dir"] = str(settings.log_path.parent)
    values["log"]["file"] = settings.log_path.name
    values["plugins"]["dir"] = str(settings.plugins_path)
    values["auth"]["users_file"] = str(settings.users_path or "")
    return values


def _plugin_defaults(model: type[BaseModel]) -> dict[str, object]:
    """What a plugin has when nothing is configured; empty when it can't do without configuration."""
    try:
        return model().model_dump(mode="json")
    except ValidationError:
        return {}


def _table_lines(settings: Settings, key: Key, table: dict[str, object], default: dict[str, object]) -> Iterator[str]:
    inner_tables = {name: value for name, value in table.items() if isinstance(value, dict) and value}
    plain = {name: value for name, value in table.items() if name not in inner_tables}
    if plain or not inner_tables:
        yield ""
        yield f"[{'.'.join(toml_key(part) for part in key)}]"
    for name, value in plain.items():
        # An unvalidated plugin table has no default to compare with: whatever is there was set by somebody.
        origin = settings.origin(*key, name) if value != default.get(name, _NOTHING) else None
        comment = f"  # {origin.name}" if origin is not None else ""
        if value is None:
            yield f"# {toml_key(name)} is not set"
        else:
            yield f"{toml_key(name)} = {toml_value(masked(name, value))}{comment}"
    for name, inner in inner_tables.items():
        yield from _table_lines(settings, (*key, name), inner, _inner(default, key, name))


def _inner(default: dict[str, object], key: Key, name: str) -> dict[str, object]:
    inner = default.get(name)
    if inner is None and len(key) == 2 and key[0] == "listener":
        inner = listener_defaults(key[1])
    return inner if isinstance(inner, dict) else {}


def toml_key(name: str) -> str:
    """A name as a part of a key."""
    return name if _BARE_KEY.fullmatch(name) else _toml_string(name)


def _toml_string(text: str) -> str:
    # JSON's escapes are TOML's, except that TOML wants DEL escaped too.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_value(value: object) -> str:
    """A value on one line; tables inside lists become inline tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(inner) for inner in value if inner is not None)}]"
    if isinstance(value, Mapping):
        pairs = (f"{toml_key(str(name))} = {toml_value(inner)}" for name, inner in value.items() if inner is not None)
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return _toml_string(str(value))
