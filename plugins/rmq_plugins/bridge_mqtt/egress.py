"""rmq-bridge-egress-mqtt: what is published here goes to other brokers. Its keys and the plugin."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field, field_validator

from rmq.plugin_api import PluginConfig, Subscribe, SubscriptionRequest
from rmq_plugins.bridge_mqtt.config import BridgeConfig, Server, read_tls, remote_id
from rmq_plugins.bridge_mqtt.link import MqttLink, OutwardSide, Side
from rmq_plugins.bridge_mqtt.rewriting import Outward
from rmq_plugins.bridges import topics
from rmq_plugins.bridges.config import (
    MAX_BRIDGES,
    MAX_ENTRIES,
    MAX_QUEUE,
    Inflight,
    LocalFilterConfig,
    Qos,
    QueueLength,
    are_different,
    entry_key,
)
from rmq_plugins.bridges.plugin import BridgePlugin
from rmq_plugins.bridges.running import Planned
from rmq_plugins.bridges.topics import TopicMap

PLACEHOLDER: Final = "${local.topic}"


class RemoteConfig(PluginConfig):
    """How it is published there; without ``qos`` and ``retain`` as it was here."""

    qos: Qos | None = None
    retain: bool | None = None
    topic: Annotated[str, AfterValidator(lambda text: topics.check(text, PLACEHOLDER))] = PLACEHOLDER
    skip_levels: Annotated[int, Field(ge=0, le=100)] = 0


class EntryConfig(PluginConfig):
    """One stream of messages, in order."""

    local: LocalFilterConfig
    remote: RemoteConfig = RemoteConfig()

    @property
    def key(self) -> str:
        """What tells it from the others of its bridge: as long as that stays, so does what waits."""
        return entry_key(self.local.topic_filter, self.remote.topic, str(self.remote.skip_levels))


class EgressBridgeConfig(BridgeConfig):
    """One broker that messages go to."""

    message_channel_capacity: QueueLength = MAX_QUEUE
    max_inflight: Inflight = 16
    entries: Annotated[tuple[EntryConfig, ...], Field(strict=False, min_length=1, max_length=MAX_ENTRIES)]

    @field_validator("entries")
    @classmethod
    def _are_different(cls, value: tuple[EntryConfig, ...]) -> tuple[EntryConfig, ...]:
        are_different([f"{e.local.topic_filter} to {e.remote.topic}, {e.remote.skip_levels} skipped" for e in value])
        return value


class EgressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-egress-mqtt.toml."""

    bridges: Annotated[tuple[EgressBridgeConfig, ...], Field(strict=False, max_length=MAX_BRIDGES)] = ()

    @field_validator("bridges")
    @classmethod
    def _are_different(cls, value: tuple[EgressBridgeConfig, ...]) -> tuple[EgressBridgeConfig, ...]:
        are_different([bridge.name for bridge in value])
        return value


class EgressPlugin(BridgePlugin[EgressConfig]):
    """Each entry has a session on this node that is subscribed for it, and keeps what the other broker hasn't taken."""

    name = "rmq-bridge-egress-mqtt"
    descr = "Messages sent on to other MQTT brokers"
    Config = EgressConfig

    async def planned(self, config: EgressConfig) -> Sequence[Planned]:
        """One connection, or several, for each entry."""
        found: list[Planned] = []
        for bridge in config.bridges:
            if not bridge.enable:
                continue
            tls = await read_tls(bridge)
            for entry in bridge.entries:
                shared = bridge.concurrent_client_limit > 1
                for number in range(bridge.concurrent_client_limit):
                    far_id = remote_id(bridge, "egress", entry.key, number)
                    side = partial(_side, bridge, entry, shared=shared)
                    make = partial(MqttLink, bridge=bridge, tls=tls, remote_id=far_id, side=side)
                    label = f"{entry.local.topic_filter} -> {entry.remote.topic}"
                    sign = f"{bridge!r} {entry!r}"
                    found.append(Planned("bridge", "egress", bridge.name, entry.key, number, label, sign, make))
        return found


def _side(bridge: EgressBridgeConfig, entry: EntryConfig, *, shared: bool) -> Side:
    local = entry.local.topic_filter
    most = 2 if entry.remote.qos is None else entry.remote.qos
    topic_filter = f"$share/rmq-bridge-{bridge.name}-{entry.key}/{local}" if shared else local
    # New ones are sent what is retained, once: retain handling 1.
    request = SubscriptionRequest(topic_filter, most, False, True, 1)
    names = TopicMap(entry.remote.topic, PLACEHOLDER, entry.remote.skip_levels)
    rewrite = Outward(bridge.name, str(Server(bridge.server)), local, names, entry.remote.retain)
    fixed = entry.remote.qos
    qos = (0, 1, 2) if fixed is None else (0, fixed, fixed)
    return OutwardSide(Subscribe(1, [request]), rewrite, qos, bridge.message_channel_capacity, bridge.max_inflight)
