"""What is remembered of each client: the rules of its login, and what the endpoint said about topics, for how long."""

import heapq
from collections.abc import Callable
from typing import Final

from rmq.plugin_api import UNDECIDED, AccessRule, ClientInfo, KeptWhileConnected

ALWAYS: Final = float("inf")

Topic = tuple[bytes, str]


class Remembered:
    """What is known of one client. ``rules_until`` is when its login, and with it its rules, end."""

    __slots__ = ("forget_at", "rules", "rules_until", "verdicts")

    def __init__(self) -> None:
        self.rules: tuple[AccessRule, ...] = ()
        self.rules_until = ALWAYS
        self.verdicts: dict[Topic, tuple[int, float]] = {}
        self.forget_at = ALWAYS


class ClientMemory:
    """Of each client ``size`` topics at most. Times are seconds since 1970.

    ``kept`` is told of connections by the plugin.

    The node remembers verdicts on publishing too, until it is told not to: ``due`` names the clients to tell it about.
    """

    def __init__(self, size: int, now: Callable[[], float]) -> None:
        self.size = size
        self._now = now
        self.kept = KeptWhileConnected[Remembered]()
        self._heap: list[tuple[float, int, ClientInfo]] = []
        self._entered = 0
        self.hits = 0

    def __len__(self) -> int:
        return len(self.kept)

    def logged_in(self, client: ClientInfo, rules: tuple[AccessRule, ...], expires_at: float) -> None:
        """A client's login gave it rules of its own, until ``expires_at`` (0.0: as long as it is connected)."""
        remembered = self._of(client)
        remembered.rules = rules
        remembered.rules_until = expires_at or ALWAYS

    def rules(self, client: ClientInfo) -> tuple[AccessRule, ...]:
        """The rules of its login, as long as that holds."""
        remembered = self.kept.find(client)
        if remembered is None or self._now() >= remembered.rules_until:
            return ()
        if remembered.rules and remembered.rules_until != ALWAYS:
            self._forget_later(client, remembered, remembered.rules_until)
        return remembered.rules

    def verdict(self, client: ClientInfo, topic: Topic) -> int | None:
        """What was said about this topic, None when nothing was or its time is over.

        Whoever asks then has a place where the answer is kept, until the connection ends.
        """
        remembered = self._of(client)
        found = remembered.verdicts.get(topic)
        if found is None or self._now() >= found[1]:
            return None
        self.hits += 1
        return found[0]

    def remember(self, client: ClientInfo, topic: Topic, verdict: int, seconds: float) -> None:
        """Something was said about a topic; it counts for so long, unless the connection has ended meanwhile."""
        remembered = self.kept.find(client)
        if remembered is None:
            return
        until = self._now() + seconds
        if len(remembered.verdicts) >= self.size and topic not in remembered.verdicts:
            del remembered.verdicts[next(iter(remembered.verdicts))]
        remembered.verdicts[topic] = (verdict, until)
        self._forget_later(client, remembered, until)

    def undecided_for(self, client: ClientInfo, seconds: float) -> int:
        """There is no opinion for want of an answer: the node shall ask again after so long."""
        remembered = self.kept.find(client)
        if remembered is not None:
            self._forget_later(client, remembered, self._now() + seconds)
        return UNDECIDED

    def drop_verdicts(self) -> None:
        """Forget what was said about topics: other questions are asked now."""
        for remembered in self.kept:
            remembered.verdicts.clear()

    def due(self) -> list[ClientInfo]:
        """The clients of whom something has to be forgotten now."""
        now = self._now()
        clients: list[ClientInfo] = []
        while self._heap and self._heap[0][0] <= now:
            at, _, client = heapq.heappop(self._heap)
            remembered = self.kept.find(client)
            if remembered is None or remembered.forget_at != at:
                continue
            remembered.forget_at = ALWAYS
            remembered.verdicts = {topic: kept for topic, kept in remembered.verdicts.items() if kept[1] > now}
            clients.append(client)
            for _, until in remembered.verdicts.values():
                self._forget_later(client, remembered, until)
        return clients

    def _forget_later(self, client: ClientInfo, remembered: Remembered, at: float) -> None:
        if at < remembered.forget_at:
            remembered.forget_at = at
            self._entered += 1
            heapq.heappush(self._heap, (at, self._entered, client))

    def _of(self, client: ClientInfo) -> Remembered:
        remembered = self.kept.find(client)
        if remembered is None:
            remembered = Remembered()
            self.kept.give(client, remembered)
        return remembered
