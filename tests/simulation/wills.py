"""Clients with wills, which go in every way that there is, and what becomes of the wills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from tests.simulation.client import Client
from tests.simulation.ledger import Ledger
from tests.simulation.subscriber import Subscriber
from tests.simulation.unrest import AFTER_S, Unrest
from tests.simulation.world import World
from tests.support import wire
from tests.support.wire import Will
from tests.support.wire_parser import Packet

# Whether a will is to be published: nobody knows, in any case, in no case, in no case unless something was wrong.
MAY: Final = "may"
MUST: Final = "must"
NEVER: Final = "never"
GOODBYE: Final = "goodbye"
# Who is back so long before its will is due is back in time; a will isn't published so long before it is due (s).
IN_TIME_S: Final = 0.6
EARLY_S: Final = 0.2


@dataclass
class Testament:
    """The will of one connection; ``ended_at`` is when its client knew that it was over, ``delay`` in seconds.

    ``made_at`` is when it was sent, ``is_acknowledged`` whether there was a CONNACK that took it.
    """

    payload: bytes
    delay: int
    made_at: float = 0.0
    is_acknowledged: bool = False
    fate: str = MAY
    ended_at: float = inf
    came: int = 0
    came_at: float = inf
    is_forgotten: bool = False


class Testaments:
    """All of them, by payload."""

    def __init__(self, unrest: Unrest, problem: Callable[[str], None]) -> None:
        self._unrest = unrest
        self._problem = problem
        self.all: dict[bytes, Testament] = {}

    def make(self, payload: bytes, delay: int, now: float) -> Testament:
        """A client connects with a will."""
        made = self.all[payload] = Testament(payload, delay, now)
        return made

    def is_waiting_since_its_end(self, testament: Testament) -> bool:
        """Whether its delay began no earlier than its client knew that the connection was over.

        One that waited for its CONNACK at a node that was cut off may have been open for all others, and over with its
        node, long before it was refused.
        """
        if testament.ended_at == inf:
            return False  # what a connection without CONNACK had for a will may be published after the next one's
        return testament.is_acknowledged or self._unrest.is_calm(testament.made_at, testament.ended_at)

    def came(self, payload: bytes, now: float) -> None:
        """A will was published."""
        found = self.all.get(payload)
        if found is None:
            self._problem(f"{payload!r} is nobody's will")
            return
        found.came += 1
        found.came_at = min(found.came_at, now)

    def power_went(self) -> None:
        """All nodes have lost power: they may have forgotten that a client was there, or that it is dead."""
        for testament in self.all.values():
            testament.is_forgotten = True

    def missing(self) -> bool:
        """Whether one still has to come."""
        return any(self._must_come(testament) and not testament.came for testament in self.all.values())

    def _must_come(self, testament: Testament) -> bool:
        return testament.fate == MUST and not testament.is_forgotten

    def check(self) -> None:
        """At the end: each was published once, or not at all, as its client went."""
        for testament in self.all.values():
            if testament.is_forgotten:
                continue
            count = testament.came
            is_barred = testament.fate == NEVER or (
                testament.fate == GOODBYE and self._unrest.is_calm(testament.ended_at, testament.ended_at + AFTER_S)
            )
            if count > 1 or (count and is_barred) or (not count and self._must_come(testament)):
                self._problem(f"it came {count} times: {testament}")
            is_early = testament.came_at < testament.ended_at + testament.delay - EARLY_S
            # A node that is cut off is declared down with all its clients, whether they know or not.
            if count and is_early and self._unrest.is_calm(testament.came_at - AFTER_S, testament.came_at):
                self._problem(f"it came too early: {testament}")


class Watcher(Subscriber):
    """Gets all wills, and misses none."""

    def __init__(self, world: World, testaments: Testaments, name: str) -> None:
        super().__init__(world, Ledger(world.problem), name, 2, ["will/#"], slow=0.0)
        self._testaments = testaments
        self.is_subscribed = False

    def arrived(self, payload: bytes) -> None:
        self._testaments.came(payload, self.world.agenda.now)

    def subscribed(self, topic_filter: str) -> None:
        self.is_subscribed = True


class Mortal(Client):
    """Connects with a will, and leaves in one way or another; then ``gone`` is called: it never comes back."""

    def __init__(self, world: World, testaments: Testaments, name: str, gone: Callable[[], None]) -> None:
        super().__init__(world, name)
        random = world.agenda.random
        self.persistent = random.random() < 0.5
        self._delay = random.choice((0, 1, 2))
        self._dies_with_node = random.random() < 0.4
        self._testaments = testaments
        self._testament = self._before = Testament(b"", 0)
        self._is_leaving = False
        self._gone = gone

    def will(self) -> Will:
        # Nobody knows any more whether the last one is published: it is, but for who is back in time.
        self._before = self._testament
        payload = f"{self.name}.{self.connects}".encode()
        self._testament = self._testaments.make(payload, self._delay if self.persistent else 0, self.world.agenda.now)
        if self._before.fate == MUST:
            self._before.fate = MAY
        properties = [(wire.WILL_DELAY, self._delay)]
        return Will("will/" + self.name, self._testament.payload, 2, properties=properties)

    def opened(self) -> None:
        now = self.world.agenda.now
        self._testament.fate = MUST
        self._testament.is_acknowledged = True
        before = self._before
        if self.persistent and before.fate != NEVER and now < before.ended_at + before.delay - IN_TIME_S:
            before.fate = NEVER if self._testaments.is_waiting_since_its_end(before) else MAY
        self.later(0.2, 1.5, self._leave)

    def _leave(self) -> None:
        ways = (self._vanish, self._vanish, self._say_goodbye, self.drop, self.drop, self._jump)
        self.world.agenda.random.choice(ways)()

    def _vanish(self) -> None:
        self._is_leaving = True
        self.drop()

    def _say_goodbye(self) -> None:
        assert self.line is not None
        self._testament.fate = GOODBYE
        self.line.send(wire.disconnect())
        self._vanish()

    def _jump(self) -> None:
        # The old connection stands until the new one takes its place, if it ever does.
        self._testament.fate = MAY
        self._dies_with_node = False
        self.jump(0.0)

    def closed(self) -> None:
        self._testament.ended_at = min(self._testament.ended_at, self.world.agenda.now)
        if self._is_leaving or self._dies_with_node:
            self.is_finished = True
            self._gone()

    def end(self) -> None:
        """Vanish now."""
        if not self.is_finished:
            self._is_leaving = True
            if self.line is None:
                self.closed()
            else:
                self.drop()

    def took(self, packet: Packet) -> None:
        self.world.problem(f"{self.name} got {packet}")

    def expects_answers(self) -> bool:
        return False


class Mortals:
    """So many at a time; who has gone is followed by another one."""

    def __init__(self, world: World, testaments: Testaments, count: int) -> None:
        self._world = world
        self._testaments = testaments
        self._count = count
        self._born = 0
        self.living: list[Mortal] = []
        self._stopped = False

    def begin(self) -> None:
        """Connect."""
        for _ in range(self._count):
            self._next()

    def _next(self) -> None:
        if self._stopped:
            return
        self._born += 1
        mortal = Mortal(self._world, self._testaments, f"m{self._born}", self._follow)
        self.living.append(mortal)
        mortal.begin()

    def _follow(self) -> None:
        self.living = [mortal for mortal in self.living if not mortal.is_finished]
        self._world.agenda.later(0.05, 0.5, self._next)

    def stop(self) -> None:
        """All vanish at once, and nobody follows."""
        self._stopped = True
        for mortal in list(self.living):
            mortal.end()
