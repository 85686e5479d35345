"""Operations by hypothesis: any at all for the codec, and ones about a few clients and topics for the state."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from rmq.flow.context import FlowContext
from rmq.flow.ports import FlowPorts
from rmq.hooks.chains import HookChains
from rmq.metrics.counters import Counters
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.storage.account_records import DeleteAccount, PutAccount
from rmq.storage.cluster_records import (
    AddMember,
    AddRoute,
    Barrier,
    ClaimClient,
    ForgetNode,
    MoveDelivery,
    NodeDown,
    NodeUp,
    PublishDelayed,
    PublishWill,
    RaiseLevel,
    ReclaimClient,
    ReleaseClient,
    RemoveMember,
    RemoveRoute,
    Tick,
)
from rmq.storage.records import (
    AddSubscription,
    CloseSession,
    Configure,
    DelayMessage,
    DeleteRetained,
    EndSession,
    EnqueueMessage,
    OpenSession,
    Operation,
    ReleaseDelivery,
    ReleaseInbound,
    RemoveDelayed,
    RemoveDelivery,
    RemoveSubscription,
    RemoveWill,
    SkipPacketIds,
    StoreMessage,
)
from rmq.storage.state import State

FOUR_BYTES: Final = 0xFFFF_FFFF

numbers = st.integers(0, FOUR_BYTES)
packet_ids = st.integers(0, 0xFFFF)
times = st.floats(0, 1e11, allow_nan=False)
texts = st.text(max_size=20)
qos_levels = st.integers(0, 2)

messages = st.builds(
    Message,
    texts,
    st.binary(max_size=50),
    qos_levels,
    st.booleans(),
    texts,
    st.binary(max_size=20),
    times,
    times,
    st.integers(0, 4),
)
wills = st.builds(
    Will, texts, st.binary(max_size=30), qos_levels, st.booleans(), numbers, st.integers(-1, FOUR_BYTES), st.binary()
)
any_epoch = st.integers(-1, FOUR_BYTES)
ids = st.none() | st.lists(st.integers(1, 268_435_455), max_size=4)

any_operation: st.SearchStrategy[Operation] = st.one_of(
    st.builds(
        StoreMessage,
        st.none() | messages,
        st.none() | st.lists(texts, min_size=2, max_size=4),
        texts,
        packet_ids,
        any_epoch,
    ),
    st.builds(RemoveDelivery, texts, packet_ids, any_epoch),
    st.builds(ReleaseDelivery, texts, packet_ids, any_epoch),
    st.builds(ReleaseInbound, texts, packet_ids, any_epoch),
    st.builds(EnqueueMessage, texts, messages, qos_levels, st.booleans(), ids, texts, any_epoch),
    st.builds(
        OpenSession,
        texts,
        numbers,
        st.booleans(),
        st.none() | texts,
        st.sampled_from([3, 4, 5]),
        numbers,
        st.none() | wills,
        st.integers(1, 65_000),
        st.integers(0, 65_000),
        st.booleans(),
        times,
        numbers,
    ),
    st.builds(CloseSession, texts, numbers, numbers, st.integers(0, 65_000), times, times, st.integers(0, 64)),
    st.builds(EndSession, texts, numbers),
    st.builds(RemoveWill, texts, numbers),
    st.builds(
        AddSubscription,
        texts,
        texts,
        texts,
        texts,
        qos_levels,
        st.booleans(),
        st.booleans(),
        st.integers(0, 2),
        st.integers(0, 268_435_455),
        any_epoch,
    ),
    st.builds(RemoveSubscription, texts, texts, any_epoch),
    st.builds(DeleteRetained, texts, times),
    st.builds(DelayMessage, texts, messages, times, texts, packet_ids, any_epoch),
    st.builds(RemoveDelayed, texts),
    st.builds(Configure, st.booleans(), numbers, numbers),
    st.builds(SkipPacketIds),
    st.builds(PutAccount, texts, texts, st.binary(max_size=50), st.integers(-1, FOUR_BYTES)),
    st.builds(DeleteAccount, texts, texts, st.integers(-1, FOUR_BYTES)),
    st.builds(ClaimClient, texts, numbers, st.none() | wills),
    st.builds(ReclaimClient, texts, numbers, numbers, st.none() | wills),
    st.builds(ReleaseClient, texts, numbers),
    st.builds(AddRoute, numbers, texts),
    st.builds(RemoveRoute, numbers, texts),
    st.builds(AddMember, numbers, texts, texts, texts, texts, qos_levels, numbers),
    st.builds(RemoveMember, numbers, texts, texts),
    st.builds(NodeUp, numbers, texts, times, times, st.booleans()),
    st.builds(NodeDown, numbers, numbers, times, times, st.booleans()),
    st.builds(ForgetNode, numbers),
    st.builds(Tick, times),
    st.builds(
        PublishWill,
        texts,
        numbers,
        st.none() | messages,
        st.none() | st.lists(texts, max_size=4),
        st.booleans(),
        numbers,
    ),
    st.builds(PublishDelayed, texts, st.none() | messages, st.none() | st.lists(texts, max_size=4)),
    st.builds(Barrier),
    st.builds(RaiseLevel, numbers),
    st.builds(MoveDelivery, texts, numbers, packet_ids, texts, texts, st.booleans()),
)

# Few names, so that operations meet.
names = st.sampled_from(["a", "b", "c", "d"])
topics = st.sampled_from(["t", "u/v", "w", "$SYS/x"])
filters = st.sampled_from(["t", "#", "u/+", "$share/g/t", "$share/g/#"])
kinds = st.sampled_from(["api_key", "user"])
small_ids = st.integers(1, 6)
epochs = st.integers(1, 5)
moments = st.floats(100, 200).map(lambda at: round(at, 2))


@st.composite
def meeting_messages(draw: st.DrawFn) -> Message:
    payload = draw(st.binary(max_size=4) | st.just(b"x" * 40))
    retain = draw(st.booleans())
    return Message(
        draw(topics), payload, draw(qos_levels), retain, draw(names), b"", draw(st.just(0.0) | moments), draw(moments)
    )


@st.composite
def meeting_subscriptions(draw: st.DrawFn) -> AddSubscription:
    key = draw(filters)
    group, topic_filter = key.split("/", 2)[1:] if key.startswith("$share/") else ("", key)
    number = draw(st.integers(0, 2))
    return AddSubscription(
        draw(names), key, topic_filter, group, draw(qos_levels), draw(st.booleans()), draw(st.booleans()), 0, number
    )


few_wills = st.none() | st.builds(Will, topics, st.binary(max_size=3), qos_levels, st.booleans())

meeting_operation: st.SearchStrategy[Operation] = st.one_of(
    st.builds(
        OpenSession,
        names,
        epochs,
        st.booleans(),
        st.none() | st.just("user"),
        st.sampled_from([4, 5]),
        st.integers(1, 100),
        few_wills,
        st.integers(1, 3),
        st.integers(0, 4),
        st.booleans(),
        moments,
    ),
    meeting_subscriptions(),
    meeting_subscriptions(),
    st.builds(
        StoreMessage,
        st.none() | meeting_messages(),
        st.none() | st.tuples(st.sampled_from(["$share/g/t", "$share/g/#"]), names).map(list),
        st.just("") | names,
        small_ids,
    ),
    st.builds(StoreMessage, meeting_messages(), st.none(), st.just(""), st.just(0)),
    st.builds(EnqueueMessage, names, meeting_messages(), st.integers(1, 2), st.booleans(), st.none(), st.just("")),
    st.builds(RemoveDelivery, names, small_ids),
    st.builds(ReleaseDelivery, names, small_ids),
    st.builds(ReleaseInbound, names, small_ids),
    st.builds(CloseSession, names, epochs, st.integers(1, 100), st.integers(0, 3), st.just(0.0) | moments, moments),
    st.builds(EndSession, names, epochs),
    st.builds(RemoveWill, names, epochs),
    st.builds(RemoveSubscription, names, filters),
    st.builds(DeleteRetained, topics, st.just(0.0) | moments),
    st.builds(DelayMessage, st.sampled_from(["k", "l"]), meeting_messages(), moments, st.just("") | names, small_ids),
    st.builds(RemoveDelayed, st.sampled_from(["k", "l"])),
    st.builds(Configure, st.booleans(), st.integers(0, 2), st.sampled_from([0, 3])),
    st.builds(SkipPacketIds),
    st.builds(PutAccount, kinds, names, st.binary(max_size=3), st.just(0) | st.integers(-1, 4)),
    st.builds(DeleteAccount, kinds, names, st.just(-1) | st.integers(0, 4)),
)


def new_state(memory_budget: int = 0, session_memory_budget: int = 0) -> State:
    """An empty state without connections."""
    ctx = FlowContext(Router(), RetainedTrie(), Counters(), HookChains(), FlowPorts())
    ctx.memory_budget = memory_budget
    ctx.session_memory_budget = session_memory_budget
    return State(ctx, 0, 0)


def open_sessions(*client_ids: str) -> list[Operation]:
    """Sessions that are subscribed to everything, so that what follows meets somebody."""
    operations: list[Operation] = []
    for client_id in client_ids:
        operations.append(OpenSession(client_id, 1, True, None, 5, 100, None, 3, 1000, False, 100.0))
        operations.append(AddSubscription(client_id, "#", "#", "", 2, False, False, 0, 0))
    return operations
