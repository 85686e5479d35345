"""What the guards see of the protocol core: a few fields of it by plain names, and what a node offers beside it."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from rmq_cluster.raft.log import RaftLog
from rmq_cluster.raft.messages import Message
from rmq_cluster.raft.options import RaftOptions

FOLLOWER: Final = 0
CANDIDATE: Final = 1
LEADER: Final = 2


class Core(ABC):
    """One node's protocol state. Sets and dicts are the core's own, by node id."""

    node_id: int
    log: RaftLog
    options: RaftOptions
    clock: Callable[[], float]
    random: random.Random
    # The core's fields.
    state: int
    term: int
    leader: int | None
    commit: int
    applied: int
    deadline: float  # when an election begins, by the clock
    votes: int  # that this candidate has got
    others: set[int]  # those who vote, without this node
    listeners: set[int]  # those who don't vote
    connected: set[int]
    next_index: dict[int, int]
    match_index: dict[int, int]
    answered_at: dict[int, float]
    is_taking_over: bool

    @abstractmethod
    def send(self, peer: int, message: Message) -> None:
        """Send this once what it mentions is written."""

    @abstractmethod
    def deliver(self, peer: int, message: Message) -> None:
        """Give a message to the protocol core itself."""

    @abstractmethod
    def adopt_term(self, term: int, voted_for: int) -> None:
        """Follow in this term; a vote of 0 is none yet."""

    @abstractmethod
    def step_down(self) -> None:
        """Lead no longer, in the same term."""

    @abstractmethod
    def is_voter(self) -> bool:
        """This node counts when votes are counted."""
