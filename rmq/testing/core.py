"""One node inside the trio loop that it runs in: started and stopped, watched and asked; all calls come from there."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

import trio

from rmq.config import ConfigError, Problem
from rmq.engine.broker import Broker
from rmq.engine.disconnect import close, connection_lost
from rmq.engine.gate import EngineGate
from rmq.mqtt import codes
from rmq.mqtt import message as engine_message
from rmq.mqtt.topics import is_valid_topic_filter, is_valid_topic_name, matches
from rmq.node import Node
from rmq.session.channel import Channel
from rmq.session.client_info import ClientInfo
from rmq.testing import clock, views
from rmq.testing.settle import settle
from rmq.testing.tables import Table, keep_addresses, make_settings
from rmq.testing.views import Message

T = TypeVar("T")

# The newest messages that are remembered, and the newest refused clients that an error text names.
REMEMBERED_MESSAGES: Final = 100_000
REMEMBERED_REFUSALS: Final = 10
OWNER: Final = "rmq.testing"
# Whatever a test may wait for happens at one of these points, or when a message is published.
EVENTS: Final = (
    "client_connected",
    "client_disconnected",
    "session_subscribed",
    "session_unsubscribed",
    "session_terminated",
)


class BrokerDownError(RuntimeError):
    """The broker was asked something while it doesn't run."""


class Want(Generic[T]):
    """Something a test waits for: ``probe`` finds it or returns None, ``missing`` says what is there instead."""

    def __init__(self, probe: Callable[[], T | None], missing: Callable[[], str]) -> None:
        self.probe = probe
        self.missing = missing


class _RecordingGate(EngineGate):
    """Every message that is routed comes by here, whoever published it."""

    def __init__(self, record: Callable[[engine_message.Message], None]) -> None:
        super().__init__()
        self._record = record

    def on_routed(self, message: engine_message.Message) -> None:
        self._record(message)
        super().on_routed(message)


