"""Kinds of schedules, each leaning on some of the guards."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.unit.cluster.raft.schedule import Schedule
from tests.unit.cluster.raft.world import OPTIONS, Broken, Host


class Quiet(Schedule):
    """Load and delays, no fault: nothing is sent twice."""

    def prepare(self) -> None:
        self.world.delay = (0.001, self.random.choice((0.003, 0.03)))
        self.size = 300
        self.rate = 0.02

    def disturb(self) -> None:
        self.world.wait_for_leader()
        self._load()
        self.world.run(0.5)
        before, committed = self.world.sent_bytes, len(self.world.ledger.committed)
        self.world.run(3.0)
        entries = len(self.world.ledger.committed) - committed
        sent = self.world.sent_bytes - before
        # Each follower gets each entry once; some were proposed on a follower; the rest is heartbeats and acks.
        most = entries * 330 * len(self.world.hosts) + 3.0 * 6000 * len(self.world.hosts)
        if sent > most:
            raise Broken(f"{sent} bytes were sent for {entries} entries, more than {most}")


class Nuisance(Schedule):
    """Only followers are in trouble, or all stand still for a moment: the leader stays."""

    def prepare(self) -> None:
        self.options = replace(OPTIONS, heartbeat=0.05)

    def disturb(self) -> None:
        world = self.world
        leader = world.wait_for_leader()
        term = leader.node.term
        self._load()
        for _ in range(3):
            follower = self.random.choice([h for h in world.hosts.values() if h is not leader])
            match self.random.choice(("isolate", "deaf", "mute", "stall", "stall all", "restart")):
                case "stall":
                    follower.stalled_until = world.now + self.random.choice((0.7, 1.5, 3.0))
                case "stall all":
                    for host in world.hosts.values():
                        host.stalled_until = world.now + 0.8
                case "restart":
                    world.kill(follower.node_id)
                    world.run(0.5)
                    self._revive(follower)
                case way:
                    self._shut(follower, way)
            world.run(self.random.choice((1.0, 2.5)))
            self.heal()
            world.run(1.2)
            if leader.node.role != "leader" or leader.node.term != term:
                raise Broken(f"the leader of term {term} was deposed: {world.describe()}")

    def _shut(self, host: Host, way: str) -> None:
        for other in self._others(host):
            if way != "mute":
                self.world.silence(other, host.node_id)
            if way != "deaf":
                self.world.silence(host.node_id, other)


class Rejoin(Schedule):
    """A leader goes on alone for a while, then finds the others far ahead: it follows them within a few round trips."""

    def prepare(self) -> None:
        self.world.delay = (0.001, self.random.choice((0.003, 0.03)))
        self.world.moment = 0.0  # each of a burst of answers has its own effect
        self.size = self.random.choice((5, 300))
        self.rate = 0.01

    def disturb(self) -> None:
        world = self.world
        leader = world.wait_for_leader()
        self._load()
        world.run(0.3)
        for other in self._others(leader):
            world.cut.add((other, leader.node_id))  # deaf at first: the others get what it can't commit
        world.run(self.random.choice((0.05, 0.2, 0.5)))
        for other in self._others(leader):
            world.cut.add((leader.node_id, other))
        for _ in range(self.random.choice((0, 20, 100))):
            world.propose(leader.node_id, self.size)
        world.run(self.random.choice((2.0, 3.0)))
        for other in self._others(leader):
            world._break(leader.node_id, other)
        self.load_ends = True
        world.run(1.0)
        world.heal()
        before = world.sent_bytes
        missing = sum(len(command) + 20 for _, command in world.ledger.committed.values())
        world.run_until(world.agree, 1.0)
        if world.sent_bytes - before > 3 * missing + 30_000:
            raise Broken(f"{world.sent_bytes - before} bytes were sent for {missing}")


class Elections(Schedule):
    """Five nodes that often stand at the same moment, over links that lose and double frames."""

    options = replace(OPTIONS, election_max=0.52)

    def voters(self) -> int:
        return 5

    def prepare(self) -> None:
        self.world.loss = self.random.choice((0.1, 0.3))
        self.world.doubles = 0.6
        self.world.delay = (0.02, 0.1)

    def disturb(self) -> None:
        self._load()
        for _ in range(8):
            self.world.run(self.random.choice((0.3, 0.6, 1.0)))
            leader = self.world.leader()
            if leader is not None:
                leader.stalled_until = self.world.now + 1.0
            if self.random.random() < 0.7:
                host = self.random.choice(list(self.world.hosts.values()))
                self.world.kill(host.node_id)
                self.world.run(0.01)
                self._revive(host)


class Growth(Schedule):
    """Nodes come and go, several at once, while the group is split."""

    def disturb(self) -> None:
        self.world.run(1.2)
        self._load()
        for _ in range(8):
            for _ in range(self.random.choice((1, 2, 3))):
                self.random.choice((self.grow, self.grow, self.shrink, self.promote))()
            self.random.choice((self.split, self.split, self.isolate, self.heal, self.kill, self.transfer))()
            self.world.run(self.random.choice((0.05, 0.5, 1.5)))
            if self.random.random() < 0.5:
                self.heal()


class Forgetting(Schedule):
    """Disks are lost while leaders are cut off."""

    def disturb(self) -> None:
        self.world.run(1.2)
        self._load()
        for _ in range(10):
            self.random.choice(
                (self.isolate, self.cut_one, self.cut_one, self.wipe, self.wipe, self.lose_power, self.sync, self.heal)
            )()
            self.world.run(self.random.choice((0.05, 0.5, 1.5)))


class SlowLinks(Schedule):
    """Five nodes; what some say arrives seconds later, when others lead."""

    def voters(self) -> int:
        return 5

    def prepare(self) -> None:
        self.rate = 0.02
        self.size = 5

    def disturb(self) -> None:
        self.world.run(1.2)
        self._load()
        for _ in range(8):
            leader = self.world.leader()
            if leader is not None:
                for other in self.random.sample(self._others(leader), 2):
                    self.world.slow[other, leader.node_id] = self.random.choice((0.7, 2.0, 4.0))
            self.random.choice((self.isolate, self.split, self.transfer, self.transfer, self.heal, self.stall))()
            self.world.run(self.random.choice((0.2, 0.7, 1.5)))
            self.world.cut.clear()


PROFILES: dict[str, type[Schedule]] = {
    kind.__name__.lower(): kind
    for kind in (Schedule, Quiet, Nuisance, Rejoin, Elections, Growth, Forgetting, SlowLinks)
}


def run_schedule(seed: int, profile: str = "schedule") -> Counter[str]:
    """One schedule from its seed; says what happened in it."""
    schedule = PROFILES[profile](seed)
    schedule.run()
    return schedule.did
