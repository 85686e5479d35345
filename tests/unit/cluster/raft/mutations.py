"""Each guard taken out, one at a time: what the simulation must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rmq_cluster.raft.amnesia import Amnesia
from rmq_cluster.raft.driver import Driver
from rmq_cluster.raft.elections import Elections
from rmq_cluster.raft.guards import Guards
from rmq_cluster.raft.log import RaftLog
from rmq_cluster.raft.proposals import Proposals
from rmq_cluster.raft.replication import Replication


@dataclass(frozen=True)
class Mutation:
    """A method replaced by one that doesn't guard, and the kind of schedule that shows it within so many seeds.

    ``start`` saves the seeds that are known to show nothing.
    """

    name: str
    owner: type
    method: str
    instead: Any
    profile: str = "schedule"
    within: int = 60
    start: int = 0

    def apply(self) -> Callable[[], None]:
        """Take the guard out; returns what puts it back."""
        original = getattr(self.owner, self.method)
        setattr(self.owner, self.method, self.instead)
        return lambda: setattr(self.owner, self.method, original)


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _vote_in_memory(log: RaftLog, term: int, voted_for: int) -> None:
    log.term, log.voted_for = term, voted_for


MUTATIONS = [
    Mutation("rewind by a late ack", Guards, "_not_rewound", lambda _, before, after: after, "quiet"),
    Mutation("commit beyond what was verified", Guards, "_committing_verified", lambda _, message: message, "rejoin"),
    Mutation("known entries cut off", Guards, "_without_known", lambda _, message: message, "elections"),
    Mutation("resets of one burst", Guards, "_is_new_reset", lambda *_: True, "rejoin", start=30),
    Mutation("one entry back a round trip", Guards, "_backed_up", lambda _, following: following, "rejoin"),
    Mutation("amnesia", Amnesia, "may_vote_for", lambda *_: True, "forgetting"),
    Mutation("acks of a former life", Replication, "_forget_acks", _nothing),
    Mutation("proposers left hanging", Proposals, "give_up", _nothing),
    Mutation("no pre-vote", Elections, "_ask_first", _nothing, "nuisance"),
    Mutation("late ticks", Elections, "_spare_after_stall", _nothing, "nuisance"),
    Mutation("votes counted twice", Elections, "_is_first_vote", lambda *_: True, "elections"),
    Mutation("answers before they are written", RaftLog, "flush", _nothing),
    Mutation("exceptions go up", Driver, "call", lambda _, what, target, *args: target(*args)),
]

# These need more at once than chance brings about in so many seeds: a scenario of test_guards shows each.
DIRECTED = [
    Mutation("acks of another term", Guards, "_is_of_this_term", lambda _, message: True),
    Mutation("a node ahead is out for good", Guards, "_tell_term", _nothing),
    Mutation("amnesia of the term", Amnesia, "accepts_appends", property(lambda _: True)),
    Mutation("two changes of members", Proposals, "_may_change_members", lambda _: True),
    Mutation("vote not kept", RaftLog, "set_term", _vote_in_memory),
    Mutation("silent leader", Elections, "_forget_silent_leader", _nothing),
    Mutation("voters with an empty log", Proposals, "_has_caught_up", lambda *_: True, "growth", start=15),
]
