"""What NanoMQ's requests about a bridge come to in the configurations of the plugins that bridge.

A bridge here is one of that name in either configuration, or in both. Configurations are handled as they are written:
what isn't named in a request stays as it is, `${ENV:…}` and secrets with it, and the plugins' models check the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from rmq_http_api.errors import ApiError
from rmq_http_api.nanomq_v4.bridge_keys import LOCAL_TOPIC, REMOTE_TOPIC, Table, Wanted

EGRESS: Final = "rmq-bridge-egress-mqtt"
INGRESS: Final = "rmq-bridge-ingress-mqtt"
# What a bridge has in one direction only: the other one is made without.
_OF_ONE_DIRECTION: Final = frozenset({"entries", "message_channel_capacity", "max_inflight", "expiry_interval"})
_SCHEMES_OF_TLS: Final = ("tls://", "mqtts://")

Written = Mapping[str, Mapping[str, object]]


@dataclass(slots=True)
class BridgeEdit:
    """What is to become of the bridge ``name``, by plugin: see ``rmq.management``'s ``PluginConfigs.edit``.

    ``wanted`` are keys of the bridge, with all entries of a direction where they are to be others; ``added`` are
    entries that come to what is there, ``removed`` topic filters of the other broker that are subscribed to no more.
    """

    name: str
    wanted: Wanted = field(default_factory=Wanted)
    added: Sequence[Table] = ()
    removed: frozenset[str] = frozenset()

    def __call__(self, written: Written) -> Written:
        """The bridges of each plugin as they are to be; ``ApiError`` for what can't be."""
        bridges = {plugin: [dict(one) for one in _bridges(config)] for plugin, config in written.items()}
        self._make_missing(bridges)
        return {plugin: {"bridges": [self._edited(plugin, one) for one in found]} for plugin, found in bridges.items()}

    def _all(self, plugin: str) -> Sequence[Table] | None:
        return self.wanted.forwards if plugin == EGRESS else self.wanted.subscription

    def _make_missing(self, bridges: Mapping[str, list[Table]]) -> None:
        """A bridge that gets its first entries of a direction is made as that of the other direction is."""
        for plugin in (EGRESS, INGRESS):
            new = self._all(plugin) or (self.added if plugin == INGRESS else ())
            if not new or any(one["name"] == self.name for one in bridges.get(plugin, ())):
                continue
            if plugin not in bridges:
                key = "forwards" if plugin == EGRESS else "subscription"
                raise ApiError(400, "BAD_PARAMETER", f"{key}: {plugin} isn't loaded on this node")
            for one in (one for others in bridges.values() for one in others if one["name"] == self.name):
                made = {key: value for key, value in one.items() if key not in _OF_ONE_DIRECTION}
                bridges[plugin].append({**made, "entries": []})
                break

    def _edited(self, plugin: str, bridge: Table) -> Table:
        if bridge["name"] != self.name:
            return bridge
        bridge = _merged(bridge, self.wanted.common)
        if plugin == EGRESS:
            bridge = _merged(bridge, self.wanted.egress)
        is_tls = str(bridge["server"]).startswith(_SCHEMES_OF_TLS)
        if self.wanted.tls not in (None, is_tls):
            raise ApiError(400, "BAD_PARAMETER", "ssl.enable: goes by the server: tls+mqtt-tcp:// or mqtt-tcp://")
        old = list(bridge["entries"])
        new = self._all(plugin)
        if new is not None:
            bridge["entries"] = _replaced(old, new, plugin)
        if plugin == INGRESS:
            bridge["entries"] = _without(_with(list(bridge["entries"]), self.added), self.removed)
        return bridge


def _bridges(config: Mapping[str, object]) -> Sequence[Table]:
    return cast("Sequence[Table]", config.get("bridges", ()))  # the plugin runs with it: its model has accepted it


def _merged(table: Table, changes: Mapping[str, Any]) -> Table:
    """A table with other values, tables within tables merged too."""
    found = dict(table)
    for key, value in changes.items():
        inner = found.get(key)
        found[key] = _merged(inner if isinstance(inner, dict) else {}, value) if isinstance(value, dict) else value
    return found


def _replaced(old: Sequence[Table], new: Sequence[Table], plugin: str) -> list[Table]:
    """Entries in place of others; those with the same topics keep what NanoMQ has no word for."""
    left = list(old)
    found = []
    for entry in new:
        same = next((one for one in left if _topics(one, plugin) == _topics(entry, plugin)), None)
        if same is not None:
            left.remove(same)
        found.append(_merged(same or {}, entry))
    return found


def _with(old: list[Table], new: Sequence[Table]) -> list[Table]:
    found = list(old)
    for entry in new:
        at = next((at for at, one in enumerate(found) if _topics(one, INGRESS) == _topics(entry, INGRESS)), None)
        if at is None:
            found.append(entry)
        else:
            found[at] = _merged(found[at], entry)
    return found


def _without(old: list[Table], removed: frozenset[str]) -> list[Table]:
    return [one for one in old if one["remote"]["topic"] not in removed]


def _topics(entry: Table, plugin: str) -> tuple[str, str]:
    """Where an entry's messages come from, and what they become."""
    local, remote = entry.get("local", {}), entry.get("remote", {})
    if plugin == EGRESS:
        return local["topic_filter"], remote.get("topic", LOCAL_TOPIC)
    return remote["topic"], local.get("topic", REMOTE_TOPIC)
