"""rmq-bridge-ingress-kafka: what is written to Kafka is published here. Its keys and the plugin."""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rmq.plugin_api import PluginConfig, PluginHost, SomeTime, WholeSeconds, is_valid_topic_name
from rmq_plugins.bridge_kafka.config import BridgeConfig
from rmq_plugins.bridge_kafka.needed import need_taken
from rmq_plugins.bridge_kafka.records import is_topic
from rmq_plugins.bridge_kafka.rewriting import KAFKA_KEY, KAFKA_TOPIC, Inward
from rmq_plugins.bridge_kafka.templates import Template
from rmq_plugins.bridges.entries import (
    AllBridges,
    Entries,
    IngressEntryConfig,
    IngressLocalConfig,
    IngressRemoteConfig,
    entry_key,
)
from rmq_plugins.bridges.link import Link
from rmq_plugins.bridges.own import OwnClient
from rmq_plugins.bridges.place import Place
from rmq_plugins.bridges.plugin import BridgePlugin
from rmq_plugins.bridges.running import Make, Planned

UNASSIGNED: Final = -1
MAX_PARTITIONS: Final = 10_000
MAX_INFLIGHT: Final = 10_000
# Where a group that has committed nothing begins, by the names that librdkafka has for it.
RESETS: Final = {
    "smallest": "beginning",
    "earliest": "beginning",
    "beginning": "beginning",
    "largest": "end",
    "latest": "end",
    "end": "end",
}
NAMES: Final = (KAFKA_KEY, KAFKA_TOPIC)


def _is_offset(value: object) -> object:
    text = str(value) if type(value) is int else value
    if isinstance(text, str):
        if text.lower() in ("beginning", "end", "stored"):
            return text.lower()
        if text.removeprefix("-").isdecimal() and len(text) < 20:
            return text
    raise ValueError('an offset is "beginning", "end", "stored", a number, or minus so many before the end')


def _is_kafka_topic(text: str) -> str:
    if not is_topic(text):
        raise ValueError(f"{text!r} is no topic of Kafka: letters, digits, dots, hyphens and underscores, up to 249")
    return text


def _makes_a_name(text: str) -> str:
    if not is_valid_topic_name(Template(text, NAMES).filled({KAFKA_KEY: "t", KAFKA_TOPIC: "t"})):
        raise ValueError(f"{text!r} makes no topic name")
    return text


class RemoteConfig(IngressRemoteConfig):
    """What is fetched there."""

    topic: Annotated[str, AfterValidator(_is_kafka_topic)]
    group_id: Annotated[str, Field(min_length=1, max_length=255)]
    start_partition: Annotated[int, Field(ge=UNASSIGNED, le=0x7FFF_FFFF)] = UNASSIGNED
    stop_partition: Annotated[int, Field(ge=UNASSIGNED, le=0x7FFF_FFFF)] = UNASSIGNED
    offset: Annotated[str, BeforeValidator(_is_offset)] = "stored"

    @model_validator(mode="after")
    def _fits_together(self) -> "RemoteConfig":
        if self.stop_partition != UNASSIGNED:
            if self.start_partition == UNASSIGNED:
                raise ValueError("stop_partition needs a start_partition")
            if not 0 <= self.stop_partition - self.start_partition < MAX_PARTITIONS:
                raise ValueError(f"from start_partition to stop_partition are 1 to {MAX_PARTITIONS} partitions")
        return self

    @property
    def partitions(self) -> range | None:
        """The ones that are fetched; None has the group share them out."""
        if self.start_partition == UNASSIGNED:
            return None
        return range(self.start_partition, max(self.start_partition, self.stop_partition) + 1)


class LocalConfig(IngressLocalConfig):
    """How it is published here; without ``qos`` and ``retain`` as the headers say."""

    topic: Annotated[str, AfterValidator(_makes_a_name)]


