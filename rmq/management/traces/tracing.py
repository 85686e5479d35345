"""This node's part in traces: while one runs, what happens is listened to; without any, nobody listens."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmq.engine.timers import Timer
from rmq.hooks.registry import HookRegistry
from rmq.management.errors import AccountNotFound
from rmq.management.models import NodeRef
from rmq.management.traces.files import TraceFiles
from rmq.management.traces.lines import Facts, message_facts, trace_line
from rmq.management.traces.traces import KIND, Trace, read_trace
from rmq.mqtt.codes import REASON_NAMES
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Connect
from rmq.mqtt.topics import matches
from rmq.session.client_info import ClientInfo
from rmq.session.subscription import Subscription

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

# The name under which handlers are registered, and the priority: behind all others, so that it sees what they made.
OWNER: Final = "trace"
LAST: Final = -1_000_000
# So much earlier each begins, and ends: what begins at once on one node has begun where the clock is behind, too.
EARLY_S: Final = 0.5
# No more is read at once.
MAX_READ: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class TraceFileView:
    """What a node has written for a trace: bytes, and when last, in seconds since 1970."""

    node: NodeRef
    name: str
    size: int
    changed_at: float | None


class Tracing:
    """Follows the traces of the cluster; ``folder`` is where files go."""

    def __init__(self, node: "LocalNode", hooks: HookRegistry, folder: Path) -> None:
        self._node = node
        self._broker = node.broker
        self._hooks = hooks
        self.files = TraceFiles(folder)
        self._running: list[Trace] = []
        self._listens = False
        self._edge = _Edge(self)
        self._broker.account_watch.listen(KIND, self._changed)

    def views(self) -> tuple[TraceFileView, ...]:
        """What was written here, for each trace."""
        return tuple(
            TraceFileView(self._node.ref, name, self.files.size(name), self.files.changed_at(name))
            for name in self._accounts()
        )

    async def read(self, name: str, position: int, count: int) -> bytes:
        """A piece of what was written here for a trace, b"" at its end; raises ``AccountNotFound``."""
        if name not in self._accounts():
            raise AccountNotFound(KIND, name)
        return await self.files.read(name, max(0, position), min(max(0, count), MAX_READ))

    async def run(self) -> None:
        """Write, for ever."""
        await self.files.run()

    def _accounts(self) -> list[str]:
        return [account.name for account in self._node.accounts.all(KIND)]

    def _changed(self, name: str | None) -> None:
        self.files.keep_only(set(self._accounts()))
        self.look(self._broker.ctx.now)

    def look(self, now: float) -> float:
        """Which traces run now? Returns when that changes by itself, 0.0 for never."""
        traces = [read_trace(account) for account in self._node.accounts.all(KIND)]
        self._running = [trace for trace in traces if trace.status(now + EARLY_S) == "running"]
        if self._running and not self._listens:
            self._listen()
        elif not self._running and self._listens:
            self._hooks.unregister_plugin(OWNER)
            self._listens = False
        edges = [trace.start_at - EARLY_S for trace in traces if trace.status(now + EARLY_S) == "waiting"]
        edges += [trace.end_at - EARLY_S for trace in self._running]
        if edges:
            self._broker.timers.enter(self._edge, min(edges))
        return 0.0

    def _listen(self) -> None:
        self._listens = True
        handlers: dict[str, Callable[..., object]] = {
            "client_connect": self._connect,
            "client_connack": self._connack,
            "client_disconnected": self._disconnected,
            "client_keepalive": self._keepalive,
            "session_subscribed": self._subscribed,
            "session_unsubscribed": self._unsubscribed,
            "message_publish": self._publish,
            "message_delivered": self._delivered,
            "message_acked": self._acked,
            "message_dropped": self._dropped,
        }
        for point, handler in handlers.items():
            self._hooks.register(point, handler, OWNER, LAST)

    def _note(self, event: str, client: ClientInfo | None, topic: str | None, facts: Callable[[Trace], Facts]) -> None:
        for trace in self._running:
            if _is_about(trace, client, topic):
                line = trace_line(self._broker.ctx.now, event, client, facts(trace), trace.lines)
                self.files.file(trace.name).add(line)
                self.files.wake()

    def _connect(self, client: ClientInfo, connect: Connect) -> None:
        self._note(
            "CONNECT",
            client,
            None,
            lambda trace: {
                "username": client.username,
                "protocol": client.protocol_level,
                "clean_start": client.clean_start,
                "keepalive": client.keepalive,
                "listener": client.listener,
            },
        )

    def _connack(self, client: ClientInfo, reason_code: int) -> None:
        self._note("CONNACK", client, None, lambda trace: _reason(reason_code))

    def _disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        self._note("DISCONNECTED", client, None, lambda trace: {**_reason(reason_code), "text": text})

    def _keepalive(self, client: ClientInfo) -> None:
        self._note("PINGREQ", client, None, lambda trace: {})

    def _subscribed(self, client: ClientInfo, subscription: Subscription) -> None:
        key = subscription.key
        self._note("SUBSCRIBED", client, key, lambda trace: {"filter": key, "qos": subscription.qos})

    def _unsubscribed(self, client: ClientInfo, subscription: Subscription) -> None:
        self._note("UNSUBSCRIBED", client, subscription.key, lambda trace: {"filter": subscription.key})

    def _publish(self, client: ClientInfo | None, message: Message) -> Message:
        self._note("PUBLISH", client, message.topic, lambda trace: message_facts(message, trace.payloads))
        return message

    def _delivered(self, client: ClientInfo, message: Message) -> None:
        self._note("DELIVERED", client, message.topic, lambda trace: message_facts(message, trace.payloads))

    def _acked(self, client: ClientInfo, message: Message) -> None:
        self._note("ACKED", client, message.topic, lambda trace: message_facts(message, "hidden"))

    def _dropped(self, client: ClientInfo | None, message: Message, reason: str) -> None:
        facts = {"reason": reason}
        self._note("DROPPED", client, message.topic, lambda trace: {**facts, **message_facts(message, "hidden")})


def _is_about(trace: Trace, client: ClientInfo | None, topic: str | None) -> bool:
    if trace.kind == "topic":
        # Subscribing is told of the very same filter too.
        return topic is not None and (topic == trace.value or matches(trace.value, topic))
    if client is None:
        return False
    if trace.kind == "clientid":
        return client.client_id == trace.value
    return client.remote_host.removeprefix("::ffff:") == trace.value


def _reason(reason_code: int) -> Facts:
    return {"reason_code": reason_code, "reason": REASON_NAMES.get(reason_code, "")}


class _Edge(Timer):
    """A trace begins or ends."""

    __slots__ = ("_tracing",)

    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing

    def fire(self, now: float) -> float:
        return self._tracing.look(now)
