"""The state applies what it is told and nothing else: what names something gone, or an older epoch, changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rmq.flow.context import FlowContext
from rmq.flow.ports import FlowPorts
from rmq.hooks.chains import HookChains
from rmq.metrics.counters import Counters
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.storage.records import (
    AddSubscription,
    CloseSession,
    DeleteRetained,
    EndSession,
    EnqueueMessage,
    OpenSession,
    Operation,
    ReleaseDelivery,
    ReleaseInbound,
    RemoveDelivery,
    RemoveSubscription,
    RemoveWill,
    StoreMessage,
)
from rmq.storage.state import State
from tests.unit.storage.replica import facts


@pytest.fixture
def state() -> State:
    ctx = FlowContext(Router(), RetainedTrie(), Counters(), HookChains(), FlowPorts())
    return State(ctx, 0, 0)


def open_session(
    client_id: str = "a", epoch: int = 1, *, resume: bool = True, window: int = 2, queue: int = 2
) -> OpenSession:
    return OpenSession(client_id, epoch, resume, "user", 5, 60, Will("w", b"", 0, False), window, queue, False, 100.0)


def subscription(client_id: str = "a", key: str = "t", qos: int = 2) -> AddSubscription:
    group, topic_filter = ("", key)
    if key.startswith("$share/"):
        _, group, topic_filter = key.split("/", 2)
    return AddSubscription(client_id, key, topic_filter, group, qos, False, False, 0, 0)


def message(
    payload: bytes = b"x", topic: str = "t", qos: int = 1, *, retain: bool = False, at: float = 100.0
) -> Message:
    return Message(topic, payload, qos, retain, "p", b"", 0.0, at)


def store(
    payload: bytes = b"x", topic: str = "t", qos: int = 1, *, retain: bool = False, at: float = 100.0
) -> StoreMessage:
    return StoreMessage(message(payload, topic, qos, retain=retain, at=at), None, "", 0)


def queue_of(state: State, client_id: str = "a") -> list[tuple[int, bytes]]:
    outbound = state.sessions[client_id].outbound
    return [] if outbound is None else [(i, d.message.payload) for i, d in outbound.deliveries.items()]


def apply(state: State, *operations: Operation) -> None:
    for operation in operations:
        state.apply(operation)


NAMES_WHAT_IS_NOT_THERE: list[Operation] = [
    RemoveDelivery("nobody", 1),
    RemoveDelivery("a", 99),
    ReleaseDelivery("nobody", 1),
    ReleaseDelivery("a", 99),
    ReleaseInbound("nobody", 1),
    ReleaseInbound("a", 99),
    EnqueueMessage("nobody", message(), 1, False, None, ""),
    CloseSession("nobody", 1, 60, 0, 0.0, 200.0),
    CloseSession("a", 4, 60, 0, 0.0, 200.0),
    CloseSession("a", 6, 60, 0, 0.0, 200.0),
    EndSession("nobody", 1),
    EndSession("a", 4),
    RemoveWill("nobody", 5),
    RemoveWill("a", 4),
    subscription("nobody"),
    RemoveSubscription("nobody", "t"),
    RemoveSubscription("a", "none"),
    DeleteRetained("none", 0.0),
    DeleteRetained("kept", 99.0),
    StoreMessage(None, None, "nobody", 7),
    store(topic="unwanted"),
    OpenSession("a", 5, True, "other", 5, 1, None, 1, 1, True, 300.0),
    OpenSession("a", 4, False, "other", 5, 1, None, 1, 1, True, 300.0),
]


@pytest.mark.parametrize("operation", NAMES_WHAT_IS_NOT_THERE, ids=lambda op: type(op).__name__)
def test_what_names_something_gone_changes_nothing(state: State, operation: Operation) -> None:
    apply(
        state, open_session(epoch=5), subscription(), store(b"1"), store(b"2", qos=2), store(b"r", "kept", retain=True)
    )
    before = facts(state)
    state.apply(operation)
    assert facts(state) == before


@pytest.mark.parametrize(
    "operation",
    [
        RemoveDelivery("a", 1),
        ReleaseDelivery("a", 2),
        ReleaseInbound("a", 7),
        RemoveSubscription("a", "t"),
        DeleteRetained("kept", 100.0),
        RemoveWill("a", 5),
        EndSession("a", 5),
        subscription(key="t", qos=1),
        open_session(epoch=6),
        CloseSession("a", 5, 30, 1, 500.0, 200.0),
    ],
    ids=lambda op: type(op).__name__,
)
def test_applying_an_operation_again_changes_nothing_more(state: State, operation: Operation) -> None:
    apply(
        state, open_session(epoch=5), subscription(), store(b"1"), store(b"2", qos=2), store(b"r", "kept", retain=True)
    )
    state.apply(StoreMessage(None, None, "a", 7))
    before = facts(state)
    state.apply(operation)
    once = facts(state)
    assert once != before
    state.apply(operation)
    assert facts(state) == once


def test_packet_identifiers_are_given_in_order_and_not_twice(state: State) -> None:
    apply(state, open_session(window=3, queue=0), subscription())
    apply(state, store(b"1"), store(b"2"), store(b"3"), RemoveDelivery("a", 2), store(b"4"))
    assert queue_of(state) == [(1, b"1"), (3, b"3"), (4, b"4")]


def test_they_begin_again_and_leave_out_those_in_use(state: State) -> None:
    apply(state, open_session(), subscription(), store(b"stays"), store(b"goes"))
    outbound = state.sessions["a"].outbound
    assert outbound is not None
    outbound.last_packet_id = 65_535
    apply(state, RemoveDelivery("a", 2), store(b"next"))
    assert queue_of(state) == [(1, b"stays"), (2, b"next")]


def test_a_session_that_is_opened_anew_forgets(state: State) -> None:
    apply(state, open_session(), subscription(), store(), StoreMessage(None, None, "a", 7))
    state.apply(open_session(epoch=2, resume=False))
    session = state.sessions["a"]
    assert (session.outbound, session.inbound_qos2, session.subscriptions) == (None, None, None)
    assert state.router.subscription_count == 0
    state.apply(store())
    assert queue_of(state) == []


def test_an_opened_session_takes_the_options_of_its_new_connection(state: State) -> None:
    apply(state, open_session(window=5, queue=1), subscription(), store(b"1"))
    state.apply(CloseSession("a", 1, 60, 1, 0.0, 200.0))
    state.apply(OpenSession("a", 2, True, "u2", 4, 90, None, 1, 7, True, 300.0))
    session = state.sessions["a"]
    outbound = session.outbound
    assert outbound is not None
    assert (session.username, session.protocol_level, session.expiry_interval, session.will) == ("u2", 4, 90, None)
    assert (outbound.window, outbound.limit, outbound.drop_newest) == (1, 7, True)
    assert session.created_at == 100.0 and session.disconnected_at == 0.0


def test_a_message_is_queued_once_for_a_session_with_several_matches(state: State) -> None:
    apply(state, open_session(), subscription(key="t"), subscription(key="#", qos=1), store(qos=2))
    outbound = state.sessions["a"].outbound
    assert outbound is not None
    assert [d.qos for d in outbound.deliveries.values()] == [2]


def test_the_chosen_member_gets_a_shared_message_and_nobody_else(state: State) -> None:
    key = "$share/g/t"
    for client_id in ("a", "b"):
        apply(state, open_session(client_id), subscription(client_id, key))
    state.apply(StoreMessage(message(), [key, "b"], "", 0))
    assert queue_of(state, "a") == [] and queue_of(state, "b") == [(1, b"x")]


def test_a_chosen_member_that_left_meanwhile_gets_nothing(state: State) -> None:
    key = "$share/g/t"
    apply(state, open_session("a"), subscription("a", key), RemoveSubscription("a", key))
    state.apply(StoreMessage(message(), [key, "a", key, "nobody"], "", 0))
    assert queue_of(state, "a") == []


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        (store(b"1", "r", retain=True), store(b"2", "r", retain=True), [b"2"]),
        (store(b"1", "r", retain=True), store(b"", "r", retain=True), []),
        (store(b"1", "r", retain=True), store(b"2", "r"), [b"1"]),
        (store(b"1", "r", retain=True), DeleteRetained("r", 100.0), []),
        (store(b"1", "r", retain=True, at=101.0), DeleteRetained("r", 100.0), [b"1"]),
        (store(b"1", "r", retain=True), DeleteRetained("r", 0.0), []),
    ],
)
def test_retained(state: State, first: Operation, then: Operation, kept: list[bytes]) -> None:
    apply(state, first, then)
    assert [m.payload for m in state.retained.match("#")] == kept


@pytest.mark.parametrize("make", [list, lambda: [CloseSession("a", 1, 60, 0, 0.0, 200.0)]])
def test_limits_hold_with_and_without_a_connection(state: State, make: Callable[[], list[Operation]]) -> None:
    apply(state, open_session(window=2, queue=2), subscription(), *make())
    apply(state, *[store(b"%d" % number) for number in range(6)])
    reserved = 2 if not make() else 0
    # In the reserved part nothing is dropped: it may be in flight on the node with the connection.
    expected = [b"0", b"1", b"4", b"5"] if reserved else [b"4", b"5"]
    assert [payload for _, payload in queue_of(state)] == expected
    assert state.ctx.counters.dropped_queue_full == 6 - len(expected)
