"""rmqtt.toml: most keys are called the same here; what isn't known, or may not be, is named."""

import tomllib
from pathlib import Path
from typing import Any, Final

from rmq.migration.bridges import EGRESS, INGRESS
from rmq.migration.files import read_text
from rmq.migration.findings import Findings, FoundBridge, MigrationError, flat
from rmq.migration.settings import check

# Tables and keys that nothing here needs.
_NOT_NEEDED = ("node.cookie", "task.", "rpc.", "plugins.dir")
# Keys of listeners that older versions call otherwise.
_RENAMED = {"shared_subscription": "shared_subscription_available"}
_PLUGINS = {
    "rmqtt-acl": "rmq-acl",
    "rmqtt-http-api": "rmq-http-api",
    "rmqtt-sys-topic": "rmq-sys-topic",
    "rmqtt-web-hook": "rmq-web-hook",
    "rmqtt-auth-http": "rmq-auth-http",
    "rmqtt-auth-jwt": "rmq-auth-jwt",
    "rmqtt-bridge-egress-kafka": "rmq-bridge-egress-kafka",
    "rmqtt-bridge-egress-mqtt": "rmq-bridge-egress-mqtt",
    "rmqtt-bridge-ingress-kafka": "rmq-bridge-ingress-kafka",
    "rmqtt-bridge-ingress-mqtt": "rmq-bridge-ingress-mqtt",
    "rmqtt-bridge-egress-nats": "rmq-bridge-egress-nats",
    "rmqtt-bridge-ingress-nats": "rmq-bridge-ingress-nats",
    "rmqtt-message-storage": "rmq-message-storage",
    "rmqtt-session-storage": "rmq-session-storage",
    "rmqtt-topic-rewrite": "rmq-topic-rewrite",
    "rmqtt-auto-subscription": "rmq-auto-subscription",
    "rmqtt-p2p-messaging": "rmq-p2p-messaging",
    "rmqtt-retainer": "rmq-retainer",
    "rmqtt-shared-subscription": "rmq-shared-subscription",
}
_BUILT_IN = {
    "rmqtt-counter": "everything is counted without a plugin",
    "rmqtt-cluster-broadcast": "a cluster is founded with rmq-node cluster",
    "rmqtt-cluster-raft": "a cluster is founded with rmq-node cluster",
}
# What of theirs is true by default, and false here.
_KEEPING: Final = ("v4.clean_session", "v5.clean_start")
# A session of ours has identifiers for so many messages that wait.
MOST_WAITING: Final = 60_000


def read(path: Path) -> Findings:
    """The main file; those of plugins lie beside it and keep their form (rmqtt-acl.toml is rmq-acl.toml here).

    Those of bridges to MQTT brokers are read as well: what they may say is a little less here.
    """
    found = Findings()
    for key, value in flat(_parsed(path)).items():
        if key == "plugins.default_startups":
            _take_plugins(found, path, value)
        elif key.startswith(_NOT_NEEDED):
            found.note(key, "not needed here")
        else:
            start, _, name = key.rpartition(".")
            ours = f"{start}.{_RENAMED[name]}" if key.startswith("listener.") and name in _RENAMED else key
            found.take(key, ours, value)
    check(found)
    return found


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise MigrationError(f"{path}: {error}") from None


def _take_plugins(found: Findings, path: Path, value: object) -> None:
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    ours = ["rmq-acl", "rmq-http-api"] + [_PLUGINS[name] for name in names if name in _PLUGINS]
    found.take("plugins.default_startups", "plugins.default_startups", list(dict.fromkeys(ours)))
    for name in names:
        if name in _BUILT_IN:
            found.note(f"plugin {name}", _BUILT_IN[name])
        elif name not in _PLUGINS:
            found.leave(f"plugin {name}", "there is no such plugin yet")
        elif (file := path.parent / "rmqtt-plugins" / f"{name}.toml").exists():
            if _PLUGINS[name] in (EGRESS, INGRESS):
                _take_bridges(found, file, _PLUGINS[name])
            else:
                found.note(f"plugin {name}", f"copy rmqtt-plugins/{name}.toml to plugins/{_PLUGINS[name]}.toml")
        elif _PLUGINS[name] in (EGRESS, INGRESS):
            found.leave(f"plugin {name}", f"rmqtt-plugins/{name}.toml isn't there: copy it beside {path.name}")


def _take_bridges(found: Findings, file: Path, plugin: str) -> None:
    """Their keys are ours; what ours may not be is taken out afterwards, and named."""
    theirs = _parsed(file)
    bridges = theirs.get("bridges")
    for number, bridge in enumerate(bridges if isinstance(bridges, list) else [], 1):
        what = f"{file.name}, bridge {bridge.get('name', number) if isinstance(bridge, dict) else number}"
        if not isinstance(bridge, dict) or not isinstance(bridge.get("entries"), list):
            found.leave(what, "has no entries")
            continue
        keys = flat({key: value for key, value in bridge.items() if key != "entries"})
        entries = [flat(entry) for entry in bridge["entries"] if isinstance(entry, dict)]
        found.note(what, f"{plugin}: bridge of the same name, {len(entries)} entries")
        capacity = keys.get("message_channel_capacity")
        if isinstance(capacity, int) and capacity > MOST_WAITING:
            keys["message_channel_capacity"] = MOST_WAITING
            found.note(f"{what}: message_channel_capacity", f"{MOST_WAITING}, which is the most")
        for key in _KEEPING:
            if key not in keys and _is_of_version(keys, key):
                found.note(f"{what}: {key}", "isn't there: ours is false, the session there is kept")
        found.bridges.append(FoundBridge(plugin, str(bridge.get("name", "")), keys, entries))
    for key in theirs:
        if key != "bridges":
            found.leave(f"{file.name}: {key}", "there is nothing like it")


def _is_of_version(keys: dict[str, object], key: str) -> bool:
    return key.startswith(f"{keys.get('mqtt_ver', 'v4')}.")
