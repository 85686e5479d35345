"""Figures of single topic names: counted on every node while somebody wants them, and not otherwise."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmq.hooks.registry import HookRegistry
from rmq.management.errors import AccountNotFound, BadQuery, TooManyTopics
from rmq.mqtt.message import Message
from rmq.mqtt.topics import is_valid_topic_name
from rmq.session.client_info import ClientInfo

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

KIND: Final = "topic_metrics"
MAX_TOPICS: Final = 512
OWNER: Final = "topic-metrics"
LAST: Final = -1_000_000
# What is counted: published, delivered and dropped messages, the first two by their QoS too.
NAMES: Final = (
    "in", "qos0.in", "qos1.in", "qos2.in", "out", "qos0.out", "qos1.out", "qos2.out", "dropped",
)  # fmt: skip
_IN: Final = 0
_OUT: Final = 4
_DROPPED: Final = 8


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """Of one topic name: ``counts`` and ``rates`` (a second) by ``NAMES``, since ``reset_at`` (None: ``created_at``).

    Times in seconds since 1970.
    """

    topic: str
    created_at: float
    reset_at: float | None
    counts: Mapping[str, int]
    rates: Mapping[str, float]


class _Counted:
    """The counters of one topic name since some time."""

    __slots__ = ("counts", "since")

    def __init__(self, since: float) -> None:
        self.counts = [0] * len(NAMES)
        self.since = since


class TopicMetrics:
    """Which topic names are counted is the same on every node, kept as accounts; what is counted is each node's own."""

    def __init__(self, node: "LocalNode", hooks: HookRegistry) -> None:
        self._node = node
        self._broker = node.broker
        self._hooks = hooks
        self._counted: dict[str, _Counted] = {}
        self._reset: dict[str, float | None] = {}
        self._listens = False
        self._broker.account_watch.listen(KIND, self._changed)

    def figures(self) -> tuple[TopicFigures, ...]:
        """Those of this node, by topic name."""
        now = self._broker.clock()
        found = []
        for account in self._node.accounts.all(KIND):
            fields = json.loads(account.value)
            counted = self._counted.get(account.name) or _Counted(now)
            elapsed = max(now - counted.since, 1.0)
            counts = dict(zip(NAMES, counted.counts, strict=True))
            rates = {name: round(count / elapsed, 3) for name, count in counts.items()}
            found.append(TopicFigures(account.name, fields["created_at"], fields["reset_at"], counts, rates))
        return tuple(found)

    async def create(self, topic: str) -> None:
        """Count a topic name on every node; raises ``AccountExists``, ``TooManyTopics``, ``BadQuery``."""
        if not is_valid_topic_name(topic) or len(topic) > 256:
            raise BadQuery("topic", f"{topic[:128]!r} isn't a topic name of at most 256 characters")
        if len(self._node.accounts.all(KIND)) >= MAX_TOPICS:
            raise TooManyTopics(MAX_TOPICS)
        written = {"created_at": self._broker.clock(), "reset_at": None}
        await self._node.accounts.create(KIND, topic, json.dumps(written).encode())

    async def delete(self, topic: str) -> None:
        """Count it no more; raises ``AccountNotFound``."""
        await self._node.accounts.delete(KIND, topic)

    async def clear(self) -> None:
        """Count none any more."""
        await self._node.accounts.delete_all(KIND, [account.name for account in self._node.accounts.all(KIND)])

    async def reset(self, topic: str | None = None) -> None:
        """Begin at 0 again on every node, with one topic name or all; raises ``AccountNotFound``."""
        now = self._broker.clock()

        def edit(value: bytes) -> bytes:
            return json.dumps({**json.loads(value), "reset_at": now}).encode()

        names = [account.name for account in self._node.accounts.all(KIND)] if topic is None else [topic]
        for name in names:
            try:
                await self._node.accounts.change(KIND, name, edit)
            except AccountNotFound:
                if topic is not None:
                    raise

    def _changed(self, name: str | None) -> None:
        names = [account.name for account in self._node.accounts.all(KIND)] if name is None else [name]
        if name is None:
            for gone in self._counted.keys() - set(names):
                del self._counted[gone]
        for topic in names:
            account = self._node.accounts.find(KIND, topic)
            if account is None:
                self._counted.pop(topic, None)
                continue
            reset_at = json.loads(account.value)["reset_at"]
            if topic not in self._counted or self._reset.get(topic) != reset_at:
                self._counted[topic] = _Counted(self._broker.ctx.now)
            self._reset[topic] = reset_at
        for gone in self._reset.keys() - self._counted.keys():
            del self._reset[gone]
        self._listen()

    def _listen(self) -> None:
        if bool(self._counted) == self._listens:
            return
        self._listens = not self._listens
        if not self._listens:
            self._hooks.unregister_plugin(OWNER)
            return
        self._hooks.register("message_publish", self._published, OWNER, LAST)
        self._hooks.register("message_delivered", self._delivered, OWNER, LAST)
        self._hooks.register("message_dropped", self._dropped, OWNER, LAST)

    def _published(self, client: ClientInfo | None, message: Message) -> Message:
        counted = self._counted.get(message.topic)
        if counted is not None:
            counted.counts[_IN] += 1
            counted.counts[_IN + 1 + message.qos] += 1
        return message

    def _delivered(self, client: ClientInfo, message: Message) -> None:
        counted = self._counted.get(message.topic)
        if counted is not None:
            counted.counts[_OUT] += 1
            counted.counts[_OUT + 1 + message.qos] += 1

    def _dropped(self, client: ClientInfo | None, message: Message, reason: str) -> None:
        counted = self._counted.get(message.topic)
        if counted is not None:
            counted.counts[_DROPPED] += 1


def added(of_nodes: list[TopicFigures]) -> TopicFigures:
    """The figures of one topic name on several nodes as one."""
    first = of_nodes[0]
    counts = {name: sum(figures.counts.get(name, 0) for figures in of_nodes) for name in NAMES}
    rates = {name: round(sum(figures.rates.get(name, 0.0) for figures in of_nodes), 3) for name in NAMES}
    return TopicFigures(first.topic, first.created_at, first.reset_at, counts, rates)