class BrokerCore:
    """A broker that can be taken down and brought up again; what tests have seen of it stays. Made inside trio."""

    def __init__(self, tables: Table, stop_grace_s: float) -> None:
        self._tables = tables
        self._stop_grace_s = stop_grace_s
        self._messages: deque[Message] = deque(maxlen=REMEMBERED_MESSAGES)
        self._refusals: deque[str] = deque(maxlen=REMEMBERED_REFUSALS)
        self._watches: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._node: Node | None = None
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._failure: BaseException | None = None
        self.clock = clock.VirtualClock()
        self.addresses: dict[str, tuple[str, int]] = {}

    # Life

    async def up(self, nursery: trio.Nursery) -> None:
        """Start a node in ``nursery``; back when its listeners accept. ``ConfigError`` names what is wrong."""
        node = Node(make_settings(self._tables), self.clock, self._stop_grace_s)
        gate = _RecordingGate(self._record)
        gate.broker = node.broker
        node.broker.ctx.ports = gate
        node.broker.ctx.observed = True
        node.hooks.register("client_connack", self._note_refusal, OWNER)
        for point in EVENTS:
            node.hooks.register(point, self._look_again, OWNER)
        try:
            node.open()
        except BaseException:
            node.close()
            raise
        self.addresses = {listener.name: (listener.host, listener.port) for listener in node.listeners}
        keep_addresses(self._tables, self.addresses)
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        await nursery.start(self._run, node)

    async def _run(self, node: Node, *, task_status: trio.TaskStatus[None]) -> None:
        def started() -> None:
            self._node = node
            task_status.started()
            self._look_again()  # there may be sessions, and subscriptions, from before

        try:
            with self._scope:
                await node.run(started)
        except Exception as error:
            if self._node is None:
                raise _config_error(error) from None
            self._failure = error
            self.give_up(BrokerDownError(f"the broker has failed: {error!r}"))
        finally:
            self._node = None
            self._ended.set()

    async def down(self) -> None:
        """Stop the node, its clients told; raises what ended it before, if something did."""
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._ended.wait()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise BrokerDownError("the broker has failed") from failure

    async def break_down(self) -> None:
        """Stop the node as if it had been killed: nobody is told, and no session is closed."""
        for channel in self._settled().reactor.channels():
            channel.transport.abort()
        await self.down()

    def _running(self) -> Node:
        if self._failure is not None:
            raise BrokerDownError("the broker has failed") from self._failure
        if self._node is None:
            raise BrokerDownError("the broker is down: ask it before `outage()` begins, or after it has ended")
        return self._node

    def _settled(self) -> Node:
        """The node, with everything done that was asked of it."""
        node = self._running()
        settle(node)
        return node

    # Waiting

    def watch(self, probe: Callable[[], T | None]) -> Future[T]:
        """What ``probe`` finds, now or when something has happened. Whoever loses interest cancels the future.

        It is asked in the middle of what happens, also while no node runs: it must look only, and not fail.
        """
        future: Future[T] = Future()
        self._watches.append((probe, future))
        self._look_again()
        return future

    def give_up(self, error: Exception) -> None:
        """Nobody waits any longer."""
        watches, self._watches = self._watches, []
        for _probe, future in watches:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)

    def _look_again(self, *_event: object) -> None:
        for watch in list(self._watches):
            probe, future = watch
            if future.cancelled():
                self._watches.remove(watch)
                continue
            found = probe()
            if found is not None:
                self._watches.remove(watch)
                if future.set_running_or_notify_cancel():
                    future.set_result(found)

    def _record(self, message: engine_message.Message) -> None:
        self._messages.append(views.view_message(message))
        self._look_again()

    def _note_refusal(self, info: ClientInfo, reason_code: int) -> None:
        if reason_code != codes.SUCCESS:
            reason = codes.REASON_NAMES.get(reason_code, f"0x{reason_code:02X}")
            self._refusals.append(f"{info.client_id!r} ({reason})")

    def want_messages(self, topic_filter: str, count: int) -> Want[list[Message]]:
        """At least ``count`` messages that match."""
        check_filter(topic_filter)

        def probe() -> list[Message] | None:
            found = self.messages(topic_filter)
            return found if len(found) >= count else None

        def missing() -> str:
            found = len(self.messages(topic_filter))
            topics = list(dict.fromkeys(message.topic for message in reversed(self._messages)))[:10]
            asked = "message" if count == 1 else f"{count} messages"
            return f"no {asked} on {topic_filter!r}: {found} came; {_listed('published was on', topics)}"

        return Want(probe, missing)

    def want_client(self, client_id: str | None) -> Want[views.Client]:
        """The client with this id, or any, is connected."""

        def probe() -> views.Client | None:
            there = [] if self._node is None else views.view_clients(self._node.broker)
            return next((client for client in there if _is(client_id, client)), None)

        return Want(probe, lambda: f"{_client(client_id)} isn't connected; {self._who_is_there()}")

    def want_no_client(self, client_id: str) -> Want[bool]:
        """No client with this id is connected."""

        def probe() -> bool | None:
            return self._node is None or self._node.broker.registry.get(client_id) is None or None

        return Want(probe, lambda: f"{_client(client_id)} is still connected")

    def want_subscription(self, topic_filter: str, client_id: str | None) -> Want[views.Subscription]:
        """A subscription with exactly this filter, of this client or of any."""

        def probe() -> views.Subscription | None:
            there = [] if self._node is None else views.view_subscriptions(self._node.broker)
            return next((one for one in there if one.topic_filter == topic_filter and _is(client_id, one)), None)

        def missing() -> str:
            held = [f"{found.topic_filter!r} of {found.client_id!r}" for found in self.subscriptions()]
            return (
                f"{_client(client_id)} has no subscription {topic_filter!r}; {_listed('subscriptions:', held[:10])}; "
                f"{self._who_is_there()}"
            )

        return Want(probe, missing)

    def _who_is_there(self) -> str:
        there = [repr(client.client_id) for client in self.clients()]
        text = _listed("connected:", there[:10])
        return f"{text}; refused: {', '.join(self._refusals)}" if self._refusals else text

    # Questions and orders

    def messages(self, topic_filter: str) -> list[Message]:
        """What was published so far."""
        check_filter(topic_filter)
        return [message for message in self._messages if matches(topic_filter, message.topic)]

    def forget_messages(self) -> None:
        """Nothing was published so far."""
        self._messages.clear()

    def clients(self) -> list[views.Client]:
        """Who is connected."""
        return views.view_clients(self._settled().broker)

    def sessions(self) -> list[views.Session]:
        """All sessions."""
        return views.view_sessions(self._settled().broker)

    def subscriptions(self) -> list[views.Subscription]:
        """All subscriptions."""
        return views.view_subscriptions(self._settled().broker)

    def retained(self, topic_filter: str) -> list[Message]:
        """The retained messages that match, by topic."""
        check_filter(topic_filter)
        found = self._settled().broker.ctx.retained.match(topic_filter)
        return sorted((views.view_message(message) for message in found), key=lambda message: message.topic)

    def publish(
        self, topic: str, payload: bytes, qos: int, *, retain: bool, expiry: float, properties: bytes = b""
    ) -> int:
        """Publish for nobody; returns how many sessions matched, -1 when that is known later."""
        if not is_valid_topic_name(topic):
            raise ValueError(f"{topic!r} isn't a topic name: it must not be empty or hold '+', '#' or U+0000")
        if qos not in (0, 1, 2):
            raise ValueError(f"QoS must be 0, 1 or 2, not {qos!r}")
        broker = self._running().broker
        now = broker.touch_clock()
        expires_at = now + expiry if expiry else 0.0
        matched = broker.publish(
            engine_message.Message(
                topic, payload, qos, retain, "", properties, expires_at, now, engine_message.FROM_ADMIN
            )
        )
        broker.flush()
        return matched

    def kick(self, client_id: str) -> None:
        """End a client's connection; MQTT 5 clients are told 0x98, Administrative action."""
        broker, channel = self._connected(client_id)
        close(broker, channel, codes.ADMINISTRATIVE_ACTION, "kicked by the test")
        broker.flush()

    def cut(self, client_id: str) -> None:
        """Have a client's connection fail."""
        broker, channel = self._connected(client_id)
        connection_lost(broker, channel, "cut by the test")
        channel.transport.abort()
        broker.flush()

    def _connected(self, client_id: str) -> tuple[Broker, Channel]:
        broker = self._settled().broker
        channel = broker.registry.get(client_id)
        if channel is None:
            raise LookupError(f"{_client(client_id)} isn't connected; {self._who_is_there()}")
        broker.touch_clock()
        return broker, channel

    def advance(self, seconds: float, *, pings: bool) -> None:
        """Let time pass at once; with ``pings`` as if all clients had kept their keep alive."""
        node = self._running()

        def before_each() -> None:
            if pings:
                clock.count_as_heard(node)

        clock.advance(node, self.clock, seconds, before_each)


def check_filter(topic_filter: str) -> None:
    """``ValueError`` for what can't stand in a SUBSCRIBE, and for a shared subscription."""
    if topic_filter.startswith("$share/") or not is_valid_topic_filter(topic_filter):
        raise ValueError(f"{topic_filter!r} isn't a plain topic filter such as 'a/b', 'a/+/c' or 'a/#'")


def _is(client_id: str | None, found: views.Client | views.Subscription) -> bool:
    return client_id is None or found.client_id == client_id


def _client(client_id: str | None) -> str:
    return "any client" if client_id is None else f"client {client_id!r}"


def _listed(head: str, items: list[str]) -> str:
    return f"{head} {', '.join(items) or 'nothing'}"


def _config_error(error: BaseException) -> BaseException:
    """The ConfigErrors in a group as one; other errors as they are."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = error.subgroup(ConfigError)
    if group is None:
        return error
    problems: list[Problem] = []
    waiting: list[BaseException] = [group]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ConfigError):
            problems += one.problems
        elif isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return ConfigError(problems)
