"""What is remembered of each client: its rules, and for how long they count."""

import heapq
from collections.abc import Callable
from typing import Final

from rmq.plugin_api import AccessRule, ClientInfo, KeptWhileConnected

ALWAYS: Final = float("inf")


class Remembered:
    """The rules of one client; None before they were read. ``until`` is when they have to be read again."""

    __slots__ = ("rules", "until")

    def __init__(self) -> None:
        self.rules: tuple[AccessRule, ...] | None = None
        self.until = 0.0


class RulesMemory:
    """Times are seconds since 1970. ``kept`` is told of connections by the plugin.

    The node remembers verdicts on publishing too, until it is told not to: ``due`` names the clients to tell it about.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.kept = KeptWhileConnected[Remembered]()
        self._heap: list[tuple[float, int, ClientInfo]] = []
        self._entered = 0

    def __len__(self) -> int:
        return len(self.kept)

    def of(self, client: ClientInfo) -> Remembered:
        """The client's place, as long as it is connected; a new one where there is none."""
        remembered = self.kept.find(client)
        if remembered is None:
            remembered = Remembered()
            self.kept.give(client, remembered)
        return remembered

    def holds(self, remembered: Remembered) -> bool:
        """Whether its rules were read, and count still."""
        return remembered.rules is not None and self._now() < remembered.until

    def ask_again_after(self, client: ClientInfo, remembered: Remembered, seconds: float) -> None:
        """The node shall come back to this client's rules then, and to what it concluded from them."""
        remembered.until = self._now() + seconds
        if seconds != ALWAYS:
            self._entered += 1
            heapq.heappush(self._heap, (remembered.until, self._entered, client))

    def forget(self) -> None:
        """Forget all rules: others may count now."""
        for remembered in self.kept:
            remembered.rules = None
            remembered.until = 0.0
        self._heap.clear()

    def due(self) -> list[ClientInfo]:
        """The clients whose rules have to be read again; each is named once."""
        now = self._now()
        clients: list[ClientInfo] = []
        while self._heap and self._heap[0][0] <= now:
            at, _, client = heapq.heappop(self._heap)
            remembered = self.kept.find(client)
            if remembered is not None and remembered.until == at:
                clients.append(client)
        return clients
