"""The plugin: JSON messages below $SYS/brokers/{node}/."""

from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import trio

from rmq import __version__
from rmq.plugin_api import ClientInfo, Plugin, PluginHost, Subscription, is_valid_topic_name
from rmq_plugins.sys_topic.classic import scalars
from rmq_plugins.sys_topic.config import SysTopicConfig


class SysTopicPlugin(Plugin[SysTopicConfig]):
    """Publishes ``stats`` and ``metrics`` in intervals, and an event when a client or a session comes or goes."""

    name = "rmq-sys-topic"
    descr = "Figures and events of the node on $SYS topics"
    Config = SysTopicConfig

    def __init__(self, config: SysTopicConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._sleeping = trio.CancelScope()
        self._began_at = host.now()

    async def start(self) -> None:
        """Publish now and then in intervals, and hook in for the events."""
        host = self.host
        host.on("client_connected", self._connected)
        host.on("client_disconnected", self._disconnected)
        host.on("session_created", self._session_created)
        host.on("session_terminated", self._session_terminated)
        host.on("session_subscribed", self._session_subscribed)
        host.on("session_unsubscribed", self._session_unsubscribed)
        host.keep(self._publish_in_intervals)

    async def _publish_in_intervals(self) -> None:
        while True:
            # The metrics go last: they count the stats message, and whoever reads both sees the newer state here.
            self._publish("stats", self.host.stats(), retain=self.config.message_retain_available)
            self._publish("metrics", self.host.metrics(), retain=self.config.message_retain_available)
            if self.config.classic_topics:
                self._publish_classic()
            with trio.CancelScope() as self._sleeping:
                await trio.sleep(self.config.publish_interval)

    async def reload(self, config: SysTopicConfig) -> None:
        """Go over to other keys: the figures are published at once, and from then on in the new interval."""
        self.config = config
        self._sleeping.cancel()

    def _publish(self, topic: str, body: object, *, retain: bool) -> None:
        self.host.publish(
            self._full(topic),
            orjson.dumps(body),
            qos=self.config.publish_qos,
            retain=retain,
            expiry_s=self.config.message_expiry_interval,
        )

    def _publish_classic(self) -> None:
        host, config = self.host, self.config
        figures = scalars(__version__, host.now() - self._began_at, host.stats(), host.metrics())
        for topic, text in figures.items():
            host.publish(
                f"$SYS/broker/{topic}",
                text.encode(),
                qos=config.publish_qos,
                retain=config.message_retain_available,
                expiry_s=config.message_expiry_interval,
            )

    def _full(self, topic: str) -> str:
        return f"$SYS/brokers/{self.host.node_id}/{topic}"

    def _tell(self, topic: str, event: Callable[[], dict[str, object]]) -> None:
        full = self._full(topic)
        # A client id may be as long as a topic name may be, and then there is no topic to tell of it.
        if not self.host.has_subscribers(full) or not is_valid_topic_name(full):
            return
        moment = datetime.fromtimestamp(self.host.now(), UTC)
        time = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"
        self._publish(topic, {"node": self.host.node_id, "time": time} | event(), retain=False)

    def _connected(self, client: ClientInfo) -> None:
        self._tell(
            f"clients/{_level(client.client_id)}/connected",
            lambda: (
                _facts(client)
                | {
                    "keepalive": client.keepalive,
                    "proto_ver": client.protocol_level,
                    "clean_start": client.clean_start,
                    "connected_at": int(client.connected_at * 1000),
                }
            ),
        )

    def _disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        self._tell(
            f"clients/{_level(client.client_id)}/disconnected",
            lambda: _facts(client) | {"reason": text, "disconnected_at": int(self.host.now() * 1000)},
        )

    def _session_created(self, client: ClientInfo) -> None:
        self._tell(
            f"session/{_level(client.client_id)}/created",
            lambda: _facts(client) | {"created_at": int(client.connected_at * 1000)},
        )

    def _session_terminated(self, client_id: str, reason_code: int) -> None:
        self._tell(f"session/{_level(client_id)}/terminated", lambda: {"clientid": client_id, "reason": reason_code})

    def _session_subscribed(self, client: ClientInfo, subscription: Subscription) -> None:
        self._tell(
            f"session/{_level(client.client_id)}/subscribed",
            lambda: _facts(client) | {"topic": subscription.key, "opts": {"qos": subscription.qos}},
        )

    def _session_unsubscribed(self, client: ClientInfo, subscription: Subscription) -> None:
        self._tell(
            f"session/{_level(client.client_id)}/unsubscribed",
            lambda: _facts(client) | {"topic": subscription.key},
        )


def _facts(client: ClientInfo) -> dict[str, object]:
    return {
        "clientid": client.client_id,
        "username": client.username or "undefined",
        "ipaddress": f"{client.remote_host}:{client.remote_port}",
    }


def _level(client_id: str) -> str:
    """A client id as one level of a topic name: what would be a wildcard or a separator becomes "_"."""
    return "".join("_" if character in "+#/" else character for character in client_id)
