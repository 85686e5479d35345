"""rmq-bridge-egress-mqtt: what is published here goes to other brokers. Its keys and the plugin."""

from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field, field_validator

from rmq.plugin_api import Plugin, PluginConfig, PluginHost, Subscribe, SubscriptionRequest, is_valid_topic_filter
from rmq_plugins.bridge_mqtt import topics
from rmq_plugins.bridge_mqtt.bridges import Bridges, Planned, entry_key, read_tls
from rmq_plugins.bridge_mqtt.config import (
    MAX_BRIDGES,
    MAX_ENTRIES,
    MAX_INFLIGHT,
    MAX_QUEUE,
    BridgeConfig,
    Qos,
    Server,
    are_different,
)
from rmq_plugins.bridge_mqtt.link import OutwardSide, Side
from rmq_plugins.bridge_mqtt.rewriting import Outward
from rmq_plugins.bridge_mqtt.topics import TopicMap

PLACEHOLDER: Final = "${local.topic}"


def _is_filter(text: str) -> str:
    if not is_valid_topic_filter(text) or text.startswith("$share/"):
        raise ValueError(f"{text!r} isn't a topic filter")
    return text


class LocalConfig(PluginConfig):
    """What of this node's goes out."""

    topic_filter: Annotated[str, AfterValidator(_is_filter)]


class RemoteConfig(PluginConfig):
    """How it is published there; without ``qos`` and ``retain`` as it was here."""

    qos: Qos | None = None
    retain: bool | None = None
    topic: Annotated[str, AfterValidator(lambda text: topics.check(text, PLACEHOLDER))] = PLACEHOLDER
    skip_levels: Annotated[int, Field(ge=0, le=100)] = 0


class EntryConfig(PluginConfig):
    """One stream of messages, in order."""

    local: LocalConfig
    remote: RemoteConfig = RemoteConfig()

    @property
    def key(self) -> str:
        """What tells it from the others of its bridge: as long as that stays, so does what waits."""
        return entry_key(self.local.topic_filter, self.remote.topic, str(self.remote.skip_levels))


class EgressBridgeConfig(BridgeConfig):
    """One broker that messages go to."""

    message_channel_capacity: Annotated[int, Field(ge=1, le=MAX_QUEUE)] = MAX_QUEUE
    max_inflight: Annotated[int, Field(ge=1, le=MAX_INFLIGHT)] = 16
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


class EgressPlugin(Plugin[EgressConfig]):
    """Each entry has a session on this node that is subscribed for it, and keeps what the other broker hasn't taken."""

    name = "rmq-bridge-egress-mqtt"
    descr = "Messages sent on to other MQTT brokers"
    Config = EgressConfig

    def __init__(self, config: EgressConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._bridges = Bridges(host)

    async def start(self) -> None:
        """Begin with all entries."""
        await self.reload(self.config)

    async def reload(self, config: EgressConfig) -> None:
        """End the entries that have changed, and begin with the new ones; what waits for those that stay stays."""
        await self._bridges.follow(await _planned(config))
        self.config = config

    async def stop(self) -> None:
        """End all connections; the sessions stay."""
        await self._bridges.follow([])

    def attrs(self) -> dict[str, object]:
        """Each entry, and all of them."""
        return self._bridges.attrs()


async def _planned(config: EgressConfig) -> list[Planned]:
    found: list[Planned] = []
    for bridge in config.bridges:
        if not bridge.enable:
            continue
        tls = await read_tls(bridge)
        for entry in bridge.entries:
            shared = bridge.concurrent_client_limit > 1
            for number in range(bridge.concurrent_client_limit):
                sign = f"{bridge!r} {entry!r}"
                side = partial(_side, bridge, entry, shared=shared)
                label = f"{entry.local.topic_filter} -> {entry.remote.topic}"
                found.append(Planned("egress", bridge, tls, entry.key, number, label, sign, side))
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
