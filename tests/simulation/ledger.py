"""What clients were promised and what they got; ``check`` compares."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Final

from rmq.mqtt.topics import matches

SHARE: Final = "$share/"
_matches = lru_cache(maxsize=10_000)(matches)


@dataclass
class Sent:
    """A message of a publisher; ``order``: what was sent and granted before it has a lower one.

    ``sent_at``, ``last_sent_at`` and ``acknowledged_at`` are virtual times in s. ``under_way_when_power_went``: on all
    nodes, before it was acknowledged.
    """

    publisher: str
    number: int
    topic: str
    payload: bytes
    qos: int
    retain: bool
    order: int = 0
    tries: int = 0
    acknowledged: bool = False
    sent_at: float = 0.0
    last_sent_at: float = 0.0
    acknowledged_at: float = 0.0
    refused_at_once: bool = False
    under_way_when_power_went: bool = False

    @property
    def is_deletion(self) -> bool:
        """Whether it deletes a retained message: it is sent without a payload."""
        return self.payload.endswith(b"-")


@dataclass
class Subscribed:
    """A subscription that was granted; ``order`` is that of its SUBACK."""

    subscriber: str
    topic_filter: str
    qos: int
    order: int


@dataclass
class Stay:
    """From a SUBACK of a session that ends with its connection to that end; ``order`` is that of the SUBACK.

    It is at ``node``, where it asked for that at ``asked_at``. ``got`` has what reached the application.
    """

    client: str
    topic_filters: list[str]
    qos: int
    node: int = 0
    asked_at: float = inf
    order: int = 0
    began_at: float = inf
    ended_at: float = inf
    got: list[bytes] = field(default_factory=list)


@dataclass
class Ledger:
    """``got`` has for each subscriber what reached its application, in order; ``fresh`` how often
    it came without DUP. ``problem`` is told what was broken.
    """

    problem: Callable[[str], None]
    sent: dict[bytes, Sent] = field(default_factory=dict)
    subscribed: list[Subscribed] = field(default_factory=list)
    got: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    fresh: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    stayed: list[Stay] = field(default_factory=list)
    retained: dict[str, list[Sent]] = field(default_factory=lambda: defaultdict(list))

    _order: int = 0

    def send(self, message: Sent) -> None:
        """A message is about to be sent for the first time."""
        message.order = self._next()
        self.sent[message.payload] = message
        if message.retain:
            self.retained[message.topic].append(message)

    def subscribe(self, subscriber: str, topic_filter: str, qos: int) -> None:
        """A SUBACK has come."""
        self.subscribed.append(Subscribed(subscriber, topic_filter, qos, self._next()))

    def unsubscribe(self, subscriber: str, topic_filter: str) -> None:
        """Nobody knows whether it is still subscribed."""
        self.subscribed = [s for s in self.subscribed if (s.subscriber, s.topic_filter) != (subscriber, topic_filter)]

    def stays(self, stay: Stay) -> None:
        """The SUBACK of a session has come that ends with its connection."""
        stay.order = self._next()
        self.stayed.append(stay)

    def _next(self) -> int:
        # Not the time: what is published on a SUBACK is sent in the same moment.
        self._order += 1
        return self._order

    def missing(self) -> list[tuple[str, Sent]]:
        """What was acknowledged and hasn't come yet, with who hasn't got it."""
        found: list[tuple[str, Sent]] = []
        got = {name: set(payloads) for name, payloads in self.got.items()}
        for subscription in self.subscribed:
            has = got.get(subscription.subscriber, set())
            found += [
                (subscription.subscriber, message)
                for message in self.sent.values()
                if message.acknowledged
                and not message.is_deletion
                and message.order > subscription.order
                and message.payload not in has
                and _matches(subscription.topic_filter, message.topic)
            ]
        return found

    def check(self) -> None:
        """At the end: every promise."""
        for subscriber, message in self.missing()[:5]:
            self.problem(f"{subscriber} never got {message}")
        in_groups = {s.subscriber for s in self.subscribed if s.topic_filter.startswith(SHARE)}
        granted = {subscription.subscriber: subscription.qos for subscription in self.subscribed}
        for subscriber, payloads in self.got.items():
            self._check_one(subscriber, payloads, granted.get(subscriber, 0))
            # What waits for one member of a group and goes to another one comes when it comes.
            if subscriber not in in_groups:
                self._check_order(subscriber, payloads)
        # A publisher that sends a message again may double it; the cluster itself may only repeat it, and says so.
        for (subscriber, payload), count in self.fresh.items():
            known = self.sent.get(payload)
            if known is not None and count > known.tries:
                self.problem(f"{subscriber} got {count} times, never as a repetition: {known}")

    def power_went(self) -> None:
        """All nodes have lost power: what isn't acknowledged may be forgotten, though subscribers may have it."""
        for message in self.sent.values():
            if message.tries and not message.acknowledged:
                message.under_way_when_power_went = True

    def _check_one(self, subscriber: str, payloads: list[bytes], granted: int) -> None:
        seen: set[bytes] = set()
        for payload in payloads:
            message = self.sent.get(payload)
            if message is None:
                self.problem(f"{subscriber} got {payload!r}, which nobody sent")
                continue
            if message.refused_at_once:
                self.problem(f"{subscriber} got what was refused: {message}")
            if payload in seen:
                if message.qos == 2 and granted == 2:
                    self.problem(f"{subscriber} got twice: {message}")
                continue
            seen.add(payload)

    def _check_order(self, subscriber: str, payloads: list[bytes]) -> None:
        last: dict[tuple[str, str], int] = {}
        for payload in dict.fromkeys(payloads):
            message = self.sent.get(payload)
            if message is None:
                continue
            lane = (message.publisher, message.topic)
            if message.number < last.get(lane, 0):
                self.problem(f"{subscriber} got after {last[lane]}: {message}")
            last[lane] = max(message.number, last.get(lane, 0))

    def check_retained(self, node_id: int, found: dict[str, bytes]) -> None:
        """At the end: a topic has the last message that was acknowledged, or one whose outcome nobody knows."""
        for topic, messages in self.retained.items():
            allowed: set[bytes] = set()
            for message in messages:
                if message.refused_at_once:
                    continue
                value = b"" if message.is_deletion else message.payload
                if message.acknowledged:
                    allowed = {value}
                else:
                    allowed.add(value)
            value = found.get(topic, b"")
            if allowed and value not in allowed:
                self.problem(f"node {node_id} retains {value!r} of {topic}, expected one of {sorted(allowed)}")
