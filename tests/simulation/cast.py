"""All clients of a run: some are in every one, the others in some."""

from __future__ import annotations

from tests.simulation.audience import Audience
from tests.simulation.client import Client
from tests.simulation.ledger import Ledger
from tests.simulation.profile import GROUPS, TRANSIENTS, WILLS
from tests.simulation.publisher import Loner, Publisher
from tests.simulation.subscriber import Explorer, Subscriber
from tests.simulation.transient import Transient
from tests.simulation.wills import Mortals, Testaments, Watcher
from tests.simulation.world import World

# How many with wills there are at a time.
MORTALS = 2


class Cast:
    """``clients`` are those that are there all the while, but for those with wills."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._ledger = ledger
        self._audience = Audience(ledger, world)
        self.testaments = Testaments(world.unrest, world.problem)
        self._publishers = [
            Publisher(world, ledger, "p1", 1, ["t/p1/0", "t/p1/1"], retain=False),
            Publisher(world, ledger, "p2", 2, ["t/p2/0", "t/p2/1"], retain=False),
            Publisher(world, ledger, "p3", 2, ["t/p3/0"], retain=False),
            Publisher(world, ledger, "p4", 1, ["r/p4/0", "r/p4/1", "r/p4/2"], retain=True),
        ]
        self._loner = Loner(world, ledger, "p6")
        self._explorer = Explorer(world, ledger, "e1", self._everywhere)
        self._subscribers: list[Client] = [
            Subscriber(world, ledger, "s1", 1, ["t/#", "r/#"], slow=0.0),
            Subscriber(world, ledger, "s2", 2, ["t/#"], slow=0.02),
            Subscriber(world, ledger, "s3", 2, ["t/p2/+", "t/p3/0"], slow=0.3),
        ]
        extras = world.profile.extras
        self._watcher = Watcher(world, self.testaments, "v1")
        self._mortals = Mortals(world, self.testaments, MORTALS if WILLS in extras else 0)
        if TRANSIENTS in extras:
            passing = Publisher(world, ledger, "p5", 1, ["x/p5/0", "t/p5/1"], retain=False)
            passing.persistent = False
            self._publishers.append(passing)
            self._subscribers += [
                Transient(world, ledger, "x1", 1, ["x/#", "t/p1/+", "w/#"]),
                Transient(world, ledger, "x2", 2, ["x/#", "t/p2/#", "t/p3/0"]),
            ]
        if GROUPS in extras:
            self._subscribers += [
                Transient(world, ledger, "g1", 2, ["$share/g/t/#"]),
                Transient(world, ledger, "g2", 2, ["$share/g/t/#"]),
                Subscriber(world, ledger, "h1", 2, ["$share/h/t/p2/+"], slow=0.0),
                Subscriber(world, ledger, "h2", 2, ["$share/h/t/p2/+"], slow=0.1),
            ]
        if WILLS in extras:
            self._subscribers.append(self._watcher)
        self._publishers.append(self._loner)
        self.clients: list[Client] = [*self._subscribers, *self._publishers, self._explorer]

    def begin(self) -> None:
        """Connect, subscribe, publish."""
        for client in self.clients:
            client.begin()

    def is_ready(self) -> bool:
        """Whether all have subscribed; those with wills come then."""
        granted = {subscription.subscriber for subscription in self._ledger.subscribed}
        kept = [client.name for client in self._subscribers if client.persistent and client is not self._watcher]
        if not granted.issuperset(kept) or (WILLS in self._world.profile.extras and not self._watcher.is_subscribed):
            return False
        self._mortals.begin()
        return True

    def power_went(self) -> None:
        """All nodes have lost power."""
        self._ledger.power_went()
        self.testaments.power_went()

    def _everywhere(self, topic: str) -> None:
        for publisher in (*self._publishers[:3], self._loner):
            publisher.extra.append(topic)
            publisher.publish()

    def stop(self) -> None:
        """Begin nothing new."""
        self._explorer.stop()
        self._mortals.stop()
        for publisher in self._publishers:
            publisher.stop()

    def check(self) -> None:
        """At the end: what is promised to those for whom nothing is kept, and of wills."""
        self._audience.check()
        self.testaments.check()

    def count(self) -> None:
        """What there was of everything."""
        counts = self._world.counts
        counts["sent"] += len(self._ledger.sent)
        counts["got"] += sum(len(payloads) for payloads in self._ledger.got.values())
        counts["connects"] += sum(client.connects for client in self.clients)
        counts["wills"] += sum(testament.came for testament in self.testaments.all.values())
        for name, count in self._audience.checked.items():
            counts[f"checked {name}"] += count
