"""Random schedules of faults, each fixed by its seed, and what came of them."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from rmq_cluster.raft.log import WARM

from tests.unit.cluster.raft.world import OPTIONS, Host, World

MEMORY = Path("/dev/shm")


def fresh_folder() -> Path:
    """Somewhere where syncing costs nothing."""
    return Path(tempfile.mkdtemp(prefix="raft-", dir=MEMORY if MEMORY.is_dir() else None))


class Schedule:
    """Some seconds of faults and load over a group, then quiet, then the reckoning."""

    options = OPTIONS

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.did: Counter[str] = Counter()
        self.next_id = 10
        self.load_ends = False
        self.world = World(fresh_folder(), seed, self.voters(), self.options)
        self.random = self.world.random
        self.rate = self.random.choice((0.02, 0.05, 0.1))
        self.size = self.random.choice((5, 5, 300, 1500))
        self.prepare()

    def voters(self) -> int:
        """How many nodes found the group."""
        return 3 if self.seed % 3 else 5

    def prepare(self) -> None:
        """How the network is."""
        chance = self.random.random()
        if chance < 0.25:
            self.world.loss = 0.05
        elif chance < 0.35:
            self.world.doubles = 0.1
        if self.random.random() < 0.3:
            self.world.delay = (0.001, 0.08)

    def run(self) -> None:
        """Raises ``Broken``."""
        world = self.world
        try:
            self.disturb()
            self.calm()
            world.check_end()
        finally:
            world.close()
        self.did.update(
            elected=world.elected, installed=world.installed, truncated=world.truncated,
            committed=len(world.ledger.committed),
        )  # fmt: skip

    def disturb(self) -> None:
        """Faults under load."""
        self.world.run(self.random.choice((0.0, 1.2, 1.2)))
        self._load()
        for _ in range(self.random.randint(4, 12)):
            self.fault()
            self.world.run(self.random.choice((0.01, 0.1, 0.5, 1.5)))

    def fault(self) -> None:
        """One of them."""
        fault = self.random.choices([f for f, _ in FAULTS], [w for _, w in FAULTS])[0]
        if fault(self):
            self.did[fault.__name__] += 1

    def calm(self) -> None:
        """All is well again."""
        world = self.world
        self.load_ends = True
        for host in list(world.hosts.values()):
            self._revive(host)
        world.heal()
        world.after(0.5, world.heal)
        world.after(1.0, world.heal)
        world.run(1.1)

    def _load(self) -> None:
        if not self.load_ends:
            ups = [h for h in self.world.hosts.values() if h.is_up]
            if ups:
                host = self.random.choice(ups)
                for _ in range(self.random.choice((1, 1, 1, 5))):
                    self.world.propose(host.node_id, self.size)
            self.world.after(self.rate * self.random.random() * 2, self._load)

    # -- faults; each says whether it did anything -----------------------------------------------------------------

    def _any(self, *, up: bool = True) -> Host | None:
        hosts = [h for h in self.world.hosts.values() if h.is_up == up]
        leader = self.world.leader()
        if up and leader is not None and self.random.random() < 0.4:
            return leader
        return self.random.choice(hosts) if hosts else None

    def _others(self, host: Host) -> list[int]:
        return [node for node in self.world.hosts if node != host.node_id]

    def isolate(self) -> bool:
        host = self._any()
        if host is None:
            return False
        way = self.random.choice(("both", "deaf", "mute"))
        for other in self._others(host):
            if way != "mute":
                self.world.silence(other, host.node_id)
            if way != "deaf":
                self.world.silence(host.node_id, other)
        return True

    def cut_one(self) -> bool:
        a, b = self.random.sample(sorted(self.world.hosts), 2)
        self.world.silence(a, b)
        if self.random.random() < 0.5:
            self.world.silence(b, a)
        return True

    def split(self) -> bool:
        ids = sorted(self.world.hosts)
        self.random.shuffle(ids)
        middle = self.random.randint(1, len(ids) - 1)
        for a in ids[:middle]:
            for b in ids[middle:]:
                self.world.silence(a, b)
                self.world.silence(b, a)
        return True

    def slow_link(self) -> bool:
        a, b = self.random.sample(sorted(self.world.hosts), 2)
        self.world.slow[a, b] = self.random.choice((0.1, 0.7, 2.0, 4.0))
        return True

    def heal(self) -> bool:
        self.world.cut.clear()
        self.world.slow.clear()
        self.world.connect_all()
        return True

    def break_link(self) -> bool:
        a, b = self.random.sample(sorted(self.world.hosts), 2)
        self.world.break_link(a, b)
        return True

    def kill(self) -> bool:
        host = self._any()
        if host is None:
            return False
        self.world.kill(host.node_id)
        self.world.after(self.random.random() * 2, self._revive, host)
        return True

    def kill_all(self) -> bool:
        for host in self.world.hosts.values():
            if host.is_up:
                self.world.kill(host.node_id)
                self.world.after(self.random.random(), self._revive, host)
        return True

    def _forgetful(self) -> int:
        """Nodes that don't hold what they promised, or would not if power went now."""
        return sum(
            (host.is_up and host.log.cold != WARM) or (not host.is_up and self._lost(host)) for host in self._voters()
        )

    def _lost(self, host: Host) -> bool:
        return host.boot.endswith("+") or not (host.folder / "raft.meta").exists()

    def _voters(self) -> list[Host]:
        names = {node for h in self.world.hosts.values() if h.is_up for node in h.node.voters}
        return [h for h in self.world.hosts.values() if h.node_id in names]

    def _may_forget(self) -> bool:
        ups = [h for h in self.world.hosts.values() if h.is_up]
        if not ups or len({h.node.voters for h in ups}) > 1 or len(ups) < len(self.world.hosts):
            return False
        if any(h.log.members_index > h.node.commit_index for h in ups):
            return False
        voters = len(ups[0].node.voters)
        return self._forgetful() < voters - (voters // 2 + 1)

    def lose_power(self) -> bool:
        host = self._any()
        if host is None or not self._may_forget():
            return False
        self.world.lose_power(host.node_id)
        self.world.after(self.random.random() * 2, self._revive, host)
        return True

    def lose_power_everywhere(self) -> bool:
        if self._forgetful() or any(not h.is_up for h in self.world.hosts.values()):
            return False
        for host in self.world.hosts.values():
            self.world.sync(host.node_id)
            self.world.lose_power(host.node_id)
            self.world.after(self.random.random(), self._revive, host)
        return True

    def wipe(self) -> bool:
        host = self._any()
        if host is None or not self._may_forget():
            return False
        self.world.wipe(host.node_id)
        self.world.after(self.random.random() * 2, self._revive, self.world.hosts[host.node_id])
        return True

    def _revive(self, host: Host) -> None:
        if host.is_up or self.world.hosts.get(host.node_id) is not host:
            return
        members = self._newest_members()
        self.world.start(host.node_id, members=members)
        self.world.connect_all()

    def _newest_members(self) -> tuple[int, ...]:
        known = [
            (h.node.commit_index, h.log.members_at(h.node.commit_index).voters)
            for h in self.world.hosts.values()
            if h.is_up
        ]
        return max(known)[1] if known else self.world.founders

    def sync(self) -> bool:
        for host in self.world.hosts.values():
            if host.is_up:
                self.world.sync(host.node_id)
        return True

    def stall(self) -> bool:
        host = self._any()
        if host is None:
            return False
        host.stalled_until = self.world.now + self.random.choice((0.4, 1.2, 3.0))
        return True

    def snapshot(self) -> bool:
        for host in self.world.hosts.values():
            if host.is_up and self.random.random() < 0.7:
                self.world.take_snapshot(host.node_id)
        return True

    def transfer(self) -> bool:
        leader = self.world.leader()
        if leader is None:
            return False
        leader.node.transfer_leadership(None, lambda _: None)
        return True

    def grow(self) -> bool:
        leader = self.world.leader()
        if leader is None or len(self.world.hosts) >= 6:
            return False
        node_id = self.next_id
        self.next_id += 1
        self.world.start(node_id, members=leader.node.voters)
        self.world.connect_all()
        leader.node.add_member(node_id, lambda _: None, votes=self.random.random() < 0.7)
        return True

    def promote(self) -> bool:
        leader = self.world.leader()
        if leader is None or not leader.node.observers:
            return False
        leader.node.add_member(self.random.choice(leader.node.observers), lambda _: None)
        return True

    def shrink(self) -> bool:
        leader = self.world.leader()
        if leader is None or len(leader.node.voters) <= 3:
            return False
        leader.node.remove_member(self.random.choice(leader.node.voters), lambda _: None)
        return True


FAULTS = [
    (Schedule.isolate, 4), (Schedule.cut_one, 3), (Schedule.split, 3),
    (Schedule.slow_link, 1), (Schedule.heal, 8), (Schedule.break_link, 3),
    (Schedule.kill, 5), (Schedule.kill_all, 1), (Schedule.lose_power, 3), (Schedule.lose_power_everywhere, 1),
    (Schedule.wipe, 2), (Schedule.sync, 4), (Schedule.stall, 3), (Schedule.snapshot, 4), (Schedule.transfer, 2),
    (Schedule.grow, 2), (Schedule.promote, 1), (Schedule.shrink, 2),
]  # fmt: skip
