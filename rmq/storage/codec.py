"""Operations, sessions and messages as lists that msgpack can write, and back.

The first element of an operation is its code. Codes and the order of fields never change: a new field goes to the end
and has a default when it is missing, a new meaning gets a new code.
"""

from typing import Final

from rmq.mqtt.message import Message
from rmq.session.delivery import QUEUED, RELEASED, Delivery
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.account_records import DeleteAccount, PutAccount
from rmq.storage.cluster_codec import decode_cluster_operation, encode_cluster_operation
from rmq.storage.fields import as_bytes, as_fields, as_float, as_ids, as_int, as_optional_str, as_str
from rmq.storage.message_codec import decode_message, decode_will, encode_message, encode_will
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

STORE_MESSAGE: Final = 1
REMOVE_DELIVERY: Final = 2
RELEASE_DELIVERY: Final = 3
RELEASE_INBOUND: Final = 4
ENQUEUE_MESSAGE: Final = 5
OPEN_SESSION: Final = 6
CLOSE_SESSION: Final = 7
END_SESSION: Final = 8
REMOVE_WILL: Final = 9
ADD_SUBSCRIPTION: Final = 10
REMOVE_SUBSCRIPTION: Final = 11
DELETE_RETAINED: Final = 12
DELAY_MESSAGE: Final = 13
REMOVE_DELAYED: Final = 14
CONFIGURE: Final = 15
SKIP_PACKET_IDS: Final = 16
PUT_ACCOUNT: Final = 17
DELETE_ACCOUNT: Final = 18


class UnknownOperation(Exception):
    """Written by a newer version: applying the rest without it would give another state."""


def encode_operation(o: Operation) -> list[object]:
    """The operation as a list; messages in it as lists too."""
    if isinstance(o, StoreMessage):
        return [STORE_MESSAGE, encode_message(o.message), o.chosen, o.publisher, o.packet_id, o.epoch]
    if isinstance(o, RemoveDelivery):
        return [REMOVE_DELIVERY, o.client_id, o.packet_id, o.epoch]
    if isinstance(o, ReleaseDelivery):
        return [RELEASE_DELIVERY, o.client_id, o.packet_id, o.epoch]
    if isinstance(o, ReleaseInbound):
        return [RELEASE_INBOUND, o.client_id, o.packet_id, o.epoch]
    if isinstance(o, EnqueueMessage):
        return [
            ENQUEUE_MESSAGE,
            o.client_id,
            encode_message(o.message),
            o.qos,
            o.retain,
            o.subscription_ids,
            o.share,
            o.epoch,
        ]
    if isinstance(o, OpenSession):
        return [
            OPEN_SESSION,
            o.client_id,
            o.epoch,
            o.resume,
            o.username,
            o.protocol_level,
            o.expiry_interval,
            encode_will(o.will),
            o.window,
            o.max_queue,
            o.drop_newest,
            o.at,
            o.node,
        ]
    if isinstance(o, CloseSession):
        return [CLOSE_SESSION, o.client_id, o.epoch, o.expiry_interval, o.inflight, o.will_due_at, o.at, o.leaving]
    if isinstance(o, EndSession):
        return [END_SESSION, o.client_id, o.epoch]
    if isinstance(o, RemoveWill):
        return [REMOVE_WILL, o.client_id, o.epoch]
    if isinstance(o, AddSubscription):
        return [
            ADD_SUBSCRIPTION,
            o.client_id,
            o.key,
            o.topic_filter,
            o.share_group,
            o.qos,
            o.no_local,
            o.retain_as_published,
            o.retain_handling,
            o.subscription_id,
            o.epoch,
        ]
    if isinstance(o, RemoveSubscription):
        return [REMOVE_SUBSCRIPTION, o.client_id, o.key, o.epoch]
    if isinstance(o, DeleteRetained):
        return [DELETE_RETAINED, o.topic, o.created_at]
    if isinstance(o, DelayMessage):
        return [DELAY_MESSAGE, o.key, encode_message(o.message), o.due_at, o.publisher, o.packet_id, o.epoch]
    if isinstance(o, RemoveDelayed):
        return [REMOVE_DELAYED, o.key]
    if isinstance(o, Configure):
        return [CONFIGURE, o.allow_multiple_matches, o.max_retained, o.max_retained_payload]
    if isinstance(o, SkipPacketIds):
        return [SKIP_PACKET_IDS]
    if isinstance(o, PutAccount):
        return [PUT_ACCOUNT, o.kind, o.name, o.value, o.expected]
    if isinstance(o, DeleteAccount):
        return [DELETE_ACCOUNT, o.kind, o.name, o.expected]
    return encode_cluster_operation(o)


