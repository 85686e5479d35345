"""rmq-bridge-ingress-mqtt: what is published on other brokers comes here. Its keys and the plugin."""

from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field, field_validator

from rmq.plugin_api import (
    Plugin,
    PluginConfig,
    PluginHost,
    Subscribe,
    SubscriptionRequest,
    WholeSeconds,
    is_valid_topic_filter,
)
from rmq_plugins.bridge_mqtt import topics
from rmq_plugins.bridge_mqtt.bridges import Bridges, Planned, entry_key, read_tls
from rmq_plugins.bridge_mqtt.config import MAX_BRIDGES, MAX_ENTRIES, BridgeConfig, Qos, Server, are_different
from rmq_plugins.bridge_mqtt.link import InwardSide, Side
from rmq_plugins.bridge_mqtt.rewriting import Inward
from rmq_plugins.bridge_mqtt.topics import TopicMap

PLACEHOLDER: Final = "${remote.topic}"


def _is_filter(text: str) -> str:
    if not is_valid_topic_filter(text):
        raise ValueError(f"{text!r} isn't a topic filter")
    return text


class RemoteConfig(PluginConfig):
    """What is subscribed to there."""

    topic: Annotated[str, AfterValidator(_is_filter)]
    qos: Qos = 1


class LocalConfig(PluginConfig):
    """How it is published here; without ``qos`` and ``retain`` as it came."""

    qos: Qos | None = None
    retain: bool | None = None
    topic: Annotated[str, AfterValidator(lambda text: topics.check(text, PLACEHOLDER))] = PLACEHOLDER


class EntryConfig(PluginConfig):
    """One stream of messages, in order."""

    remote: RemoteConfig
    local: LocalConfig = LocalConfig()

    @property
    def key(self) -> str:
        """What tells it from the others of its bridge."""
        return entry_key(self.remote.topic, self.local.topic)


class IngressBridgeConfig(BridgeConfig):
    """One broker that messages come from."""

    expiry_interval: WholeSeconds = 0
    entries: Annotated[tuple[EntryConfig, ...], Field(strict=False, min_length=1, max_length=MAX_ENTRIES)]

    @field_validator("entries")
    @classmethod
    def _are_different(cls, value: tuple[EntryConfig, ...]) -> tuple[EntryConfig, ...]:
        are_different([f"{entry.remote.topic} to {entry.local.topic}" for entry in value])
        return value


class IngressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-ingress-mqtt.toml."""

    bridges: Annotated[tuple[IngressBridgeConfig, ...], Field(strict=False, max_length=MAX_BRIDGES)] = ()

    @field_validator("bridges")
    @classmethod
    def _are_different(cls, value: tuple[IngressBridgeConfig, ...]) -> tuple[IngressBridgeConfig, ...]:
        are_different([bridge.name for bridge in value])
        return value


class IngressPlugin(Plugin[IngressConfig]):
    """Each entry is a client of the other broker, and acknowledges there what this node has acknowledged."""

    name = "rmq-bridge-ingress-mqtt"
    descr = "Messages fetched from other MQTT brokers"
    Config = IngressConfig

    def __init__(self, config: IngressConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._bridges = Bridges(host)

    async def start(self) -> None:
        """Begin with all entries."""
        await self.reload(self.config)

    async def reload(self, config: IngressConfig) -> None:
        """End the entries that have changed, and begin with the new ones."""
        await self._bridges.follow(await _planned(config))
        self.config = config

    async def stop(self) -> None:
        """End all connections; the sessions stay."""
        await self._bridges.follow([])

    def attrs(self) -> dict[str, object]:
        """Each entry, and all of them."""
        return self._bridges.attrs()


async def _planned(config: IngressConfig) -> list[Planned]:
    found: list[Planned] = []
    for bridge in config.bridges:
        if not bridge.enable:
            continue
        tls = await read_tls(bridge)
        for entry in bridge.entries:
            for number in range(bridge.concurrent_client_limit):
                sign = f"{bridge!r} {entry!r}"
                side = partial(_side, bridge, entry)
                label = f"{entry.remote.topic} -> {entry.local.topic}"
                found.append(Planned("ingress", bridge, tls, entry.key, number, label, sign, side))
    return found


def _side(bridge: IngressBridgeConfig, entry: EntryConfig) -> Side:
    topic_filter = entry.remote.topic
    if bridge.concurrent_client_limit > 1 and not topic_filter.startswith("$share/"):
        topic_filter = f"$share/rmq-bridge-{bridge.name}-{entry.key}/{topic_filter}"
    request = SubscriptionRequest(topic_filter, entry.remote.qos, False, True, 1)
    names = TopicMap(entry.local.topic, PLACEHOLDER)
    fixed = entry.local.qos
    qos = (0, 1, 2) if fixed is None else (0, fixed, fixed)
    server = str(Server(bridge.server))

    def rewrite() -> Inward:
        return Inward(bridge.name, server, names, entry.local.retain, bridge.expiry_interval)

    return InwardSide(Subscribe(1, [request]), rewrite, qos)
