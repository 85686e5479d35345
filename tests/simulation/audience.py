"""What those must have got for whom nothing is kept, and the members of share groups; ``check`` compares.

A message that was acknowledged, with nothing wrong near it, arrives once at each connection that stood all the while,
and at one member of each group. One of QoS 2 never comes twice to a connection, and what nothing was wrong
near is in order. Whatever is wrong, no node delivers anything more often than it was published, and PUBACK before the
deadline says that all nodes with connected subscribers have the message.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import inf
from typing import Final

from rmq.engine.member_options import MemberOptions
from rmq.mqtt.topics import matches
from tests.simulation.ledger import SHARE, Ledger, Sent, Stay
from tests.simulation.unrest import AFTER_S, BEFORE_S
from tests.simulation.world import World

# What is acknowledged sooner wasn't given up. The time of the cluster is a little quicker than that of the run, now and
# then, when a node takes over another one's.
QUICK_S: Final = 0.85 * MemberOptions().forward_deadline_s


class Audience:
    """``checked`` counts messages."""

    def __init__(self, ledger: Ledger, world: World) -> None:
        self._ledger = ledger
        self._world = world
        self._unrest = world.unrest
        self._problem = world.problem
        self.checked: Counter[str] = Counter()

    def check(self) -> None:
        """At the end: every promise."""
        quick = [message for message in self._ledger.sent.values() if self._is_quick(message)]
        calm = [message for message in self._ledger.sent.values() if message.acknowledged and self._is_calm(message)]
        groups: dict[str, list[Stay]] = defaultdict(list)
        for stay in self._ledger.stayed:
            self._check_stay(stay, calm)
            self._check_answers(stay, quick)
            self._check_repetitions(stay)
            for topic_filter in stay.topic_filters:
                if topic_filter.startswith(SHARE):
                    groups[topic_filter].append(stay)
        for topic_filter, stays in groups.items():
            self._check_group(topic_filter, stays, calm)
        self._check_kept_groups()

    def _is_calm(self, message: Sent) -> bool:
        # At QoS 1 every node with connected subscribers has acknowledged it before PUBACK; QoS 2 may be applied later.
        after = 0.0 if message.qos == 1 else AFTER_S
        return self._unrest.is_calm(message.sent_at, message.acknowledged_at + after)

    def _check_stay(self, stay: Stay, calm: Iterable[Sent]) -> None:
        counts = Counter(stay.got)
        plain = [topic_filter for topic_filter in stay.topic_filters if not topic_filter.startswith(SHARE)]
        for message in calm:
            if message.order <= stay.order or message.acknowledged_at + AFTER_S > stay.ended_at:
                continue
            if any(matches(topic_filter, message.topic) for topic_filter in plain):
                self.checked["stays"] += 1
                count = counts[message.payload]
                if not 1 <= count <= message.tries:
                    self._problem(f"{stay.client}, connected since {stay.began_at:.3f}, got {count} times: {message}")
        last: dict[tuple[str, str], int] = {}
        seen: set[bytes] = set()
        for payload in stay.got:
            known = self._ledger.sent.get(payload)
            if known is None:
                self._problem(f"{stay.client} got {payload!r}, which nobody sent")
            elif payload in seen:
                if min(known.qos, stay.qos) == 2 and not known.under_way_when_power_went:
                    self._problem(f"{stay.client}, connected since {stay.began_at:.3f}, got twice: {known}")
            else:
                seen.add(payload)
                lane = (known.publisher, known.topic)
                # What was given up at its deadline on the way to another node may come when it is sent again.
                is_kept = known.qos == 2 or self._is_calm(known)
                if plain and is_kept and known.number < last.get(lane, 0):
                    self._problem(f"{stay.client}, connected, got after {last[lane]}: {known}")
                last[lane] = max(known.number, last.get(lane, 0))

    def _is_quick(self, message: Sent) -> bool:
        if message.qos != 1 or not message.acknowledged or message.acknowledged_at - message.last_sent_at > QUICK_S:
            return False
        # A node without a majority goes by what it knew for the clients that it has.
        return self._world.alone.is_calm(message.last_sent_at, message.acknowledged_at)

    def _check_answers(self, stay: Stay, quick: Iterable[Sent]) -> None:
        plain = [topic_filter for topic_filter in stay.topic_filters if not topic_filter.startswith(SHARE)]
        # Nobody waits for a node that is declared down, whatever clients it still has.
        downs = [time for time in self._world.declared_down[stay.node] if time >= stay.asked_at]
        until = min(stay.ended_at - AFTER_S, *downs, inf)
        got = set(stay.got)
        for message in quick:
            if message.order <= stay.order or message.acknowledged_at > until:
                continue
            if any(matches(topic_filter, message.topic) for topic_filter in plain):
                self.checked["answers"] += 1
                if message.payload not in got:
                    self._problem(f"{stay.client}, at node {stay.node} since {stay.began_at:.3f}, never got {message}")

    def _check_repetitions(self, stay: Stay) -> None:
        if any(topic_filter.startswith(SHARE) for topic_filter in stay.topic_filters):
            return
        for payload, count in Counter(stay.got).items():
            known = self._ledger.sent.get(payload)
            if known is not None and count > known.tries:
                self._problem(f"{stay.client}, connected since {stay.began_at:.3f}, got {count} times: {known}")

    def _check_group(self, topic_filter: str, stays: list[Stay], calm: Iterable[Sent]) -> None:
        counts = Counter(payload for stay in stays for payload in stay.got)
        plain = topic_filter.split("/", 2)[2]
        for message in calm:
            if not matches(plain, message.topic):
                continue
            start, end = message.sent_at - BEFORE_S, message.acknowledged_at + AFTER_S
            changes = any(start < time < end for stay in stays for time in (stay.began_at, stay.ended_at))
            if changes or not any(stay.began_at < start and stay.ended_at > end for stay in stays):
                continue
            self.checked["groups"] += 1
            count = counts[message.payload]
            if not 1 <= count <= message.tries:
                self._problem(f"{count} members of {topic_filter} got {message}")

    def _check_kept_groups(self) -> None:
        groups: dict[str, dict[str, int]] = defaultdict(dict)
        for subscription in self._ledger.subscribed:
            if subscription.topic_filter.startswith(SHARE):
                groups[subscription.topic_filter].setdefault(subscription.subscriber, subscription.order)
        for topic_filter, members in groups.items():
            plain = topic_filter.split("/", 2)[2]
            counts = Counter(payload for name in members for payload in self._ledger.got[name])
            for message in self._ledger.sent.values():
                if not matches(plain, message.topic):
                    continue
                self.checked["kept groups"] += 1
                count = counts[message.payload]
                if count == 0 and message.acknowledged and message.order > max(members.values()):
                    self._problem(f"no member of {topic_filter} got {message}")
                if count > 1 and message.qos == 2:
                    self._problem(f"{count} times members of {topic_filter} got {message}")
