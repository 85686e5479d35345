"""rmq-bridge-egress-kafka: what is published here goes to Kafka. Its keys and the plugin."""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from rmq.plugin_api import Duration, PluginConfig, PluginHost, Subscribe, SubscriptionRequest
from rmq_plugins.bridge_kafka.config import BridgeConfig
from rmq_plugins.bridge_kafka.needed import need_taken
from rmq_plugins.bridge_kafka.records import is_topic
from rmq_plugins.bridge_kafka.rewriting import LOCAL_TOPIC, Outward
from rmq_plugins.bridge_kafka.templates import Template
from rmq_plugins.bridges.config import MAX_QUEUE, Clients, Inflight, QueueLength
from rmq_plugins.bridges.entries import AllBridges, EgressEntryConfig, EgressRemoteConfig, Entries, shared_filter
from rmq_plugins.bridges.link import Link
from rmq_plugins.bridges.own import OwnClient
from rmq_plugins.bridges.place import Place
from rmq_plugins.bridges.plugin import BridgePlugin
from rmq_plugins.bridges.running import Make, Planned

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


class RemoteConfig(EgressRemoteConfig):
    """Where it goes there."""

    topic: Annotated[str, AfterValidator(_makes_a_topic)] = PLACEHOLDER
    key: Annotated[str, Field(max_length=1024), AfterValidator(_is_key)] = PLACEHOLDER
    partition: Annotated[int, Field(ge=0, le=0x7FFF_FFFF)] | None = None
    queue_timeout: Duration = 0.0


class EntryConfig(EgressEntryConfig):
    """One stream of messages, in order."""

    remote: RemoteConfig = RemoteConfig()


class EgressBridgeConfig(BridgeConfig):
    """One cluster of Kafka that messages go to."""

    concurrent_client_limit: Clients = 1
    entries: Entries[EntryConfig]


class EgressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-egress-kafka.toml."""

    task_queue_capacity: QueueLength = MAX_QUEUE
    task_concurrency_limit: Inflight = 128
    bridges: AllBridges[EgressBridgeConfig] = ()


class EgressPlugin(BridgePlugin[EgressConfig]):
    """Each entry has a session on this node that is subscribed for it, and keeps what Kafka hasn't taken."""

    name = "rmq-bridge-egress-kafka"
    descr = "Messages sent on to Kafka"
    Config = EgressConfig
    kind = "kafka-bridge"
    direction = "egress"

    async def planned(self, config: EgressConfig) -> Sequence[Planned]:
        """All connections of all entries."""
        await need_taken(config.bridges, _check)
        capacity, window = config.task_queue_capacity, config.task_concurrency_limit
        return [
            self.plan(bridge, entry, _maker(capacity, window, bridge, entry, number), number, (capacity, window))
            for bridge in config.bridges
            if bridge.enable
            for entry in bridge.entries
            for number in range(bridge.concurrent_client_limit)
        ]


def _check(bridge: EgressBridgeConfig) -> None:
    from rmq_plugins.bridge_kafka.library import check_sender

    check_sender(_properties(bridge, "check"))


def _properties(bridge: EgressBridgeConfig, client_id: str) -> dict[str, str]:
    return PROMISED | BOUNDED | bridge.library_properties(client_id)


def _maker(capacity: int, window: int, bridge: EgressBridgeConfig, entry: EntryConfig, number: int) -> Make:
    local, remote = entry.local.topic_filter, entry.remote
    remote_id = f"{bridge.client_id_prefix}:{bridge.name}:egress:{entry.key}:{number}"
    topic_filter = shared_filter(bridge.name, entry.key, local) if bridge.concurrent_client_limit > 1 else local

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

    return make