class EntryConfig(IngressEntryConfig):
    """One topic, its partitions each in order."""

    remote: RemoteConfig
    local: LocalConfig

    @property
    def key(self) -> str:
        """What tells it from the others of its bridge."""
        return entry_key(self.remote.topic, self.remote.group_id, self.local.topic, str(self.remote.start_partition))

    @property
    def description(self) -> str:
        """Its ends, and who reads there, and where."""
        return f"{self.remote.topic} ({self.remote.group_id}, {self.remote.start_partition}) to {self.local.topic}"


class IngressBridgeConfig(BridgeConfig):
    """One cluster of Kafka that messages come from."""

    expiry_interval: WholeSeconds = 0
    max_inflight: Annotated[int, Field(ge=1, le=MAX_INFLIGHT)] = 500
    commit_interval: SomeTime = 1.0
    entries: Entries[EntryConfig]

    @model_validator(mode="after")
    def _begins_somewhere(self) -> "IngressBridgeConfig":
        reset = self.properties.get("auto.offset.reset", "end")
        if reset not in RESETS:
            raise ValueError(f"auto.offset.reset can't be {reset!r}: {', '.join(RESETS)} are known")
        return self

    def start_of(self, entry: EntryConfig) -> str:
        """Where to begin where the group has committed nothing."""
        if entry.remote.offset != "stored":
            return entry.remote.offset
        return RESETS[self.properties.get("auto.offset.reset", "end")]


class IngressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-ingress-kafka.toml."""

    bridges: AllBridges[IngressBridgeConfig] = ()


class IngressPlugin(BridgePlugin[IngressConfig]):
    """Each entry is a consumer of a group, and commits what this node has acknowledged."""

    name = "rmq-bridge-ingress-kafka"
    descr = "Messages fetched from Kafka"
    Config = IngressConfig
    kind = "kafka-bridge"
    direction = "ingress"

    async def planned(self, config: IngressConfig) -> Sequence[Planned]:
        """One connection for each entry."""
        await need_taken(config.bridges, _check)
        return [
            self.plan(bridge, entry, _maker(bridge, entry))
            for bridge in config.bridges
            if bridge.enable
            for entry in bridge.entries
        ]


def _check(bridge: IngressBridgeConfig) -> None:
    from rmq_plugins.bridge_kafka.library import check_receiver

    check_receiver(_properties(bridge, bridge.entries[0], "check"))


def _properties(bridge: IngressBridgeConfig, entry: EntryConfig, client_id: str) -> dict[str, str]:
    """What is fetched ahead is bounded; who comes with the name of this member takes its place at once."""
    ahead = {
        "group.instance.id": client_id,
        "queued.min.messages": "1000",
        "queued.max.messages.kbytes": "16384",
    }
    fixed = {
        "group.id": entry.remote.group_id,
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        "auto.offset.reset": "earliest",  # where what was committed is gone: what is still there isn't left out
    }
    return ahead | bridge.library_properties(client_id) | fixed


def _maker(bridge: IngressBridgeConfig, entry: EntryConfig) -> Make:
    remote, local = entry.remote, entry.local
    remote_id = f"{bridge.client_id_prefix}:{bridge.name}:ingress:{entry.key}"

    def make(host: PluginHost, place: Place, client_id: str) -> Link:
        from rmq_plugins.bridge_kafka.fetching import InLink
        from rmq_plugins.bridge_kafka.library import Receiver, Wake

        def receiver(wake: Wake) -> Receiver:
            return Receiver(
                _properties(bridge, entry, remote_id),
                remote.topic,
                remote.partitions,
                bridge.start_of(entry),
                bridge.max_inflight,
                bridge.commit_interval,
                wake,
            )

        return InLink(
            host,
            place,
            client_id,
            bridge.servers,
            bridge.reconnect_interval,
            own=OwnClient(host, client_id, 0),
            make=receiver,
            rewrite=Inward(
                bridge.name,
                bridge.servers,
                Template(local.topic, NAMES),
                local.qos,
                local.retain,
                bridge.expiry_interval,
            ),
        )

    return make
