"""rmq-bridge-egress-mqtt: what is published here goes to other brokers. Its keys and the plugin."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator

from rmq.plugin_api import PluginConfig, Subscribe, SubscriptionRequest
from rmq_plugins.bridge_mqtt.config import BridgeConfig, Server, read_tls, remote_id
from rmq_plugins.bridge_mqtt.link import MqttLink, OutwardSide, Side
from rmq_plugins.bridge_mqtt.rewriting import Outward
from rmq_plugins.bridges import topics
from rmq_plugins.bridges.config import MAX_QUEUE, Inflight, Qos, QueueLength
from rmq_plugins.bridges.entries import AllBridges, AnyEntries, EgressEntryConfig, EgressRemoteConfig, shared_filter
from rmq_plugins.bridges.plugin import BridgePlugin
from rmq_plugins.bridges.running import Planned
from rmq_plugins.bridges.topics import TopicMap

PLACEHOLDER: Final = "${local.topic}"


class RemoteConfig(EgressRemoteConfig):
    """How it is published there; without ``qos`` and ``retain`` as it was here."""

    qos: Qos | None = None
    retain: bool | None = None
    topic: Annotated[str, AfterValidator(lambda text: topics.check(text, PLACEHOLDER))] = PLACEHOLDER


class EntryConfig(EgressEntryConfig):
    """One stream of messages, in order."""

    remote: RemoteConfig = RemoteConfig()


class EgressBridgeConfig(BridgeConfig):
    """One broker that messages go to."""

    message_channel_capacity: QueueLength = MAX_QUEUE
    max_inflight: Inflight = 16
    entries: AnyEntries[EntryConfig]


class EgressConfig(PluginConfig):
    """All keys of etc/plugins/rmq-bridge-egress-mqtt.toml."""

    bridges: AllBridges[EgressBridgeConfig] = ()


class EgressPlugin(BridgePlugin[EgressConfig]):
    """Each entry has a session on this node that is subscribed for it, and keeps what the other broker hasn't taken."""

    name = "rmq-bridge-egress-mqtt"
    descr = "Messages sent on to other MQTT brokers"
    Config = EgressConfig
    kind = "bridge"
    direction = "egress"

    async def planned(self, config: EgressConfig) -> Sequence[Planned]:
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


def _side(bridge: EgressBridgeConfig, entry: EntryConfig) -> Side:
    local = entry.local.topic_filter
    most = 2 if entry.remote.qos is None else entry.remote.qos
    topic_filter = shared_filter(bridge.name, entry.key, local) if bridge.concurrent_client_limit > 1 else local
    # New ones are sent what is retained, once: retain handling 1.
    request = SubscriptionRequest(topic_filter, most, False, True, 1)
    names = TopicMap(entry.remote.topic, PLACEHOLDER, entry.remote.skip_levels)
    rewrite = Outward(bridge.name, str(Server(bridge.server)), local, names, entry.remote.retain)
    fixed = entry.remote.qos
    qos = (0, 1, 2) if fixed is None else (0, fixed, fixed)
    return OutwardSide(Subscribe(1, [request]), rewrite, qos, bridge.message_channel_capacity, bridge.max_inflight)
