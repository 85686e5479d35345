"""The configuration as NanoMQ has it: told, changed all or not at all, with what is kept for the sake of its users.

It is that of the node which is asked. What has no counterpart is refused by its name; with ``compat_keep_unknown`` it
is kept with the plugin's settings (``compat_kept``), given back, and listed as ignored. Secrets are neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from rmq_http_api.errors import ApiError
from rmq_http_api.nanomq.settings import API, KEPT, TABLE, Changes, Values, Wrong, at, complete
from rmq_http_api.service import ApiService

MAX_KEYS: Final = 500
NAMED_AT_MOST: Final = 8
MAX_DEPTH: Final = 8
# Where newer versions of NanoMQ have what stands above the sections in older ones.
BASIC: Final = "basic"


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a change, by NanoMQ's keys."""

    applied: list[str]
    after_restart: list[str]
    ignored: list[str]


@dataclass(slots=True)
class _Plan:
    """What a change comes to: ours by key, which of NanoMQ's led to which of ours, and what is kept then."""

    changes: Changes = field(default_factory=dict)
    ours: dict[str, set[str]] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    kept: dict[str, JsonValue] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Configuration:
    """The configuration of this node."""

    def __init__(self, service: ApiService) -> None:
        self._operations = service.management.local.operations

    def told(self) -> dict[str, JsonValue]:
        """All values by NanoMQ's keys, what is kept among them."""
        return _told(self._values())

    def ignored(self) -> list[str]:
        """The keys of what is kept and has no effect."""
        return sorted(_kept(self._values()))

    async def change(self, data: Mapping[str, JsonValue]) -> Changed:
        """Have these values in force, now or after a restart.

        ``ApiError`` names what can't be, and nothing is changed then.
        """
        control = self._operations.node_settings
        values = self._values()
        given = _flat(data)
        if len(given) > MAX_KEYS:
            raise ApiError(400, "BAD_PARAMETER", f"there are more than {MAX_KEYS} keys")
        plan = _plan(given, values)
        keeps = bool(at(values, f"{API}.compat_keep_unknown", False))
        if plan.refused and not keeps:
            names = ", ".join(sorted(plan.refused)[:NAMED_AT_MOST])
            raise ApiError(400, "BAD_PARAMETER", f"{names}: no counterpart here (compat_keep_unknown keeps such keys)")
        if plan.kept != _kept(values):
            plan.changes[KEPT] = plan.kept or None
        late: set[str] = set()
        if plan.changes:
            late = set((await control.change(plan.changes)).after_restart)
        after_restart = sorted(key for key, ours in plan.ours.items() if ours & late)
        applied = sorted({*plan.ours, *plan.unchanged} - set(after_restart))
        return Changed(applied, after_restart, sorted(plan.ignored))

    def _values(self) -> Values:
        values = self._operations.node_settings.values()
        if not values:
            raise ApiError(404, "NO_SETTINGS", "this node was made by a program, which has its settings")
        return values


def nested(values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Values by keys with dots as objects in objects."""
    found: dict[str, JsonValue] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        table = found
        for section in sections:
            inner = table.setdefault(section, {})
            if not isinstance(inner, dict):  # a kept key that is a value and a section
                break
            table = inner
        else:
            table[name] = value
    return found


def _kept(values: Values) -> dict[str, JsonValue]:
    return dict(at(values, KEPT, {}))


def _told(values: Values) -> dict[str, JsonValue]:
    return {**{key: entry.read(values) for key, entry in TABLE.items()}, **_kept(values)}


def _plan(given: Mapping[str, JsonValue], values: Values) -> _Plan:
    told = _told(values)
    wanted = {**told, **given}
    plan = _Plan(kept=_kept(values))
    for key, value in given.items():
        entry = TABLE.get(key)
        if entry is not None and entry.same(value, entry.read(values)):
            plan.kept.pop(key, None)
            plan.unchanged.append(key)
        elif entry is not None and entry.write is not None:
            try:
                changes = entry.write(wanted, values)
            except Wrong as error:
                raise ApiError(400, "BAD_PARAMETER", f"{key}: {error}") from None
            plan.changes.update(changes)
            plan.ours[key] = set(changes)
        else:
            plan.ignored.append(key)
            if key not in plan.kept or plan.kept[key] != value:
                plan.refused.append(key)
            if (entry is None or not entry.secret) and not _is_secret(key) and value is not None:
                plan.kept[key] = value
    complete(plan.changes, values)
    return plan


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in ("password", "passwd", "secret", "token", "keypass"))


def _flat(data: Mapping[str, JsonValue], under: str = "", depth: int = 0) -> dict[str, JsonValue]:
    """Values by keys with dots. A list is a value; an empty object says nothing."""
    if depth > MAX_DEPTH:
        raise ApiError(400, "BAD_PARAMETER", f"{under[:64]}: there are more than {MAX_DEPTH} objects in objects")
    found: dict[str, JsonValue] = {}
    for name, value in data.items():
        inside = "" if not under and name == BASIC and isinstance(value, dict) else f"{under}{name}"
        if isinstance(value, dict):
            found.update(_flat(value, f"{inside}." if inside else "", depth + 1))
        else:
            found[inside] = value
    return found
