"""Operations, sessions and messages as lists that msgpack can write, and back.

The first element of an operation is its code. Codes and the order of fields never change: a new field goes to the end
and has a default when it is missing, a new meaning gets a new code.
"""

from typing import Final

from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will
from rmq.session.delivery import RELEASED, RELEASING, RESEND, SENT, Delivery
from rmq.session.session import Session
from rmq.session.subscription import Subscription
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


class UnknownOperation(Exception):
    """Written by a newer version: applying the rest without it would give another state."""


def encode_operation(o: Operation) -> list[object]:
    """The operation as a list; messages in it as lists too."""
    if isinstance(o, StoreMessage):
        return [STORE_MESSAGE, encode_message(o.message), o.chosen, o.publisher, o.packet_id]
    if isinstance(o, RemoveDelivery):
        return [REMOVE_DELIVERY, o.client_id, o.packet_id]
    if isinstance(o, ReleaseDelivery):
        return [RELEASE_DELIVERY, o.client_id, o.packet_id]
    if isinstance(o, ReleaseInbound):
        return [RELEASE_INBOUND, o.client_id, o.packet_id]
    if isinstance(o, EnqueueMessage):
        return [ENQUEUE_MESSAGE, o.client_id, encode_message(o.message), o.qos, o.retain, o.subscription_ids, o.share]
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
        ]
    if isinstance(o, CloseSession):
        return [CLOSE_SESSION, o.client_id, o.epoch, o.expiry_interval, o.inflight, o.will_due_at, o.at]
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
        ]
    if isinstance(o, RemoveSubscription):
        return [REMOVE_SUBSCRIPTION, o.client_id, o.key]
    if isinstance(o, DeleteRetained):
        return [DELETE_RETAINED, o.topic, o.created_at]
    if isinstance(o, DelayMessage):
        return [DELAY_MESSAGE, o.key, encode_message(o.message), o.due_at, o.publisher, o.packet_id]
    if isinstance(o, RemoveDelayed):
        return [REMOVE_DELAYED, o.key]
    return [CONFIGURE, o.allow_multiple_matches, o.max_retained, o.max_retained_payload]


def decode_operation(fields: list[object]) -> Operation:
    """The operation that a list stands for. Raises ``UnknownOperation``, ``TypeError``, ``IndexError``."""
    code = fields[0]
    if code == STORE_MESSAGE:
        message = None if fields[1] is None else decode_message(_fields(fields[1]))
        chosen = None if fields[2] is None else [_str(name) for name in _fields(fields[2])]
        return StoreMessage(message, chosen, _str(fields[3]), _int(fields[4]))
    if code == REMOVE_DELIVERY:
        return RemoveDelivery(_str(fields[1]), _int(fields[2]))
    if code == RELEASE_DELIVERY:
        return ReleaseDelivery(_str(fields[1]), _int(fields[2]))
    if code == RELEASE_INBOUND:
        return ReleaseInbound(_str(fields[1]), _int(fields[2]))
    if code == ENQUEUE_MESSAGE:
        return EnqueueMessage(
            _str(fields[1]),
            decode_message(_fields(fields[2])),
            _int(fields[3]),
            bool(fields[4]),
            _ids(fields[5]),
            _str(fields[6]),
        )
    if code == OPEN_SESSION:
        return OpenSession(
            _str(fields[1]),
            _int(fields[2]),
            bool(fields[3]),
            _optional_str(fields[4]),
            _int(fields[5]),
            _int(fields[6]),
            decode_will(fields[7]),
            _int(fields[8]),
            _int(fields[9]),
            bool(fields[10]),
            _float(fields[11]),
        )
    if code == CLOSE_SESSION:
        return CloseSession(
            _str(fields[1]), _int(fields[2]), _int(fields[3]), _int(fields[4]), _float(fields[5]), _float(fields[6])
        )
    if code == END_SESSION:
        return EndSession(_str(fields[1]), _int(fields[2]))
    if code == REMOVE_WILL:
        return RemoveWill(_str(fields[1]), _int(fields[2]))
    if code == ADD_SUBSCRIPTION:
        return AddSubscription(
            _str(fields[1]),
            _str(fields[2]),
            _str(fields[3]),
            _str(fields[4]),
            _int(fields[5]),
            bool(fields[6]),
            bool(fields[7]),
            _int(fields[8]),
            _int(fields[9]),
        )
    if code == REMOVE_SUBSCRIPTION:
        return RemoveSubscription(_str(fields[1]), _str(fields[2]))
    if code == DELETE_RETAINED:
        return DeleteRetained(_str(fields[1]), _float(fields[2]))
    if code == DELAY_MESSAGE:
        return DelayMessage(
            _str(fields[1]),
            decode_message(_fields(fields[2])),
            _float(fields[3]),
            _str(fields[4]),
            _int(fields[5]),
        )
    if code == REMOVE_DELAYED:
        return RemoveDelayed(_str(fields[1]))
    if code == CONFIGURE:
        return Configure(bool(fields[1]), _int(fields[2]), _int(fields[3]))
    raise UnknownOperation(f"operation {code} isn't known to this version")


