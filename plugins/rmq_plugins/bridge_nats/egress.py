"""rmq-bridge-egress-nats: what is published here goes to NATS. Its keys and the plugin."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field, field_validator

from rmq.plugin_api import PluginConfig, PluginHost
from rmq_plugins.bridge_nats.client import NatsOptions
from rmq_plugins.bridge_nats.config import NamePrefix, NatsBridgeConfig, options_of
from rmq_plugins.bridge_nats.outgoing import NatsOutwardLink
from rmq_plugins.bridge_nats.subjects import SubjectMap, check_subject
from rmq_plugins.bridge_nats.worker import Worker
from rmq_plugins.bridges.config import (
    MAX_BRIDGES,
    MAX_ENTRIES,
    MAX_QUEUE,
    LocalFilterConfig,
    QueueLength,
    are_different,
    entry_key,
)
from rmq_plugins.bridges.link import Link
from rmq_plugins.bridges.outward import Outlet
from rmq_plugins.bridges.place import Place
from rmq_plugins.bridges.plugin import BridgePlugin
from rmq_plugins.bridges.running import Planned

PLACEHOLDER: Final = "${local.topic}"


class RemoteConfig(PluginConfig):
    """How it is published there."""

    topic: Annotated[str, AfterValidator(lambda text: check_subject(text, PLACEHOLDER))] = PLACEHOLDER
    skip_levels: Annotated[int, Field(ge=0, le=100)] = 0
    forward_all_publish: bool = True
    forward_all_from: bool = False

    @field_validator("forward_all_from")
    @classmethod
    def _is_not_known(cls, value: bool) -> bool:
        if value:
            raise ValueError("who published a message isn't known here: bridges are told what subscribers are told")
        return value


class EntryConfig(PluginConfig):
    """One stream of messages, in order."""

    local: LocalFilterConfig
    remote: RemoteConfig = RemoteConfig()

    @property
    def key(self) -> str:
        """What tells it from the others of its bridge: as long as that stays, so does what waits."""
        return entry_key(self.local.topic_filter, self.remote.topic, str(self.remote.skip_levels))


class EgressBridgeConfig(NatsBridgeConfig):
    """The servers of one NATS that messages go to."""

    producer_name_prefix: NamePrefix = "rmq"
    message_channel_capacity: QueueLength = MAX_QUEUE
    entries: Annotated[tuple[EntryConfig, ...], Field(strict=False, min_length=1, max_length=MAX_ENTRIES)]

    @field_validator("entries")
    @classmethod
    def _are_different(cls, value: tuple[EntryConfig, ...]) -> tuple[EntryConfig, ...]:
        are_different([f"{e.local.topic_filter} to {e.remote.topic}, {e.remote.skip_levels} skipped" for e in value])
        return value


class EgressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-egress-nats.toml."""

    bridges: Annotated[tuple[EgressBridgeConfig, ...], Field(strict=False, max_length=MAX_BRIDGES)] = ()

    @field_validator("bridges")
    @classmethod
    def _are_different(cls, value: tuple[EgressBridgeConfig, ...]) -> tuple[EgressBridgeConfig, ...]:
        are_different([bridge.name for bridge in value])
        return value


class EgressPlugin(BridgePlugin[EgressConfig]):
    """Each entry has a session on this node that is subscribed for it, and keeps what the server hasn't taken."""

    name = "rmq-bridge-egress-nats"
    descr = "Messages sent on to NATS"
    Config = EgressConfig

    def __init__(self, config: EgressConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._worker = Worker(self.name)

    async def planned(self, config: EgressConfig) -> Sequence[Planned]:
        """One connection for each entry."""
        found: list[Planned] = []
        for bridge in config.bridges:
            if not bridge.enable:
                continue
            for entry in bridge.entries:
                options = await options_of(bridge, f"{bridge.producer_name_prefix}-{bridge.name}-{entry.key}")
                label = f"{entry.local.topic_filter} -> {entry.remote.topic}"
                make = _maker(self._worker, options, bridge, entry)
                sign = f"{bridge!r} {entry!r}"
                found.append(Planned("bridge-nats", "egress", bridge.name, entry.key, 0, label, sign, make))
        return found

    async def stop(self) -> None:
        """End all connections and their thread; the sessions stay."""
        await super().stop()
        await self._worker.stop()


def _maker(
    worker: Worker, options: NatsOptions, bridge: EgressBridgeConfig, entry: EntryConfig
) -> Callable[[PluginHost, Place, str], Link]:
    outlet = Outlet(
        bridge.name,
        bridge.server,
        entry.local.topic_filter,
        bridge.session_retention,
        bridge.message_channel_capacity,
        bridge.sender_capacity,
    )
    return partial(
        NatsOutwardLink,
        worker=worker,
        options=options,
        outlet=outlet,
        subjects=SubjectMap(entry.remote.topic, PLACEHOLDER, entry.remote.skip_levels),
        pause_s=bridge.reconnect_interval,
        retries_at_first=bridge.retry_on_initial_connect,
        jetstream=bridge.jetstream,
        as_published=entry.remote.forward_all_publish,
    )
