"""rmq-bridge-ingress-mqtt: what is published on other brokers comes here. Its keys and the plugin."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from rmq.plugin_api import PluginConfig, Subscribe, SubscriptionRequest, WholeSeconds, is_valid_topic_filter
from rmq_plugins.bridge_mqtt.config import BridgeConfig, Server, read_tls, remote_id
from rmq_plugins.bridge_mqtt.link import InwardSide, MqttLink, Side
from rmq_plugins.bridge_mqtt.rewriting import Inward
from rmq_plugins.bridges import topics
from rmq_plugins.bridges.config import Qos
from rmq_plugins.bridges.entries import (
    MAX_SKIPPED,
    AllBridges,
    AnyEntries,
    IngressEntryConfig,
    IngressLocalConfig,
    IngressRemoteConfig,
    entry_key,
    shared_filter,
)
from rmq_plugins.bridges.plugin import BridgePlugin
from rmq_plugins.bridges.running import Planned
from rmq_plugins.bridges.topics import TopicMap

PLACEHOLDER: Final = "${remote.topic}"


def _is_filter(text: str) -> str:
    if not is_valid_topic_filter(text):
        raise ValueError(f"{text!r} isn't a topic filter")
    return text


class RemoteConfig(IngressRemoteConfig):
    """What is subscribed to there."""

    topic: Annotated[str, AfterValidator(_is_filter)]
    qos: Qos = 1


class LocalConfig(IngressLocalConfig):
    """How it is published here; without ``qos`` and ``retain`` as it came."""

    topic: Annotated[str, AfterValidator(lambda text: topics.check(text, PLACEHOLDER))] = PLACEHOLDER
    skip_levels: Annotated[int, Field(ge=0, le=MAX_SKIPPED)] = 0


class EntryConfig(IngressEntryConfig):
    """One stream of messages, in order."""

    remote: RemoteConfig
    local: LocalConfig = LocalConfig()

    @property
    def key(self) -> str:
        """What tells it from the others of its bridge."""
        # Without skip_levels the key, and so the session on the other broker, is what it was before there was any.
        skipped = [str(self.local.skip_levels)] if self.local.skip_levels else []
        return entry_key(*self.ends, *skipped)

    @property
    def description(self) -> str:
        """Its ends, and what is left out of names on the way."""
        return f"{super().description}, {self.local.skip_levels} skipped"


class IngressBridgeConfig(BridgeConfig):
    """One broker that messages come from."""

    expiry_interval: WholeSeconds = 0
    entries: AnyEntries[EntryConfig]


class IngressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-ingress-mqtt.toml."""

    bridges: AllBridges[IngressBridgeConfig] = ()


class IngressPlugin(BridgePlugin[IngressConfig]):
    """Each entry is a client of the other broker, and acknowledges there what this node has acknowledged."""

    name = "rmq-bridge-ingress-mqtt"
    descr = "Messages fetched from other MQTT brokers"
    Config = IngressConfig
    kind = "bridge"
    direction = "ingress"

    async def planned(self, config: IngressConfig) -> Sequence[Planned]:
        """One connection, or several, for each entry."""
        found: list[Planned] = []
        for bridge in config.bridges:
            if not bridge.enable:
                continue
            tls = await read_tls(bridge)
            for entry in bridge.entries:
                side = partial(_side, bridge, entry)
                for number in range(bridge.concurrent_client_limit):
                    far_id = remote_id(bridge, self.direction, entry.key, number)
                    make = partial(MqttLink, bridge=bridge, tls=tls, remote_id=far_id, side=side)
                    found.append(self.plan(bridge, entry, make, number))
        return found


def _side(bridge: IngressBridgeConfig, entry: EntryConfig) -> Side:
    topic_filter = entry.remote.topic
    if bridge.concurrent_client_limit > 1 and not topic_filter.startswith("$share/"):
        topic_filter = shared_filter(bridge.name, entry.key, topic_filter)
    request = SubscriptionRequest(topic_filter, entry.remote.qos, False, True, 1)
    names = TopicMap(entry.local.topic, PLACEHOLDER, entry.local.skip_levels)
    fixed = entry.local.qos
    qos = (0, 1, 2) if fixed is None else (0, fixed, fixed)
    server = str(Server(bridge.server))

    def rewrite() -> Inward:
        return Inward(bridge.name, server, names, entry.local.retain, bridge.expiry_interval)

    return InwardSide(Subscribe(1, [request]), rewrite, qos)
