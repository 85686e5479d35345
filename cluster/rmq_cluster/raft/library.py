"""The one file that knows pysyncobj, whose class is the protocol core: elections, appends, the commit index.

Each node loads a copy of the library's module of its own, in which clock, chance and pickle are replaced, so nodes in
one process share nothing. What the core doesn't do well is replaced on the instance, what comes in and goes out passes
``guards`` and ``elections``. The private names that this takes are listed here and checked at the start.
"""

import importlib.util
import random
from collections.abc import Callable, Iterable
from operator import attrgetter
from types import ModuleType
from typing import Any, Final, NoReturn

from pysyncobj.config import SyncObjConf

from rmq_cluster.raft.log import Diverged, RaftLog
from rmq_cluster.raft.messages import Ack, Append, Message, TakeOver, Vote, Voted
from rmq_cluster.raft.options import RaftOptions

VERSION: Final = "0.3.17"
MODULE: Final = "pysyncobj.syncobj"
PREFIX: Final = "_SyncObj__"
# Names of the module that a node's copy has others for.
REPLACED_IN_MODULE: Final = (
    "PIPE_NOTIFIER_ENABLED", "Serializer", "createJournal", "createPoller", "globalDnsResolver", "monotonicTime",
    "pickle", "random",
)  # fmt: skip
# Methods that the library's object calls, and that are others on ours.
REPLACED: Final = (
    "_checkCommandsToApply", "_SyncObj__applyLogEntries", "_SyncObj__sendAppendEntries", "_SyncObj__tryLogCompaction",
    "_SyncObj__loadDumpFile", "_applyCommand",
)  # fmt: skip
# Methods that we call.
CALLED: Final = ("_onTick", "_SyncObj__onMessageReceived", "_SyncObj__setCurrentTerm", "_SyncObj__setState")


class WrongLibrary(RuntimeError):
    """The installed pysyncobj isn't the one that the guards were written for."""


class Peer(int):
    """A node id as the library wants it: with an ``id``."""

    __slots__ = ()

    @property
    def id(self) -> int:
        """The number itself."""
        return int(self)


class Field(property):
    """A private field of the library's object, by a name of ours. Read so often that it is done without Python."""

    def __init__(self, name: str) -> None:
        self.name = PREFIX + name
        super().__init__(attrgetter(f"library.{self.name}"), self._set)

    def _set(self, core: Any, value: object) -> None:
        setattr(core.library, self.name, value)


FIELDS: Final = {
    name: Field(name)
    for name in (
        "raftState", "raftCurrentTerm", "raftLeader", "raftCommitIndex", "raftLastApplied", "raftElectionDeadline",
        "votesCount", "otherNodes", "readonlyNodes", "connectedNodes", "raftNextIndex", "raftMatchIndex",
        "lastResponseTime", "transferInProgress", "selfNode", "raftLog", "newAppendEntriesTime",
    )
}  # fmt: skip


