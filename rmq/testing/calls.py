"""What every broker of a test offers, whether it runs in a thread or in the test's own trio loop."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from rmq.mqtt.properties import Properties, encode_block
from rmq.testing.clock import BrokerClock
from rmq.testing.core import BrokerCore, BrokerDownError
from rmq.testing.views import Client, Message, Session, Subscription

T = TypeVar("T")

DEFAULT_LISTENER: Final = "tcp.external"
SCHEMES: Final = {"tcp": "mqtt", "tls": "mqtts", "ws": "ws", "wss": "wss"}
# How long the waiting calls wait unless told otherwise, in seconds of real time (of trio's clock in a trio test).
DEFAULT_TIMEOUT_S: Final = 5.0


class BrokerCalls(ABC):
    """The calls that don't wait; each answers at once. ``clock`` is the broker's time."""

    def __init__(self) -> None:
        self._addresses: dict[str, tuple[str, int]] = {}
        self.clock = BrokerClock(
            lambda: self._call(lambda core: core.clock()),
            lambda seconds, pings: self._call(lambda core: core.advance(seconds, pings=pings)),
        )

    @abstractmethod
    def _call(self, function: Callable[[BrokerCore], T]) -> T:
        """Have a function run where the broker runs."""

    def address(self, listener: str = "") -> tuple[str, int]:
        """Host and port of a listener, such as "tcp.external"; without a name of that one, or of the first one."""
        name = listener or self._main_listener()
        if name not in self._addresses:
            raise LookupError(f"there is no listener {name!r}; there are: {', '.join(self._addresses)}")
        return self._addresses[name]

    def _main_listener(self) -> str:
        if not self._addresses:
            raise BrokerDownError("the broker isn't started yet: enter it first (`with`, in trio `async with`)")
        return DEFAULT_LISTENER if DEFAULT_LISTENER in self._addresses else next(iter(self._addresses))

    @property
    def host(self) -> str:
        """The address to connect to, "127.0.0.1" unless configured otherwise."""
        return self.address()[0]

    @property
    def port(self) -> int:
        """The TCP port to connect to; a free one is found for each broker, and kept through an outage."""
        return self.address()[1]

    @property
    def url(self) -> str:
        """Host and port as a URL: ``mqtt://127.0.0.1:40123``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEMES.get(self._main_listener().partition('.')[0], 'mqtt')}://{host}:{self.port}"

    def publish(
        self,
        topic: str,
        payload: bytes | str = b"",
        qos: int = 0,
        retain: bool = False,
        *,
        expiry: float = 0,
        content_type: str | None = None,
        response_topic: str | None = None,
        correlation_data: bytes | None = None,
        user_properties: Iterable[tuple[str, str]] = (),
    ) -> int:
        """Publish without a client; returns how many sessions matched, -1 where that is known later only.

        Access rules and plugins' ``message_publish`` handlers aren't asked: publish from a client to test those.
        ``expiry`` in seconds, 0 for none. ``ValueError``: the topic, the QoS or a property can't be sent.
        """
        raw = payload.encode() if isinstance(payload, str) else bytes(payload)
        properties = encode_block(Properties(-1, content_type, response_topic, correlation_data, list(user_properties)))
        return self._call(
            lambda core: core.publish(topic, raw, qos, retain=retain, expiry=expiry, properties=properties)
        )

    def messages(self, topic_filter: str = "#") -> list[Message]:
        """What was published so far and passed all checks, in order: by clients, wills, plugins and ``publish``.

        The newest 100,000 messages are remembered. "#" doesn't match topics that begin with "$" [MQTT-4.7.2-1]:
        ask for "$SYS/#".
        """
        return self._call(lambda core: core.messages(topic_filter))

    def forget_messages(self) -> None:
        """Have ``messages`` begin anew: for a broker that several tests share."""
        self._call(lambda core: core.forget_messages())

    def clients(self) -> list[Client]:
        """The connected clients, in the order in which they connected."""
        return self._call(lambda core: core.clients())

    def sessions(self) -> list[Session]:
        """All sessions, with and without a connection, by client id."""
        return self._call(lambda core: core.sessions())

    def subscriptions(self) -> list[Subscription]:
        """All subscriptions, by client id."""
        return self._call(lambda core: core.subscriptions())

    def retained(self, topic_filter: str = "#") -> list[Message]:
        """The retained messages that a subscription with this filter would get, by topic."""
        return self._call(lambda core: core.retained(topic_filter))

    def kick(self, client_id: str) -> None:
        """End a client's connection, as an operator would; ``LookupError``: it isn't connected.

        MQTT 5 clients get a DISCONNECT with 0x98, Administrative action. The session and the will are treated as the
        protocol says: the will is published.
        """
        self._call(lambda core: core.kick(client_id))

    def cut(self, client_id: str) -> None:
        """Have a client's connection fail, without a DISCONNECT either way; ``LookupError``: it isn't connected.

        What the client has sent and the broker hasn't read yet is lost.
        """
        self._call(lambda core: core.cut(client_id))
