"""Rules taken out, one at a time: some seed must notice each.

``COMMITTED_FIRST`` are rules of the engine and of the state, ``GUARDS`` those of Raft, which have tests of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final
from unittest import mock

from rmq_cluster.raft.log import RaftLog

from rmq.engine.applied import AppliedEvents
from rmq.engine.broker import Broker
from rmq.engine.forwards import Forwards
from rmq.engine.gate import EngineGate
from rmq.engine.replicated_port import ReplicatedPort
from rmq.engine.routes_lease import RoutesLease
from rmq.flow.context import NEVER
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.storage.cluster_records import PublishWill
from rmq.storage.cluster_state import ClusterState
from rmq.storage.commit_log import CommitLog
from rmq.storage.records import Operation, StoreMessage
from tests.unit.cluster.raft.mutations import MUTATIONS

Patch = Callable[[], AbstractContextManager[object]]


def _instead(owner: type, method: str, replacement: Callable[..., Any]) -> Patch:
    return lambda: mock.patch.object(owner, method, replacement)


def _any_sequence(state: ClusterState, node: int, incarnation: int, sequence: int) -> bool:
    record = state.nodes.get(node)
    return record is not None and record.up and record.incarnation == incarnation


def _any_incarnation(state: ClusterState, node: int, incarnation: int, sequence: int) -> bool:
    record = state.nodes.get(node)
    if record is None or (record.incarnation == incarnation and sequence <= record.sequence):
        return False
    record.sequence = sequence
    return True


def _answering_before_others(
    forwards: Forwards, way: Any, parts: list[bytes], count: int, receipts: list[Receipt]
) -> None:
    _enter(forwards, way, parts, count, [])
    for receipt in receipts:
        receipt.applied()


def _delivering_again(forwards: Forwards, node: int, body: bytes) -> None:
    for answers in forwards._answers.values():
        answers.seen = 0
    _received(forwards, node, body)


def _publishing_wills(state: ClusterState, operation: PublishWill) -> None:
    if operation.message is not None:
        state.state.publish(operation.message, operation.chosen)


_enter = Forwards._enter
_received = Forwards.received
_propose = ReplicatedPort.propose
_after = Broker.after
_complete_everywhere = CommitLog.complete_everywhere


def _without_epoch(port: ReplicatedPort, operation: Operation, receipt: Receipt | None = None) -> bool:
    if isinstance(operation, StoreMessage):
        operation.epoch = -1
    return _propose(port, operation, receipt)


def _answering_first(port: ReplicatedPort, operation: Operation, receipt: Receipt | None = None) -> bool:
    if isinstance(operation, StoreMessage):
        _propose(port, operation)
        return True
    return _propose(port, operation, receipt)


def _released_here_only(gate: EngineGate, session: Session, packet_id: int, receipt: Receipt) -> bool:
    session.remove_inbound_qos2(packet_id)
    return True


def _received_here_only(gate: EngineGate, session: Session, packet_id: int, receipt: Receipt) -> bool:
    if session.outbound is not None:
        session.outbound.release(packet_id)
    return True


def _told_nobody(broker: Broker, *args: Any, everywhere: bool = False, **kwargs: Any) -> None:
    _after(broker, *args, **kwargs)


def _routes_for_ever(lease: RoutesLease, age: float) -> None:
    lease._port.broker.ctx.routes_until = NEVER


def _before_disks(log: CommitLog, number: int) -> None:
    for _, receipt in log._elsewhere:
        receipt.synced_only = False
    _complete_everywhere(log, number)


def _as_synced(port: ReplicatedPort) -> None:
    port.log.complete_sync(port.log.written)


def _never_synced(log: RaftLog) -> None:
    log.synced = log.written


def _nothing(*_: Any, **__: Any) -> None:
    """The rule doesn't hold."""


COMMITTED_FIRST: Final[dict[str, Patch]] = {
    "a batch is applied once": _instead(ClusterState, "begin_batch", _any_sequence),
    "a batch of an incarnation that is over isn't applied": _instead(ClusterState, "begin_batch", _any_incarnation),
    "a message of a connection that was taken over isn't stored": _instead(ReplicatedPort, "propose", _without_epoch),
    "PUBACK and PUBREC wait for the commit": _instead(ReplicatedPort, "propose", _answering_first),
    "the release of a QoS 2 identifier is in the log": _instead(EngineGate, "release", _released_here_only),
    "PUBREC is in the log before PUBREL": _instead(EngineGate, "receive", _received_here_only),
    "SUBACK waits until all nodes know": _instead(Broker, "after", _told_nobody),
    "routes are known for so long only": _instead(RoutesLease, "contact", _routes_for_ever),
    "who was taken over is closed": _instead(AppliedEvents, "taken_over", _nothing),
    "quorum_fsync waits for disks": _instead(ReplicatedPort, "_tell_synced", _as_synced),
    "CONNACK and SUBACK wait for disks": _instead(CommitLog, "complete_everywhere", _before_disks),
    "PUBACK waits for the nodes of connected subscribers": _instead(Forwards, "_enter", _answering_before_others),
    "what is sent again over another link is delivered once": _instead(Forwards, "received", _delivering_again),
    "a will is published on conditions": _instead(ClusterState, "_publish_will", _publishing_wills),
    "the log is synced": _instead(RaftLog, "sync", _never_synced),
}


def _guard(owner: type, method: str, replacement: Any) -> Patch:
    return lambda: mock.patch.object(owner, method, replacement)


GUARDS: Final[dict[str, Patch]] = {
    mutation.name: _guard(mutation.owner, mutation.method, mutation.instead) for mutation in MUTATIONS
}


def mutation(name: str) -> AbstractContextManager[object]:
    """A rule taken out for as long as this is entered; "" for none."""
    stack = ExitStack()
    if name:
        stack.enter_context((COMMITTED_FIRST | GUARDS)[name]())
    return stack
