"""rmq-bridge-egress-nats: what is published here goes to NATS. Its keys and the plugin."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, field_validator

from rmq.plugin_api import PluginConfig
from rmq_plugins.bridge_nats.client import NatsOptions
from rmq_plugins.bridge_nats.config import NamePrefix, NatsBridgeConfig, options_of
from rmq_plugins.bridge_nats.outgoing import NatsOutwardLink
from rmq_plugins.bridge_nats.plugin import NatsPlugin
from rmq_plugins.bridge_nats.subjects import SubjectMap, check_subject
from rmq_plugins.bridge_nats.worker import Worker
from rmq_plugins.bridges.config import MAX_QUEUE, QueueLength
from rmq_plugins.bridges.entries import AllBridges, EgressEntryConfig, EgressRemoteConfig, Entries
from rmq_plugins.bridges.outward import Outlet
from rmq_plugins.bridges.running import Make, Planned

PLACEHOLDER: Final = "${local.topic}"


class RemoteConfig(EgressRemoteConfig):
    """How it is published there."""

    topic: Annotated[str, AfterValidator(lambda text: check_subject(text, PLACEHOLDER))] = PLACEHOLDER
    forward_all_publish: bool = True
    forward_all_from: bool = False

    @field_validator("forward_all_from")
    @classmethod
    def _is_not_known(cls, value: bool) -> bool:
        if value:
            raise ValueError("who published a message isn't known here: bridges are told what subscribers are told")
        return value


class EntryConfig(EgressEntryConfig):
    """One stream of messages, in order."""

    remote: RemoteConfig = RemoteConfig()


class EgressBridgeConfig(NatsBridgeConfig):
    """The servers of one NATS that messages go to."""

    producer_name_prefix: NamePrefix = "rmq"
    message_channel_capacity: QueueLength = MAX_QUEUE
    entries: Entries[EntryConfig]


class EgressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-egress-nats.toml."""

    bridges: AllBridges[EgressBridgeConfig] = ()


class EgressPlugin(NatsPlugin[EgressConfig]):
    """Each entry has a session on this node that is subscribed for it, and keeps what the server hasn't taken."""

    name = "rmq-bridge-egress-nats"
    descr = "Messages sent on to NATS"
    Config = EgressConfig
    direction = "egress"

    async def planned(self, config: EgressConfig) -> Sequence[Planned]:
        """One connection for each entry."""
        found: list[Planned] = []
        for bridge in config.bridges:
            if not bridge.enable:
                continue
            for entry in bridge.entries:
                options = await options_of(bridge, f"{bridge.producer_name_prefix}-{bridge.name}-{entry.key}")
                found.append(self.plan(bridge, entry, _maker(self._worker, options, bridge, entry)))
        return found


def _maker(worker: Worker, options: NatsOptions, bridge: EgressBridgeConfig, entry: EntryConfig) -> Make:
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
