"""From a command to its one outcome: appended here by the leader, or sent to it; nobody is left waiting."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from rmq.storage.packing import pack, unpack
from rmq_cluster.raft.core import LEADER, Core
from rmq_cluster.raft.entries import COMMAND, MEMBERS, command_entry, members_entry
from rmq_cluster.raft.members import ADD_OBSERVER, ADD_VOTER, REMOVE, changed
from rmq_cluster.raft.messages import BadMessage, Propose, Proposed
from rmq_cluster.raft.options import Outcome

Done = Callable[[int], None]


class Origin(NamedTuple):
    """Who sent a proposal here, and its number there."""

    peer: int
    number: int


class Waiting(NamedTuple):
    """A proposal that isn't in the log yet."""

    kind: int
    content: bytes
    done: Done | Origin


class Joining(NamedTuple):
    """A node that listens until it has the whole log; then it becomes a voter. Not before: it could not help."""

    node: int
    until: float
    proposal: Waiting


class Proposals:
    """All proposals of this node, and those that others sent to it as the leader."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._queue: deque[Waiting] = deque()
        self._queued_bytes = 0
        self._in_log: dict[int, tuple[int, Done]] = {}  # by index: term
        self._forwarded: dict[int, tuple[float, Done]] = {}  # by number, in order of time: when
        self._number = core.random.getrandbits(31) << 30
        self._outcomes: list[tuple[Done, int]] = []
        self._joining: Joining | None = None
        self.is_held = False  # leadership is being handed over
        self.on_members: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._queue) + len(self._in_log) + len(self._forwarded)

    def propose(self, kind: int, content: bytes, done: Done) -> None:
        """Queue a proposal of this node."""
        if len(content) > self._core.options.max_command:
            self._outcomes.append((done, Outcome.REFUSED))
        else:
            self._add(Waiting(kind, content, done))

    def receive_propose(self, peer: int, message: Propose) -> None:
        """Queue another node's proposal. Raises ``BadMessage``."""
        if message.kind not in (COMMAND, MEMBERS) or len(message.content) > self._core.options.max_command:
            raise BadMessage(f"node {peer} proposes {len(message.content)} bytes of kind {message.kind}")
        if message.kind == MEMBERS:
            change_of(message.content)
        self._add(Waiting(message.kind, message.content, Origin(peer, message.number)))

    def _add(self, proposal: Waiting) -> None:
        options = self._core.options
        size = len(proposal.content)
        if len(self._queue) >= options.queue_commands or self._queued_bytes + size > options.queue_bytes:
            self._refuse(proposal)
            return
        self._queue.append(proposal)
        self._queued_bytes += size

    def _refuse(self, proposal: Waiting) -> None:
        if isinstance(proposal.done, Origin):
            self._core.send(proposal.done.peer, Proposed(proposal.done.number, 0, 0))
        else:
            self._outcomes.append((proposal.done, Outcome.REFUSED))

    # -- where proposals go ----------------------------------------------------------------------------------------

    def drain(self) -> None:
        """In each tick: into the log, to the leader, or refused."""
        core = self._core
        self._give_up_late()
        if self.is_held and (core.state == LEADER or core.leader is None):
            return
        self._promote()
        while self._queue:
            if core.state != LEADER and core.leader is not None and self._is_full():
                return
            proposal = self._queue.popleft()
            self._queued_bytes -= len(proposal.content)
            if core.state == LEADER:
                self._append(proposal)
            elif core.leader is not None and core.leader != core.node_id and not isinstance(proposal.done, Origin):
                self._forward(core.leader, proposal, proposal.done)
            else:
                self._refuse(proposal)

    def _is_full(self) -> bool:
        return len(self._forwarded) >= self._core.options.queue_commands

    def _forward(self, leader: int, proposal: Waiting, done: Done) -> None:
        self._number += 1
        self._forwarded[self._number] = (self._core.clock(), done)
        self._core.send(leader, Propose(self._number, proposal.kind, proposal.content))

    def _append(self, proposal: Waiting) -> None:
        if proposal.kind == COMMAND:
            self._log(command_entry(proposal.content), proposal)
        else:
            self._change(proposal)

    def _log(self, entry: bytes, proposal: Waiting) -> None:
        core = self._core
        index = core.log.last_index + 1
        core.log.append(entry, index, core.term)
        if isinstance(proposal.done, Origin):
            core.send(proposal.done.peer, Proposed(proposal.done.number, index, core.term))
        else:
            self._in_log[index] = (core.term, proposal.done)

    def _change(self, proposal: Waiting) -> None:
        core = self._core
        change, node = change_of(proposal.content)
        after = changed(core.log.members, change, node)
        is_own_removal = change == REMOVE and node == core.node_id
        if after is None or is_own_removal or self._joining is not None or not self._may_change_members():
            self._refuse(proposal)
        elif change == ADD_VOTER and not self._has_caught_up(node):
            self._joining = Joining(node, core.clock() + core.options.join_timeout, proposal)
            listening = changed(core.log.members, ADD_OBSERVER, node)
            if listening is not None:
                core.log.append(members_entry(listening), core.log.last_index + 1, core.term)
                self.on_members()
        else:
            self._log(members_entry(after), proposal)
            self.on_members()

    def _promote(self) -> None:
        joining, core = self._joining, self._core
        if joining is None or core.state != LEADER:
            return
        after = changed(core.log.members, ADD_VOTER, joining.node)
        if core.clock() > joining.until or after is None:
            self._joining = None
            self._refuse(joining.proposal)
        elif self._has_caught_up(joining.node) and self._may_change_members():
            self._joining = None
            self._log(members_entry(after), joining.proposal)
            self.on_members()

    def _has_caught_up(self, node: int) -> bool:
        core = self._core
        return node in core.connected and core.match_index.get(node, 0) >= max(core.commit, 1)

    def _may_change_members(self) -> bool:
        # Two changes at once can lead to two majorities that have nobody in common; so can one on top of a change of
        # another term that may yet vanish.
        core = self._core
        return core.log.members_index <= core.commit and core.log.term_at(core.commit) == core.term

    # -- how they end ----------------------------------------------------------------------------------------------

    def receive_proposed(self, _: int, message: Proposed) -> None:
        """The leader's answer."""
        entry = self._forwarded.pop(message.number, None)
        if entry is None:
            return
        done = entry[1]
        if message.place == 0:
            self._outcomes.append((done, Outcome.REFUSED))
        elif message.place <= self._core.applied or message.place in self._in_log:
            self._outcomes.append((done, Outcome.UNKNOWN))
        else:
            self._in_log[message.place] = (message.term, done)

    def applied(self, index: int, term: int) -> None:
        """An entry was applied here."""
        entry = self._in_log.pop(index, None)
        if entry is not None:
            self._outcomes.append((entry[1], Outcome.APPLIED if entry[0] == term else Outcome.REFUSED))

    def passed(self, index: int) -> None:
        """A snapshot took the place of all entries up to this one."""
        for at in [at for at in self._in_log if at <= index]:
            self._outcomes.append((self._in_log.pop(at)[1], Outcome.UNKNOWN))

    def give_up(self) -> None:
        """Term or leader changed, or the leader can't be reached: what is under way may or may not be committed."""
        for _, done in (*self._in_log.values(), *self._forwarded.values()):
            self._outcomes.append((done, Outcome.UNKNOWN))
        self._in_log.clear()
        self._forwarded.clear()
        joining, self._joining = self._joining, None
        if joining is not None and not isinstance(joining.proposal.done, Origin):
            self._outcomes.append((joining.proposal.done, Outcome.UNKNOWN))

    def stop(self) -> None:
        """This node is out: nothing of what waits was proposed."""
        self.give_up()
        while self._queue:
            proposal = self._queue.popleft()
            if not isinstance(proposal.done, Origin):
                self._outcomes.append((proposal.done, Outcome.REFUSED))
        self._queued_bytes = 0

    def _give_up_late(self) -> None:
        limit = self._core.clock() - self._core.options.forward_timeout
        while self._forwarded:
            number, (at, done) = next(iter(self._forwarded.items()))
            if at > limit:
                return
            del self._forwarded[number]
            self._outcomes.append((done, Outcome.UNKNOWN))

    def settle(self, done: Done, outcome: int) -> None:
        """Tell an outcome with the next ones."""
        self._outcomes.append((done, outcome))

    def take_outcomes(self) -> list[tuple[Done, int]]:
        """Who is to be told what, once."""
        found, self._outcomes = self._outcomes, []
        return found


def change_content(change: int, node: int) -> bytes:
    """What a proposal to change the members holds."""
    return pack([change, node])


def change_of(content: bytes) -> tuple[int, int]:
    """The change and the node. Raises ``BadMessage``."""
    try:
        change, node = unpack(content)
    except ValueError as error:
        raise BadMessage(f"no change of members: {error}") from error
    if type(change) is not int or type(node) is not int or not 0 < node < 1 << 31:
        raise BadMessage("no change of members")
    return change, node
