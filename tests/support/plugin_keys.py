"""What tests of a plugin's keys stand on: its shipped file against its model, and what is said about wrong values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel

from rmq.config import ConfigError, Override, Settings, effective_toml, load

_FOLDER: Final = Path(__file__).resolve().parents[2] / "etc" / "plugins"


def shipped_text(plugin: str) -> str:
    """The file that ships."""
    return (_FOLDER / f"{plugin}.toml").read_text(encoding="utf-8")


def has_every_key(plugin: str, model: type[BaseModel]) -> dict[str, Any]:
    """The shipped file has each key, in tables too, and says the defaults; returns its values."""
    written = tomllib.loads(shipped_text(plugin))
    assert model.model_validate(written) == model.model_validate({})
    assert set(_written_keys(model, written)) == set(_keys(model))
    return written


def explains_every_key(plugin: str) -> None:
    """A comment stands before each key of the shipped file that is outside of tables, and before each table."""
    lines = shipped_text(plugin).splitlines()
    tables = [number for number, line in enumerate(lines) if line.startswith("[")]
    keys = [number for number, line in enumerate(lines) if re.match(r"[\w.-]+ = ", line)]
    places = [number for number in keys if not tables or number < tables[0]] + tables
    assert places
    assert [lines[number] for number in places if not (number and lines[number - 1].startswith("# "))] == []


def names_every_key(plugin: str, model: type[BaseModel]) -> None:
    """The shipped file, which says the defaults, names each key of lists of tables too, if in comments only."""
    text = shipped_text(plugin)
    assert model.model_validate(tomllib.loads(text)) == model.model_validate({})
    assert set(_all_names(model)) - set(re.findall(r"[a-z_0-9]+", text)) == set()


def set_by_flags(plugin: str, keys: Mapping[str, str], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of a node whose command line gives a plugin these keys; values are as one writes them there."""
    flags = [Override("--set", f"plugins.{plugin}.{key}", value) for key, value in keys.items()]
    return load(environ=environ or {}, overrides=flags)


def problems_of(plugin: str, model: type[BaseModel], key: str, value: str) -> list[str]:
    """What is said about a wrong value that the command line gives a plugin."""
    settings = set_by_flags(plugin, {key: value})
    with pytest.raises(ConfigError) as caught:
        settings.plugin_settings(plugin, model)
    return [str(problem) for problem in caught.value.problems]


def said_of(plugin: str, model: type[BaseModel], key: str, value: str) -> str:
    """The same, where it is one sentence."""
    (problem,) = problems_of(plugin, model, key, value)
    return problem


def printed(
    plugin: str, model: type[BaseModel], keys: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> str:
    """The whole configuration of such a node, as an operator is shown it."""
    settings = set_by_flags(plugin, keys, environ)
    return effective_toml(settings, {plugin: settings.plugin_settings(plugin, model)})


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field.annotation


def _keys(model: type[BaseModel], table: str = "") -> Iterator[str]:
    for name, kind in _fields(model):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, f"{table}{name}.")
        else:
            yield table + name


def _written_keys(model: type[BaseModel], written: Mapping[str, Any], table: str = "") -> Iterator[str]:
    kinds = dict(_fields(model))
    for name, value in written.items():
        kind = kinds.get(name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _written_keys(kind, value, f"{table}{name}.")
        else:
            yield table + name


def _all_names(model: type[BaseModel]) -> Iterator[str]:
    for name, kind in _fields(model):
        yield name
        for inner in (kind, *getattr(kind, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _all_names(inner)
