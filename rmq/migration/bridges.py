"""A connection of theirs to another broker: what it has becomes bridges of ours, one for each direction."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from rmq.migration.findings import Findings, FoundBridge, shown

EGRESS: Final = "rmq-bridge-egress-mqtt"
INGRESS: Final = "rmq-bridge-ingress-mqtt"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.-]+")
MOST_OF_NAME: Final = 64
# Placeholders of ours in a name or a password of theirs would be filled in.
_PLACEHOLDER: Final = "${"

Version = Literal["v4", "v5"]


class Names:
    """What a topic is called on the other side.

    ``fixed`` is one name for all; else it is the name without its first ``skip`` levels, between two texts.
    """

    def __init__(self, before: str = "", after: str = "", skip: int = 0, fixed: str | None = None) -> None:
        self.skip = skip
        self._before = before
        self._after = after
        self._fixed = fixed

    @property
    def is_plain(self) -> bool:
        """Whether none of their texts would be taken for a placeholder."""
        return not any(_PLACEHOLDER in text for text in (self._before, self._after, self._fixed or ""))

    def template(self, placeholder: str) -> str:
        """As our keys have it."""
        return f"{self._before}{placeholder}{self._after}" if self._fixed is None else self._fixed


def names_by_prefix(pattern: str, here: str, there: str) -> Names | None:
    """For topics of ``here + pattern`` that are called ``there + pattern`` on the other side; None: can't be said."""
    if "+" not in pattern and "#" not in pattern:
        return Names(fixed=there + pattern) if here != there else Names()
    if here == there:
        return Names()
    # Levels can be left out, not parts of one.
    return Names(there, skip=here.count("/")) if not here or here.endswith("/") else None


class Link:
    """One connection of theirs, called ``what`` in what is told. Nothing is a bridge before ``finish``."""

    def __init__(self, found: Findings, what: str, name: str, version: Version = "v4") -> None:
        self._found = found
        self._what = what
        self._name = free_name(found, name)
        self._version = version
        self._keys: dict[str, object] = {}
        self._own: dict[str, dict[str, object]] = {EGRESS: {}, INGRESS: {}}
        self._entries: dict[str, list[dict[str, object]]] = {EGRESS: [], INGRESS: []}
        if self._name != name:
            self.note("its name", f'name = "{self._name}"')
        if version == "v5":
            self.set("MQTT 5", "mqtt_ver", "v5")

    @property
    def version(self) -> Version:
        """How the other broker is spoken to."""
        return self._version

    def set(self, what: str, key: str, value: object, plugin: str | None = None) -> None:
        """A key of the bridges, or of the one of a direction."""
        (self._keys if plugin is None else self._own[plugin])[key] = value
        self.note(what, f"{key} = {shown(value)}")

    def set_credentials(self, user: str, password: str) -> None:
        """Who we are there; the password is told to nobody."""
        for key, text in (("username", user), ("password", password)):
            if _PLACEHOLDER in text:
                self.leave(key, f"has {_PLACEHOLDER}, which would be a placeholder here: give it as ${{ENV:NAME}}")
            elif text:
                self._keys[key] = text
                told = "in the file, which only you may read; ${ENV:NAME} keeps it out of it"
                self.note(key, f"{key}, {told}" if key == "password" else f'{key} = "{text}"')

    def set_clean(self, what: str, clean: bool) -> None:
        """Whether each connection begins with nothing."""
        self.set(what, "v5.clean_start" if self._version == "v5" else "v4.clean_session", clean)

    def set_file(self, what: str, key: str, path: str) -> None:
        """A key that is a file; it needn't be on this machine, but then somebody has to see to it."""
        self.set(what, key, path)
        if _PLACEHOLDER in path:
            self.leave(what, f"{path}: write the whole path")
        elif not Path(path).exists():
            self.leave(what, f"{path}: isn't here: see to the file before the node starts")

    def note(self, what: str, becomes: str) -> None:
        """Something that is carried over."""
        self._found.note(f"{self._what}: {what}", becomes)

    def leave(self, what: str, why: str) -> None:
        """Something that isn't."""
        self._found.leave(f"{self._what}: {what}", why)

    def send(
        self, what: str, topic_filter: str, names: Names, *, qos: int | None = None, retain: bool | None = None
    ) -> None:
        """Messages that go out; ``qos`` and ``retain`` None: as published."""
        entry: dict[str, object] = {"local.topic_filter": topic_filter}
        self._add(what, EGRESS, entry, "remote", names, "${local.topic}", qos, retain)

    def fetch(
        self,
        what: str,
        topic_filter: str,
        names: Names,
        *,
        most: int,
        qos: int | None = None,
        retain: bool | None = None,
    ) -> None:
        """Messages that come in, subscribed to with ``most``; ``qos`` and ``retain`` None: as they come."""
        entry: dict[str, object] = {"remote.topic": topic_filter, "remote.qos": most}
        self._add(what, INGRESS, entry, "local", names, "${remote.topic}", qos, retain)

    def _add(
        self,
        what: str,
        plugin: str,
        entry: dict[str, object],
        side: str,
        names: Names,
        placeholder: str,
        qos: int | None,
        retain: bool | None,
    ) -> None:
        template = names.template(placeholder)
        if not names.is_plain:
            self.leave(what, f"has {_PLACEHOLDER}, which would be a placeholder here")
            return
        values = {"topic": template if template != placeholder else None, "skip_levels": names.skip or None}
        values |= {"qos": qos, "retain": retain}
        entry |= {f"{side}.{key}": value for key, value in values.items() if value is not None}
        source, *_ = entry.values()
        skipped = f", {names.skip} levels left out" if names.skip else ""
        if entry in self._entries[plugin]:
            return
        self._entries[plugin].append(entry)
        self.note(what, f"{plugin}: {source} -> {template}{skipped}")

    def finish(self, server: str) -> None:
        """Make bridges of it all; ``server`` is as our key has it."""
        made = [plugin for plugin, entries in self._entries.items() if entries]
        if not made:
            self._found.leave(self._what, "nothing of it can be carried over")
        for plugin in made:
            keys = {"enable": True, "name": self._name, "server": server, **self._keys, **self._own[plugin]}
            self._found.bridges.append(FoundBridge(plugin, self._name, keys, self._entries[plugin]))
            self._found.note(self._what, f'{plugin}: bridge "{self._name}" to {server}')


def free_name(found: Findings, theirs: str) -> str:
    """A name as bridges may have it, and none has so far."""
    name = _NOT_IN_NAMES.sub("-", theirs)[:MOST_OF_NAME] or "bridge"
    taken = {bridge.name for bridge in found.bridges}
    number = 2
    free = name
    while free in taken:
        free = f"{name[: MOST_OF_NAME - 5]}-{number}"
        number += 1
    return free


def server_of(address: str, port: int, *, is_tls: bool) -> str:
    """``server`` of a host and a port."""
    host = address.strip("[]")
    return f"{'tls' if is_tls else 'tcp'}://{f'[{host}]' if ':' in host else host}:{port}"


def table(tables: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A table within a table, empty where there is none."""
    found = tables.get(name)
    return found if isinstance(found, Mapping) else {}
