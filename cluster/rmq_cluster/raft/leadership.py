"""Handing leadership over: the target gets everything first, new proposals wait meanwhile."""

from rmq_cluster.raft.core import LEADER, Core
from rmq_cluster.raft.messages import TakeOver
from rmq_cluster.raft.options import Outcome
from rmq_cluster.raft.proposals import Done, Proposals


class Leadership:
    """One handing over at a time."""

    def __init__(self, core: Core, proposals: Proposals) -> None:
        self._core = core
        self._proposals = proposals
        self._target: int | None = None
        self._done: Done | None = None
        self._until = 0.0
        self._asked = False

    def transfer(self, to: int | None, done: Done) -> None:
        """Hand over to this member, or to the one that is furthest. See ``RaftNode.transfer_leadership``."""
        core = self._core
        candidates = sorted(core.others & core.connected, key=lambda peer: (core.match_index.get(peer, 0), peer))
        if to is not None:
            candidates = [peer for peer in candidates if peer == to]
        if core.state != LEADER or not candidates or self._target is not None:
            self._proposals.settle(done, Outcome.REFUSED)
            return
        self._target = candidates[-1]
        self._done = done
        self._asked = False
        self._until = core.clock() + core.options.election_max
        self._proposals.is_held = True

    def tick(self) -> None:
        """After each of the core's ticks."""
        if self._target is None:
            return
        core = self._core
        if core.state != LEADER:
            if core.leader is not None:
                self._end(Outcome.APPLIED)
            elif core.clock() > self._until:
                self._end(Outcome.UNKNOWN)
        elif core.clock() > self._until or self._target not in core.connected:
            self._end(Outcome.UNKNOWN if self._asked else Outcome.REFUSED)
        elif not self._asked and core.match_index.get(self._target) == core.log.last_index:
            self._asked = True
            core.send(self._target, TakeOver(core.term))

    def _end(self, outcome: int) -> None:
        assert self._done is not None  # set together with the target
        self._proposals.settle(self._done, outcome)
        self._target = self._done = None
        self._proposals.is_held = False

    def stop(self) -> None:
        """This node is out."""
        if self._target is not None:
            self._end(Outcome.UNKNOWN)
