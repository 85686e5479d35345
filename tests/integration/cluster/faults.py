"""Things that befall a cluster under load, drawn at random: each is done and over when its function returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.integration.cluster.test_visibility import paused
from tests.support.cluster_network import Network
from tests.support.cluster_processes import Member
from tests.support.load.load import Load

STOP_S: Final = 15.0


class Faults:
    """What may happen, by name; ``cut`` and ``one_way`` need a network of the cluster's own."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.cluster = load.cluster
        self.rng = load.rng
        self.kinds: dict[str, tuple[int, Callable[[], None]]] = {
            "leader dies": (5, self.leader_dies),
            "follower dies": (3, self.follower_dies),
            "dies while it starts": (2, self.dies_while_it_starts),
            "two die": (2, self.two_die),
            "all die": (2, self.all_die),
            "disk is lost": (3, self.disk_is_lost),
            "stands still": (3, self.stands_still),
            "is stopped": (3, self.is_stopped),
        }
        if self.cluster.network is not None:
            self.kinds["is cut off"] = (5, self.is_cut_off)
            self.kinds["one way is cut"] = (3, self.one_way_is_cut)

    def strike(self) -> None:
        """Any of them, with the cluster whole before and after."""
        names = list(self.kinds)
        (name,) = self.rng.choices(names, [self.kinds[each][0] for each in names])
        self.load.fault(name)
        self.kinds[name][1]()

    def leader_dies(self) -> None:
        """The one that decides, in the middle of it."""
        self._die(self.cluster.leader())

    def follower_dies(self) -> None:
        """One of the others."""
        self._die(self.rng.choice(self.cluster.others(self.cluster.leader().number)))

    def dies_while_it_starts(self) -> None:
        """A few times, before it is ready."""
        member = self._any()
        member.kill()
        for _ in range(self.rng.randrange(1, 4)):
            member.start()
            member.ends_within(self.rng.uniform(0.1, 1.5))
            member.kill()
        self._back(member)

    def two_die(self) -> None:
        """A majority, not at the same moment; they come back in any order."""
        victims = self.rng.sample(list(self.cluster), 2)
        for member in victims:
            member.kill()
            self._a_moment()
        self.rng.shuffle(victims)
        for member in victims:
            member.start()
            self._a_moment()
        self.load.over()

    def all_die(self) -> None:
        """At once, and they come back in any order."""
        members = list(self.cluster)
        for member in members:
            member.kill()
        self.rng.shuffle(members)
        for member in members:
            member.start()
            if self.rng.random() < 0.5:
                self._a_moment()
        self.load.over()

    def disk_is_lost(self) -> None:
        """A node dies and comes back with nothing."""
        member = self._any()
        member.kill()
        member.wipe()
        self._back(member)

    def stands_still(self) -> None:
        """For less or more than the grace."""
        with paused(self._any(), self.rng.choice((0.3, 1.0, 2.0, 4.0))):
            pass
        self.load.over()

    def is_stopped(self) -> None:
        """In good order."""
        member = self._any()
        member.ask_to_stop()
        assert member.wait(STOP_S) == 0, member.log[-1500:]
        self._back(member)

    def is_cut_off(self) -> None:
        """From all others, both ways."""
        lonely = self._any()
        self._network().isolate(str(lonely.number), [str(each.number) for each in self.cluster.others(lonely.number)])
        self._until_noticed()

    def one_way_is_cut(self) -> None:
        """From one node to another, or to all."""
        lonely = self._any()
        others = self.cluster.others(lonely.number)
        for other in self.rng.sample(others, self.rng.choice((1, 2))):
            self._network().cut(str(lonely.number), str(other.number))
        self._until_noticed()

    def _die(self, member: Member) -> None:
        member.kill()
        self._back(member)

    def _back(self, member: Member) -> None:
        if self.rng.random() < 0.7:
            self.load.wait_for(self.rng.choice((1, 50, 200)))  # the others go on without it
        else:
            self._a_moment()
        member.start()
        self.load.over()

    def _until_noticed(self) -> None:
        if self.rng.random() < 0.7:
            self.load.wait_for(self.rng.choice((1, 50, 200)))
        self._a_moment()
        self._network().heal()
        self.load.over()

    def _network(self) -> Network:
        assert self.cluster.network is not None
        return self.cluster.network

    def _any(self) -> Member:
        return self.rng.choice(list(self.cluster))

    def _a_moment(self) -> None:
        """Real time passes, as it does between misfortunes."""
        self.load.course.given_up.wait(self.rng.uniform(0, 1.5))
