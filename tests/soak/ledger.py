"""What was acknowledged and is owed to a subscriber: every message once, in order, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

MOST_EXAMPLES: Final = 20


class Problems:
    """What went wrong: counted by kind, with the first examples, which are also told to ``say`` at once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.counts: Counter[str] = Counter()
        self.examples: list[str] = []

    def add(self, kind: str, detail: str) -> None:
        """One more of this kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_EXAMPLES:
            self.examples.append(f"{kind}: {detail}")
            self._say(self.examples[-1])


class Ledger:
    """The messages of one publisher on one topic, numbered from 0.

    A message is *pending* until the node has acknowledged it, then *owed* until the subscriber has it. One whose
    connection ended before the answer *may* come or not. All other numbers that were given out have arrived.

    The members of a *shared* subscription stand for one subscriber: what one of them hasn't acknowledged at QoS 1 may
    go to another one, for whom it isn't a duplicate (4.8.2), and there is no order among them.
    """

    def __init__(self, name: str, problems: Problems, *, ordered: bool = True, shared: bool = False) -> None:
        self.name = name
        self.sent = 0
        self.acknowledged = 0
        self.arrived = 0
        self._ordered = ordered and not shared
        self._shared = shared
        self._problems = problems
        self._last = -1
        self._pending: set[int] = set()
        self._early: set[int] = set()
        self._owed: set[int] = set()
        self._may_come: set[int] = set()

    @property
    def owed(self) -> int:
        """How many acknowledged messages haven't arrived."""
        return len(self._owed)

    def next(self) -> int:
        """The number of a message that is about to be sent."""
        number = self.sent
        self.sent += 1
        self._pending.add(number)
        return number

    def acknowledge(self, number: int) -> None:
        """The node has answered for it."""
        self.acknowledged += 1
        if number in self._early:
            self._early.remove(number)
        else:
            self._pending.remove(number)
            self._owed.add(number)

    def give_up(self, number: int) -> None:
        """The connection ended without an answer."""
        if number in self._early:
            self._early.remove(number)
        else:
            self._pending.remove(number)
            self._may_come.add(number)

    def arrive(self, number: int, dup: bool, qos: int) -> None:
        """The subscriber has it."""
        if number in self._owed:
            self._owed.remove(number)
        elif number in self._pending:
            self._pending.remove(number)
            self._early.add(number)
        elif number in self._may_come:
            self._may_come.remove(number)
        elif number >= self.sent:
            self._problems.add("never sent", f"{self.name}: {number}")
            return
        else:
            if qos == 2 or not (dup or self._shared):
                self._problems.add("delivered twice", f"{self.name}: {number}, QoS {qos}, DUP {int(dup)}")
            return
        self.arrived += 1
        if self._ordered and number < self._last:
            self._problems.add("out of order", f"{self.name}: {number} after {self._last}")
        self._last = number

    def close(self) -> None:
        """All has come that will come: what is owed now is lost."""
        for number in sorted(self._owed):
            self._problems.add("acknowledged but lost", f"{self.name}: {number} of {self.sent}")