def decode_operation(fields: list[object]) -> Operation:
    """The operation that a list stands for. Raises ``UnknownOperation``, ``TypeError``, ``IndexError``."""
    code = fields[0]
    if code == STORE_MESSAGE:
        message = None if fields[1] is None else decode_message(as_fields(fields[1]))
        chosen = None if fields[2] is None else [as_str(name) for name in as_fields(fields[2])]
        return StoreMessage(message, chosen, as_str(fields[3]), as_int(fields[4]), _epoch(fields, 5))
    if code == REMOVE_DELIVERY:
        return RemoveDelivery(as_str(fields[1]), as_int(fields[2]), _epoch(fields, 3))
    if code == RELEASE_DELIVERY:
        return ReleaseDelivery(as_str(fields[1]), as_int(fields[2]), _epoch(fields, 3))
    if code == RELEASE_INBOUND:
        return ReleaseInbound(as_str(fields[1]), as_int(fields[2]), _epoch(fields, 3))
    if code == ENQUEUE_MESSAGE:
        return EnqueueMessage(
            as_str(fields[1]),
            decode_message(as_fields(fields[2])),
            as_int(fields[3]),
            bool(fields[4]),
            as_ids(fields[5]),
            as_str(fields[6]),
            _epoch(fields, 7),
        )
    if code == OPEN_SESSION:
        return OpenSession(
            as_str(fields[1]),
            as_int(fields[2]),
            bool(fields[3]),
            as_optional_str(fields[4]),
            as_int(fields[5]),
            as_int(fields[6]),
            decode_will(fields[7]),
            as_int(fields[8]),
            as_int(fields[9]),
            bool(fields[10]),
            as_float(fields[11]),
            as_int(fields[12]) if len(fields) > 12 else 0,
        )
    if code == CLOSE_SESSION:
        return CloseSession(
            as_str(fields[1]),
            as_int(fields[2]),
            as_int(fields[3]),
            as_int(fields[4]),
            as_float(fields[5]),
            as_float(fields[6]),
            as_int(fields[7]) if len(fields) > 7 else 0,
        )
    if code == END_SESSION:
        return EndSession(as_str(fields[1]), as_int(fields[2]))
    if code == REMOVE_WILL:
        return RemoveWill(as_str(fields[1]), as_int(fields[2]))
    if code == ADD_SUBSCRIPTION:
        return AddSubscription(
            as_str(fields[1]),
            as_str(fields[2]),
            as_str(fields[3]),
            as_str(fields[4]),
            as_int(fields[5]),
            bool(fields[6]),
            bool(fields[7]),
            as_int(fields[8]),
            as_int(fields[9]),
            _epoch(fields, 10),
        )
    if code == REMOVE_SUBSCRIPTION:
        return RemoveSubscription(as_str(fields[1]), as_str(fields[2]), _epoch(fields, 3))
    if code == DELETE_RETAINED:
        return DeleteRetained(as_str(fields[1]), as_float(fields[2]))
    if code == DELAY_MESSAGE:
        return DelayMessage(
            as_str(fields[1]),
            decode_message(as_fields(fields[2])),
            as_float(fields[3]),
            as_str(fields[4]),
            as_int(fields[5]),
            _epoch(fields, 6),
        )
    if code == REMOVE_DELAYED:
        return RemoveDelayed(as_str(fields[1]))
    if code == CONFIGURE:
        return Configure(bool(fields[1]), as_int(fields[2]), as_int(fields[3]))
    if code == SKIP_PACKET_IDS:
        return SkipPacketIds()
    if code == PUT_ACCOUNT:
        return PutAccount(as_str(fields[1]), as_str(fields[2]), as_bytes(fields[3]), as_int(fields[4]))
    if code == DELETE_ACCOUNT:
        return DeleteAccount(as_str(fields[1]), as_str(fields[2]), as_int(fields[3]))
    found = decode_cluster_operation(fields)
    if found is None:
        raise UnknownOperation(f"operation {code} isn't known to this version")
    return found