def encode_message(m: Message | None) -> list[object] | None:
    """A message with its payload, which must be in memory."""
    if m is None:
        return None
    return [m.topic, m.payload, m.qos, m.retain, m.publisher, m.properties, m.expires_at, m.created_at, m.origin]


def decode_message(fields: list[object]) -> Message:
    """The message that a list stands for."""
    return Message(
        _str(fields[0]),
        _bytes(fields[1]),
        _int(fields[2]),
        bool(fields[3]),
        _str(fields[4]),
        _bytes(fields[5]),
        _float(fields[6]),
        _float(fields[7]),
        _int(fields[8]),
    )


def encode_will(w: Will | None) -> list[object] | None:
    """A will as a list."""
    if w is None:
        return None
    return [w.topic, w.payload, w.qos, w.retain, w.delay_interval, w.message_expiry, w.properties]


def decode_will(value: object) -> Will | None:
    """The will that a list stands for."""
    if value is None:
        return None
    f = _fields(value)
    return Will(_str(f[0]), _bytes(f[1]), _int(f[2]), bool(f[3]), _int(f[4]), _int(f[5]), _bytes(f[6]))


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
        _in_flight(s),
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


def _in_flight(s: Session) -> int:
    out = s.outbound
    count = 0
    if out is not None:
        for d in out.deliveries.values():
            if d.state == SENT or d.state == RESEND or d.state == RELEASED or d.state == RELEASING:
                count += 1
    return count


def decode_session(f: list[object], messages: dict[int, Message]) -> Session:
    """The session of a snapshot, without its connection; its subscriptions still have to be entered in the router."""
    s = Session(_str(f[0]), True)
    s.epoch = _int(f[1])
    s.created_epoch = _int(f[2])
    s.created_at = _float(f[3])
    s.disconnected_at = _float(f[4])
    s.username = _optional_str(f[5])
    s.protocol_level = _int(f[6])
    s.expiry_interval = _int(f[7])
    s.will = decode_will(f[8])
    s.will_due_at = _float(f[9])
    s.max_window = _int(f[10])
    s.max_queue = _int(f[11])
    s.drop_newest = bool(f[12])
    for item in _fields(f[13]):
        t = _fields(item)
        s.put_subscription(
            Subscription(
                s,
                _str(t[0]),
                _str(t[1]),
                _str(t[2]),
                _int(t[3]),
                bool(t[4]),
                bool(t[5]),
                _int(t[6]),
                _int(t[7]),
            )
        )
    if f[14] is not None:
        for packet_id in _fields(f[14]):
            s.add_inbound_qos2(_int(packet_id))
    if f[15] is not None:
        o = _fields(f[15])
        out = s.open_outbound()
        out.window = _int(o[0])
        out.limit = _int(o[2])
        out.drop_newest = bool(o[3])
        out.last_packet_id = _int(o[4])
        out.reserve(_int(o[1]))
        for item in _fields(o[5]):
            d = _fields(item)
            packet_id = _int(d[0])
            delivery = Delivery(messages[_int(d[1])], packet_id, _int(d[2]), bool(d[3]), _ids(d[4]), _str(d[5]))
            if d[6]:
                delivery.state = RELEASED
                delivery.released = True
            out.deliveries[packet_id] = delivery
        out.mark_sent(_int(f[16]))
    return s


def _fields(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise TypeError("a list was expected")


def _str(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("a string was expected")


def _optional_str(value: object) -> str | None:
    return None if value is None else _str(value)


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    raise TypeError("bytes were expected")


def _int(value: object) -> int:
    if isinstance(value, int):
        return value
    raise TypeError("a whole number was expected")


def _float(value: object) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return float(value)
    raise TypeError("a number was expected")


def _ids(value: object) -> list[int] | None:
    return None if value is None else [_int(item) for item in _fields(value)]
