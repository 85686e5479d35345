"""rmqtt.toml: most keys are called the same here; what isn't known, or may not be, is named."""

import tomllib
from pathlib import Path

from rmq.migration.files import read_text
from rmq.migration.findings import Findings, MigrationError, flat
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
    "rmqtt-cluster-raft": "a cluster is founded with rmq-node cluster",
}


def read(path: Path) -> Findings:
    """The main file; those of plugins lie beside it and keep their form (rmqtt-acl.toml is rmq-acl.toml here)."""
    try:
        theirs = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise MigrationError(f"{path}: {error}") from None
    found = Findings()
    for key, value in flat(theirs).items():
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


def _take_plugins(found: Findings, path: Path, value: object) -> None:
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    ours = ["rmq-acl", "rmq-http-api"] + [_PLUGINS[name] for name in names if name in _PLUGINS]
    found.take("plugins.default_startups", "plugins.default_startups", list(dict.fromkeys(ours)))
    for name in names:
        if name in _BUILT_IN:
            found.note(f"plugin {name}", _BUILT_IN[name])
        elif name not in _PLUGINS:
            found.leave(f"plugin {name}", "there is no such plugin yet")
        elif (path.parent / "rmqtt-plugins" / f"{name}.toml").exists():
            found.note(f"plugin {name}", f"copy rmqtt-plugins/{name}.toml to plugins/{_PLUGINS[name]}.toml")
