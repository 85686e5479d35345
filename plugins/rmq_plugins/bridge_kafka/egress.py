"""rmq-bridge-egress-kafka: what is published here goes to Kafka. Its keys and the plugin."""

from collections.abc import Sequence
from typing import Annotated, Final

import trio
from pydantic import AfterValidator, Field, field_validator

from rmq.plugin_api import Duration, PluginConfig, PluginError, PluginHost, Subscribe, SubscriptionRequest
from rmq_plugins.bridge_kafka.config import BridgeConfig
from rmq_plugins.bridge_kafka.needed import need_library
from rmq_plugins.bridge_kafka.records import is_topic
from rmq_plugins.bridge_kafka.rewriting import LOCAL_TOPIC, Outward
from rmq_plugins.bridge_kafka.templates import Template
from rmq_plugins.bridges.config import (
    MAX_BRIDGES,
    MAX_ENTRIES,
    MAX_QUEUE,
    Clients,
    Inflight,
    LocalFilterConfig,
    QueueLength,
    are_different,
    entry_key,
)
from rmq_plugins.bridges.link import BridgeFailedError, Link
from rmq_plugins.bridges.own import OwnClient
from rmq_plugins.bridges.place import Place
from rmq_plugins.bridges.plugin import BridgePlugin
from rmq_plugins.bridges.running import Planned

PLACEHOLDER: Final = "${local.topic}"
# What a topic of Kafka may begin with, for all that is known before there is a message.
SOME_TOPIC: Final = "t"

# Kept until Kafka has it; in order, and each record once, as long as the producer lives.
PROMISED: Final = {"acks": "all", "enable.idempotence": "true", "message.timeout.ms": "0"}
# What is under way takes no more memory than this; the rest waits in the session.
BOUNDED: Final = {"queue.buffering.max.kbytes": "65536"}


def _makes_a_topic(text: str) -> str:
    if not is_topic(Template(text, (LOCAL_TOPIC,)).filled({LOCAL_TOPIC: SOME_TOPIC}).replace("/", "-")):
        raise ValueError(f"{text!r} makes no topic of Kafka: letters, digits, dots, hyphens and underscores, up to 249")
    return text


def _is_key(text: str) -> str:
    Template(text, (LOCAL_TOPIC,))
    return text


class RemoteConfig(PluginConfig):
    """Where it goes there."""

    topic: Annotated[str, AfterValidator(_makes_a_topic)] = PLACEHOLDER
    key: Annotated[str, Field(max_length=1024), AfterValidator(_is_key)] = PLACEHOLDER
    partition: Annotated[int, Field(ge=0, le=0x7FFF_FFFF)] | None = None
    queue_timeout: Duration = 0.0
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
    """One cluster of Kafka that messages go to."""

    concurrent_client_limit: Clients = 1
    entries: Annotated[tuple[EntryConfig, ...], Field(strict=False, min_length=1, max_length=MAX_ENTRIES)]

    @field_validator("entries")
    @classmethod
    def _are_different(cls, value: tuple[EntryConfig, ...]) -> tuple[EntryConfig, ...]:
        are_different([f"{e.local.topic_filter} to {e.remote.topic}, {e.remote.skip_levels} skipped" for e in value])
        return value


class EgressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-egress-kafka.toml."""

    task_queue_capacity: QueueLength = MAX_QUEUE
    task_concurrency_limit: Inflight = 128
    bridges: Annotated[tuple[EgressBridgeConfig, ...], Field(strict=False, max_length=MAX_BRIDGES)] = ()

    @field_validator("bridges")
    @classmethod
    def _are_different(cls, value: tuple[EgressBridgeConfig, ...]) -> tuple[EgressBridgeConfig, ...]:
        are_different([bridge.name for bridge in value])
        return value


class EgressPlugin(BridgePlugin[EgressConfig]):
    """Each entry has a session on this node that is subscribed for it, and keeps what Kafka hasn't taken."""

    name = "rmq-bridge-egress-kafka"
    descr = "Messages sent on to Kafka"
    Config = EgressConfig

    async def planned(self, config: EgressConfig) -> Sequence[Planned]:
        """All connections of all entries."""
        need_library()
        await trio.to_thread.run_sync(_check, config)
        return [
            _plan(config, bridge, entry, number)
            for bridge in config.bridges
            if bridge.enable
            for entry in bridge.entries
            for number in range(bridge.concurrent_client_limit)
        ]


def _check(config: EgressConfig) -> None:
    """``PluginError`` says which bridge Kafka's library doesn't take, and why; in a thread, it reads files."""
    from rmq_plugins.bridge_kafka.library import check_sender

    for bridge in config.bridges:
        if bridge.enable:
            try:
                check_sender(_properties(bridge, "check"))
            except BridgeFailedError as error:
                raise PluginError(f"bridge {bridge.name}: {error}") from None


def _properties(bridge: EgressBridgeConfig, client_id: str) -> dict[str, str]:
    return PROMISED | BOUNDED | bridge.library_properties(client_id)


def _plan(config: EgressConfig, bridge: EgressBridgeConfig, entry: EntryConfig, number: int) -> Planned:
    local, remote = entry.local.topic_filter, entry.remote
    capacity, window = config.task_queue_capacity, config.task_concurrency_limit
    remote_id = f"{bridge.client_id_prefix}:{bridge.name}:egress:{entry.key}:{number}"
    shared = bridge.concurrent_client_limit > 1
    topic_filter = f"$share/rmq-bridge-{bridge.name}-{entry.key}/{local}" if shared else local

    def make(host: PluginHost, place: Place, client_id: str) -> Link:
        from rmq_plugins.bridge_kafka.sending import OutLink

        own = OwnClient(host, client_id, bridge.session_retention, capacity)
        own.receive_maximum = window
        rewrite = Outward(
            bridge.name,
            bridge.servers,
            local,
            Template(remote.topic, (LOCAL_TOPIC,)),
            Template(remote.key, (LOCAL_TOPIC,)),
            remote.skip_levels,
            -1 if remote.partition is None else remote.partition,
            host.node_id,
        )
        return OutLink(
            host,
            place,
            client_id,
            bridge.servers,
            bridge.reconnect_interval,
            own=own,
            # New ones are sent what is retained, once: retain handling 1.
            subscribe=Subscribe(1, [SubscriptionRequest(topic_filter, 2, False, True, 1)]),
            properties=_properties(bridge, remote_id),
            rewrite=rewrite,
            queue_timeout_s=remote.queue_timeout,
        )

    sign = f"{capacity} {window} {bridge!r} {entry!r}"
    return Planned("kafka-bridge", "egress", bridge.name, entry.key, number, f"{local} -> {remote.topic}", sign, make)
