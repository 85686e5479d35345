"""rmq-bridge-ingress-nats: what is published on NATS comes here. Its keys and the plugin."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from rmq.plugin_api import PluginConfig, SomeTime
from rmq_plugins.bridge_nats.client import NatsOptions
from rmq_plugins.bridge_nats.config import NamePrefix, NatsBridgeConfig, options_of
from rmq_plugins.bridge_nats.incoming import Kept, NatsInwardLink, Wanted
from rmq_plugins.bridge_nats.plugin import NatsPlugin
from rmq_plugins.bridge_nats.subjects import check_filter
from rmq_plugins.bridge_nats.worker import Worker
from rmq_plugins.bridges import topics
from rmq_plugins.bridges.entries import (
    AllBridges,
    Entries,
    IngressEntryConfig,
    IngressLocalConfig,
    IngressRemoteConfig,
    entry_key,
)
from rmq_plugins.bridges.running import Make, Planned
from rmq_plugins.bridges.topics import TopicMap

PLACEHOLDER: Final = "${remote.topic}"

StreamName = Annotated[str, Field(pattern=r"^[^\s.*>/\\]{0,255}$")]


class RemoteConfig(IngressRemoteConfig):
    """What is subscribed to there: a subject of NATS."""

    topic: Annotated[str, AfterValidator(check_filter)]
    group: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    stream: StreamName = ""


class LocalConfig(IngressLocalConfig):
    """How it is published here; without ``qos`` and ``retain`` as its headers say."""

    topic: Annotated[str, AfterValidator(lambda text: topics.check(text, PLACEHOLDER))] = PLACEHOLDER
    allow_empty_forward: bool = True


class EntryConfig(IngressEntryConfig):
    """One stream of messages, in order."""

    remote: RemoteConfig
    local: LocalConfig = LocalConfig()

    @property
    def key(self) -> str:
        """What tells it from the others of its bridge: as long as that stays, so does its place in a stream."""
        return entry_key(self.remote.topic, self.remote.group, self.remote.stream, self.local.topic)


class IngressBridgeConfig(NatsBridgeConfig):
    """The servers of one NATS that messages come from."""

    consumer_name_prefix: NamePrefix = "rmq"
    ack_wait: SomeTime = 30.0
    entries: Entries[EntryConfig]

    @model_validator(mode="after")
    def _has_streams_with_jetstream_only(self) -> "IngressBridgeConfig":
        if not self.jetstream and any(entry.remote.stream for entry in self.entries):
            raise ValueError("remote.stream needs jetstream = true")
        return self


class IngressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-ingress-nats.toml."""

    bridges: AllBridges[IngressBridgeConfig] = ()


class IngressPlugin(NatsPlugin[IngressConfig]):
    """Each entry is subscribed there; what a stream gave is acknowledged when this node has acknowledged it."""

    name = "rmq-bridge-ingress-nats"
    descr = "Messages taken from NATS"
    Config = IngressConfig
    direction = "ingress"

    async def planned(self, config: IngressConfig) -> Sequence[Planned]:
        """One connection for each entry."""
        found: list[Planned] = []
        for bridge in config.bridges:
            if not bridge.enable:
                continue
            for entry in bridge.entries:
                # Names of consumers have no dots.
                name = f"{bridge.consumer_name_prefix}-{bridge.name.replace('.', '_')}-{entry.key}"
                options = await options_of(bridge, name)
                found.append(self.plan(bridge, entry, _maker(self._worker, options, bridge, entry)))
        return found


def _maker(worker: Worker, options: NatsOptions, bridge: IngressBridgeConfig, entry: EntryConfig) -> Make:
    remote, local = entry.remote, entry.local
    # Whoever names the same group shares the consumer.
    durable = (remote.group or options.name) if bridge.jetstream else ""
    wanted = Wanted(remote.topic, remote.group, durable, remote.stream, bridge.ack_wait, bridge.sender_capacity)
    # What a stream keeps is worth an acknowledgement here.
    kept = Kept(
        TopicMap(local.topic, PLACEHOLDER), local.qos, int(bridge.jetstream), local.retain, local.allow_empty_forward
    )
    return partial(
        NatsInwardLink,
        worker=worker,
        options=options,
        bridge=bridge.name,
        server=bridge.server,
        wanted=wanted,
        kept=kept,
        pause_s=bridge.reconnect_interval,
        retries_at_first=bridge.retry_on_initial_connect,
    )