def _epoch(fields: list[object], position: int) -> int:
    return as_int(fields[position]) if len(fields) > position else -1


def encode_session(s: Session, locations: list[int]) -> list[object]:
    """A session for a snapshot; ``locations`` are those of its deliveries' messages, in their order."""
    subscriptions: list[object] = []
    if s.subscriptions is not None:
        for t in s.subscriptions.values():
            subscriptions.append(_encode_subscription(t))  # noqa: PERF401 -- a generator, and slow when compiled
    outbound: list[object] | None = None
    out = s.outbound
    if out is not None:
        deliveries: list[object] = []
        position = 0
        for d in out.deliveries.values():
            # What was sent, and what of it is acknowledged but not applied, only the node with the connection knows.
            deliveries.append(
                [d.packet_id, locations[position], d.qos, d.retain, d.subscription_ids, d.share, d.released]
            )
            position += 1  # noqa: SIM113 -- not enumerate(): its tuples are slow when compiled
        outbound = [out.window, out.reserved, out.limit, out.drop_newest, out.last_packet_id, deliveries]
    inbound = None if s.inbound_qos2 is None else list(s.inbound_qos2)
    return [
        s.client_id,
        s.epoch,
        s.created_epoch,
        s.created_at,
        s.disconnected_at,
        s.username,
        s.protocol_level,
        s.expiry_interval,
        encode_will(s.will),
        s.will_due_at,
        s.max_window,
        s.max_queue,
        s.drop_newest,
        subscriptions,
        inbound,
        outbound,
        _sent(s),
        s.node,
    ]


def _encode_subscription(t: Subscription) -> list[object]:
    return [
        t.key,
        t.topic_filter,
        t.share_group,
        t.qos,
        t.no_local,
        t.retain_as_published,
        t.retain_handling,
        t.subscription_id,
    ]


def _sent(s: Session) -> int:
    """How many deliveries, the oldest ones, may have reached the client; what is acknowledged may still be there."""
    out = s.outbound
    count = 0
    if out is not None:
        for d in out.deliveries.values():
            if d.state != QUEUED:
                count += 1
    return count


def decode_session(f: list[object], messages: dict[int, Message]) -> Session:
    """The session of a snapshot, without its connection; its subscriptions still have to be entered in the router."""
    s = Session(as_str(f[0]), True)
    s.epoch = as_int(f[1])
    s.created_epoch = as_int(f[2])
    s.created_at = as_float(f[3])
    s.disconnected_at = as_float(f[4])
    s.username = as_optional_str(f[5])
    s.protocol_level = as_int(f[6])
    s.expiry_interval = as_int(f[7])
    s.will = decode_will(f[8])
    s.will_due_at = as_float(f[9])
    s.max_window = as_int(f[10])
    s.max_queue = as_int(f[11])
    s.drop_newest = bool(f[12])
    for item in as_fields(f[13]):
        t = as_fields(item)
        s.put_subscription(
            Subscription(
                s,
                as_str(t[0]),
                as_str(t[1]),
                as_str(t[2]),
                as_int(t[3]),
                bool(t[4]),
                bool(t[5]),
                as_int(t[6]),
                as_int(t[7]),
            )
        )
    if f[14] is not None:
        for packet_id in as_fields(f[14]):
            s.add_inbound_qos2(as_int(packet_id))
    if f[15] is not None:
        o = as_fields(f[15])
        out = s.open_outbound()
        out.window = as_int(o[0])
        out.limit = as_int(o[2])
        out.drop_newest = bool(o[3])
        out.last_packet_id = as_int(o[4])
        out.reserve(as_int(o[1]))
        for item in as_fields(o[5]):
            d = as_fields(item)
            packet_id = as_int(d[0])
            delivery = Delivery(messages[as_int(d[1])], packet_id, as_int(d[2]), bool(d[3]), as_ids(d[4]), as_str(d[5]))
            if d[6]:
                delivery.state = RELEASED
                delivery.released = True
            out.deliveries[packet_id] = delivery
        out.mark_sent(as_int(f[16]))
    s.node = as_int(f[17]) if len(f) > 17 else 0
    return s