class Pysyncobj:
    """One instance of the library's class, driven by hand. The fields are those of ``Core``."""

    state: Any = FIELDS["raftState"]
    term: Any = FIELDS["raftCurrentTerm"]
    commit: Any = FIELDS["raftCommitIndex"]
    applied: Any = FIELDS["raftLastApplied"]
    deadline: Any = FIELDS["raftElectionDeadline"]
    votes: Any = FIELDS["votesCount"]
    is_taking_over: Any = FIELDS["transferInProgress"]
    leader: Any = FIELDS["raftLeader"]
    self_node: Any = FIELDS["selfNode"]
    next_heartbeat: Any = FIELDS["newAppendEntriesTime"]

    def __init__(
        self,
        node_id: int,
        voters: Iterable[int],
        log: RaftLog,
        clock: Callable[[], float],
        chance: random.Random,
        options: RaftOptions,
    ) -> None:
        module = private_module()
        replacements: dict[str, object] = {
            "PIPE_NOTIFIER_ENABLED": False,
            "Serializer": _Nothing,
            "createJournal": lambda _: _Journal(log),
            "createPoller": _Nothing,
            "globalDnsResolver": _Nothing,
            "monotonicTime": clock,
            "pickle": _NoPickle(),
            "random": chance,
        }
        for name in REPLACED_IN_MODULE:
            setattr(module, name, replacements[name])
        configuration = SyncObjConf(
            autoTick=False,
            appendEntriesUseBatch=True,
            appendEntriesPeriod=options.heartbeat,
            raftMinTimeout=options.election_min,
            raftMaxTimeout=options.election_max,
            leaderFallbackTimeout=options.leader_timeout,
            connectionTimeout=options.election_max,
            commandsWaitLeader=False,
            dynamicMembershipChange=False,
        )
        transport = _Transport(self._sent)
        self.library: Any = module.SyncObj(
            Peer(node_id), [Peer(node) for node in voters], configuration, nodeClass=Peer, transport=transport
        )
        check_names(self.library)
        for name, own in zip(
            REPLACED, (self.drain, self._apply, self._append, _nothing, _nothing, _refuse), strict=True
        ):
            setattr(self.library, name, own)
        # The library changes these in place only.
        self.others: set[int] = getattr(self.library, PREFIX + "otherNodes")
        self.listeners: set[int] = getattr(self.library, PREFIX + "readonlyNodes")
        self.connected: set[int] = getattr(self.library, PREFIX + "connectedNodes")
        self.next_index: dict[int, int] = getattr(self.library, PREFIX + "raftNextIndex")
        self.match_index: dict[int, int] = getattr(self.library, PREFIX + "raftMatchIndex")
        self.answered_at: dict[int, float] = getattr(self.library, PREFIX + "lastResponseTime")

    # -- what the library calls ------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take proposals into the log, or send them to the leader."""
        raise NotImplementedError

    def apply_committed(self) -> None:
        """Apply what is committed and isn't applied."""
        raise NotImplementedError

    def heartbeat(self) -> None:
        """It is time to say something to everybody."""
        raise NotImplementedError

    def send(self, peer: int, message: Message) -> None:
        """Send a message."""
        raise NotImplementedError

    def outgoing_ack(self, following: int, *, success: bool, reset: bool) -> Ack:
        """What may be sent of an ack of the library's."""
        raise NotImplementedError

    def _apply(self) -> bool:
        self.apply_committed()
        return False

    def _append(self) -> None:
        self.heartbeat()

    def _sent(self, peer: int, message: dict[str, Any]) -> None:
        match message["type"]:
            case "next_node_idx":
                following, success, reset = message["next_node_idx"], message["success"], message["reset"]
                self.send(peer, self.outgoing_ack(following, success=success, reset=reset))
            case "request_vote":
                self.send(peer, Vote(message["term"], message["last_log_index"], message["last_log_term"]))
            case "response_vote":
                self.send(peer, Voted(message["term"]))
            case kind:
                raise WrongLibrary(f"the library sends {kind!r}")

    # -- what the library is told ----------------------------------------------------------------------------------

    def tick_library(self) -> None:
        """Elections, the commit index, applying, proposals."""
        self.library._onTick(0.0)

    def deliver(self, peer: int, message: Message) -> None:
        """Give a message to the library."""
        fields: dict[str, object]
        if isinstance(message, Append):
            fields = {
                "type": "append_entries", "term": message.term, "commit_index": message.commit,
                "entries": message.entries, "prevLogIdx": message.previous, "prevLogTerm": message.previous_term,
            }  # fmt: skip
        elif isinstance(message, Ack):
            fields = {
                "type": "next_node_idx", "next_node_idx": message.following, "reset": message.reset,
                "success": message.success,
            }  # fmt: skip
        elif isinstance(message, Vote):
            fields = {
                "type": "request_vote", "term": message.term, "last_log_index": message.last,
                "last_log_term": message.last_term,
            }  # fmt: skip
        elif isinstance(message, Voted):
            fields = {"type": "response_vote", "term": message.term}
        elif isinstance(message, TakeOver):
            fields = {"type": "timeout_now", "term": message.term}
        else:
            raise TypeError(f"{message!r} isn't the library's")
        self.library._SyncObj__onMessageReceived(Peer(peer), fields)

    def adopt_term(self, term: int, voted_for: int) -> None:
        """See ``Core``."""
        self.library._SyncObj__setCurrentTerm(term, voted_for or None)
        self.step_down()

    def step_down(self) -> None:
        """See ``Core``."""
        self.library._SyncObj__setState(0)
        self.leader = None


def private_module() -> ModuleType:
    """A copy of the library's module that nobody else has."""
    spec = importlib.util.find_spec(MODULE)
    if spec is None or spec.loader is None:
        raise WrongLibrary("pysyncobj isn't there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if getattr(module, "VERSION", None) != VERSION:
        raise WrongLibrary(f"pysyncobj {VERSION} is needed, {getattr(module, 'VERSION', 'another')} is installed")
    missing = [name for name in (*REPLACED_IN_MODULE, "SyncObj") if not hasattr(module, name)]
    if missing:
        raise WrongLibrary(f"pysyncobj has no {missing}")
    return module


def check_names(library: object) -> None:
    """Raises ``WrongLibrary`` when a private name that is used isn't there."""
    missing = [name for name in (*REPLACED, *CALLED) if not callable(getattr(library, name, None))]
    missing += [field.name for field in FIELDS.values() if not hasattr(library, field.name)]
    if missing:
        raise WrongLibrary(f"pysyncobj's object has no {missing}")


class _Journal:
    """The log as the library's journal."""

    def __init__(self, log: RaftLog) -> None:
        self._log = log

    def __len__(self) -> int:
        return len(self._log.entries)

    def __getitem__(self, position: Any) -> Any:
        return self._log.entries[position]

    def add(self, entry: bytes, index: int, term: int) -> None:
        self._log.append(entry, index, term)

    def deleteEntriesFrom(self, position: int) -> None:
        index = self._log.entries[position][1]
        if index <= self._log.commit:
            raise Diverged(f"the leader's entry {index} isn't the one that was committed here")
        self._log.truncate(index)

    def setRaftCommitIndex(self, index: int) -> None:
        self._log.commit = index

    def getRaftCommitIndex(self) -> int:
        return self._log.commit

    def setCurrentTerm(self, term: int, voted_for: int | None) -> None:
        self._log.set_term(term, voted_for or 0)

    def getCurrentTerm(self) -> int:
        return self._log.term

    def getVotedForNodeId(self) -> int | None:
        return self._log.voted_for or None

    def onOneSecondTimer(self) -> None:
        pass


class _Transport:
    """The library's way out."""

    ready = True

    def __init__(self, send: Callable[[int, dict[str, Any]], None]) -> None:
        self.send = send

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("setOn"):
            raise AttributeError(name)
        return _nothing


class _Nothing:
    """In the place of poller, serializer and resolver, which do nothing here."""

    def __init__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return _nothing


class _NoPickle:
    """In the place of pickle: nothing is ever pickled."""

    def __getattr__(self, name: str) -> NoReturn:
        raise WrongLibrary(f"the library would use pickle.{name}")


def _nothing(*_: object, **__: object) -> None:
    pass


def _refuse(*_: object, **__: object) -> NoReturn:
    raise WrongLibrary("the library would propose by itself")
