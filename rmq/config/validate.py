"""Check raw tables against a pydantic model and say what is wrong in words, with origin, key and a suggestion."""

import difflib
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rmq.config.cluster import CLUSTER_TABLE
from rmq.config.origins import ConfigError, Key, Origins, Problem
from rmq.config.secrets import is_secret_key

if TYPE_CHECKING:
    from rmq.config.model import Settings

M = TypeVar("M", bound=BaseModel)

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a string",
    "list_type": 'a list such as ["one", "two"]',
    "tuple_type": 'a list such as ["one", "two"]',
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}

# Keys other brokers have and this one leaves out on purpose: say why instead of "unknown".
_LEFT_OUT = {
    "message_retry_interval": "there is no such key: unacknowledged messages are sent again on reconnect only",
    "workers": "there is no such key: one thread serves every connection of a node",
    "cookie": "there is no such key",
}


def validate(
    model: type[M], values: dict[str, object], origins: Origins, *, prefix: Key = (), context: object = None
) -> M:
    """`values` as `model`, or ConfigError with every problem. `prefix` is where the table stands among all keys."""
    try:
        return model.model_validate(values, context=context)
    except ValidationError as error:
        typed = _with_typed_text(values, error, origins, prefix)
        if typed is None:
            raise ConfigError(_problems(model, error, origins, prefix)) from None
    try:
        return model.model_validate(typed, context=context)
    except ValidationError as error:
        raise ConfigError(_problems(model, error, origins, prefix)) from None


def check_plugins(settings: "Settings", models: Mapping[str, type[BaseModel]]) -> dict[str, BaseModel]:
    """Every started or configured plugin against its model; ConfigError names unknown plugins and wrong keys."""
    problems: list[Problem] = []
    checked: dict[str, BaseModel] = {}
    for name in dict.fromkeys((*settings.plugins.default_startups, *settings.configured_plugins)):
        if name not in models:
            started = name in settings.plugins.default_startups
            key: Key = ("plugins", "default_startups") if started else ("plugins", name)
            origin = settings.origin_near(key)
            text = f"no plugin is called {name}{suggest(name, models)}"
            if name == CLUSTER_TABLE:
                text = f"{name} is no plugin to start: a node is in a cluster when plugins.{name}.nodes has nodes"
            problems.append(Problem(origin.name if origin else "", dotted(key), text))
            continue
        try:
            checked[name] = settings.plugin_settings(name, models[name])
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return checked


def dotted(key: tuple[str | int, ...]) -> str:
    """`("rules", 0, "topics")` as people read it: `rules[0].topics`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def suggest(name: str, known: typing.Iterable[str]) -> str:
    """` (did you mean …?)` for the nearest known name, or nothing."""
    close = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1, cutoff=0.6)
    close = close or difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def _with_typed_text(
    values: dict[str, object], error: ValidationError, origins: Origins, prefix: Key
) -> dict[str, object] | None:
    """Environment and flags have no types: `password=12345` was read as a number, but a string was wanted."""
    changed: dict[str, object] | None = None
    for detail in error.errors(include_url=False):
        key = tuple(part for part in detail["loc"] if isinstance(part, str))
        origin = origins.get(prefix + key)
        if detail["type"] == "string_type" and key == detail["loc"] and origin is not None and origin.text is not None:
            changed = _replaced(changed or values, key, origin.text)
    return changed


def _replaced(table: dict[str, object], key: Key, value: object) -> dict[str, object]:
    inner = table.get(key[0])
    if len(key) > 1 and isinstance(inner, dict):
        value = _replaced(inner, key[1:], value)
    return {**table, key[0]: value}


def _problems(model: type[BaseModel], error: ValidationError, origins: Origins, prefix: Key) -> list[Problem]:
    found = []
    for detail in error.errors(include_url=False):
        # Unions and validators add parts such as "function-plain[…]" to the location; nobody wrote those.
        loc = tuple(part for part in detail["loc"] if isinstance(part, int) or not set(part) & set("[](),"))
        names = tuple(str(part) for part in loc)
        origin = origins.nearest(prefix + names)
        found.append(Problem(origin.name if origin else "", dotted(prefix + loc), _message(model, detail, names)))
    return found


def _message(model: type[BaseModel], detail: ErrorDetails, names: Key) -> str:
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "extra_forbidden":
        return _unknown_key(model, names)
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context["error"])
    shown = "" if names and is_secret_key(names[-1]) else f", not {_shown(given)}"
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}{shown}"
    if kind == "literal_error":
        return f"must be one of {context['expected']}{shown}".replace("'", '"')
    for bound, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if bound in context:
            return f"must be {words} {context[bound]}{shown}"
    return detail["msg"][:1].lower() + detail["msg"][1:] + shown


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}…"'
    return str(value) if isinstance(value, (int, float)) else "a list" if isinstance(value, list) else repr(value)


def _unknown_key(model: type[BaseModel], names: Key) -> str:
    name = names[-1]
    table = _table_at(model, names[:-1])
    if name in _LEFT_OUT:
        return _LEFT_OUT[name]
    known = _key_names(table) if table is not None else []
    close = suggest(name, known)
    if close:
        return f"unknown key{close}"
    homes = _homes(model, name, ())
    if homes:
        return f"unknown key (it belongs in [{'.'.join(homes[0])}])"
    return f"unknown key (known here: {', '.join(known)})" if 0 < len(known) < 10 else "unknown key"


def _key_names(table: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]


def _table_at(model: type[BaseModel], names: Key) -> type[BaseModel] | None:
    """The model of the table at `names`; None where the model has something else than tables on the way."""
    for position, name in enumerate(names):
        field = model.model_fields.get(name)
        if field is None:
            return None
        inner, is_named = _inner_table(field.annotation)
        if inner is None:
            return None
        if is_named:
            return _table_at(inner, names[position + 2 :]) if position + 1 < len(names) else None
        model = inner
    return model


def _homes(model: type[BaseModel], name: str, path: Key) -> list[Key]:
    """Every table that has a key called `name`."""
    homes = [path] if path and name in model.model_fields else []
    for field_name, field in model.model_fields.items():
        inner, is_named = _inner_table(field.annotation)
        if inner is not None:
            homes += _homes(inner, name, (*path, field_name, "<name>") if is_named else (*path, field_name))
    return homes


def _inner_table(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    """The table model behind an annotation, and whether it stands under a name of its own (`dict[str, Model]`)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if typing.get_origin(annotation) is dict:
        value_type = typing.get_args(annotation)[1]
        if isinstance(value_type, type) and issubclass(value_type, BaseModel):
            return value_type, True
    return None, False
