"""The operations of a cluster as lists that msgpack can write, and back; codes from 20 on, see ``codec``."""

from typing import Final

from rmq.mqtt.message import Message
from rmq.storage.cluster_records import (
    AddMember,
    AddRoute,
    Barrier,
    ClaimClient,
    ClusterOperation,
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
from rmq.storage.fields import as_fields, as_float, as_int, as_str
from rmq.storage.message_codec import decode_message, decode_will, encode_message, encode_will

CLAIM_CLIENT: Final = 20
RECLAIM_CLIENT: Final = 21
RELEASE_CLIENT: Final = 22
ADD_ROUTE: Final = 23
REMOVE_ROUTE: Final = 24
ADD_MEMBER: Final = 25
REMOVE_MEMBER: Final = 26
NODE_UP: Final = 27
NODE_DOWN: Final = 28
FORGET_NODE: Final = 29
TICK: Final = 30
PUBLISH_WILL: Final = 31
PUBLISH_DELAYED: Final = 32
BARRIER: Final = 33
RAISE_LEVEL: Final = 34
MOVE_DELIVERY: Final = 35


def encode_cluster_operation(o: ClusterOperation) -> list[object]:
    """The operation as a list."""
    if isinstance(o, ClaimClient):
        return [CLAIM_CLIENT, o.client_id, o.node, encode_will(o.will)]
    if isinstance(o, ReleaseClient):
        return [RELEASE_CLIENT, o.client_id, o.epoch]
    if isinstance(o, AddRoute):
        return [ADD_ROUTE, o.node, o.topic_filter]
    if isinstance(o, RemoveRoute):
        return [REMOVE_ROUTE, o.node, o.topic_filter]
    if isinstance(o, Barrier):
        return [BARRIER]
    if isinstance(o, AddMember):
        return [ADD_MEMBER, o.node, o.client_id, o.key, o.topic_filter, o.share_group, o.qos, o.epoch]
    if isinstance(o, RemoveMember):
        return [REMOVE_MEMBER, o.node, o.client_id, o.key]
    if isinstance(o, ReclaimClient):
        return [RECLAIM_CLIENT, o.client_id, o.node, o.epoch, encode_will(o.will)]
    if isinstance(o, NodeUp):
        return [NODE_UP, o.node, o.nonce, o.grace, o.at, o.lost_power]
    if isinstance(o, NodeDown):
        return [NODE_DOWN, o.node, o.incarnation, o.grace, o.at, o.left]
    if isinstance(o, ForgetNode):
        return [FORGET_NODE, o.node]
    if isinstance(o, Tick):
        return [TICK, o.at]
    if isinstance(o, PublishWill):
        return [PUBLISH_WILL, o.client_id, o.epoch, encode_message(o.message), o.chosen, o.own_end, o.claim]
    if isinstance(o, PublishDelayed):
        return [PUBLISH_DELAYED, o.key, encode_message(o.message), o.chosen]
    if isinstance(o, MoveDelivery):
        return [MOVE_DELIVERY, o.client_id, o.epoch, o.packet_id, o.key, o.heir, o.ends]
    return [RAISE_LEVEL, o.level]


def decode_cluster_operation(f: list[object]) -> ClusterOperation | None:
    """The operation that a list stands for, None for a code that isn't known. Raises ``TypeError``, ``IndexError``."""
    code = f[0]
    if code == CLAIM_CLIENT:
        return ClaimClient(as_str(f[1]), as_int(f[2]), decode_will(f[3]))
    if code == RELEASE_CLIENT:
        return ReleaseClient(as_str(f[1]), as_int(f[2]))
    if code == ADD_ROUTE:
        return AddRoute(as_int(f[1]), as_str(f[2]))
    if code == REMOVE_ROUTE:
        return RemoveRoute(as_int(f[1]), as_str(f[2]))
    if code == BARRIER:
        return Barrier()
    if code == ADD_MEMBER:
        return AddMember(
            as_int(f[1]), as_str(f[2]), as_str(f[3]), as_str(f[4]), as_str(f[5]), as_int(f[6]), as_int(f[7])
        )
    if code == REMOVE_MEMBER:
        return RemoveMember(as_int(f[1]), as_str(f[2]), as_str(f[3]))
    if code == RECLAIM_CLIENT:
        return ReclaimClient(as_str(f[1]), as_int(f[2]), as_int(f[3]), decode_will(f[4]))
    if code == NODE_UP:
        return NodeUp(as_int(f[1]), as_str(f[2]), as_float(f[3]), as_float(f[4]), bool(f[5]))
    if code == NODE_DOWN:
        return NodeDown(as_int(f[1]), as_int(f[2]), as_float(f[3]), as_float(f[4]), bool(f[5]))
    if code == FORGET_NODE:
        return ForgetNode(as_int(f[1]))
    if code == TICK:
        return Tick(as_float(f[1]))
    if code == PUBLISH_WILL:
        return PublishWill(as_str(f[1]), as_int(f[2]), _message(f[3]), _names(f[4]), bool(f[5]), as_int(f[6]))
    if code == PUBLISH_DELAYED:
        return PublishDelayed(as_str(f[1]), _message(f[2]), _names(f[3]))
    if code == RAISE_LEVEL:
        return RaiseLevel(as_int(f[1]))
    if code == MOVE_DELIVERY:
        return MoveDelivery(as_str(f[1]), as_int(f[2]), as_int(f[3]), as_str(f[4]), as_str(f[5]), bool(f[6]))
    return None


def _message(value: object) -> Message | None:
    return None if value is None else decode_message(as_fields(value))


def _names(value: object) -> list[str] | None:
    return None if value is None else [as_str(name) for name in as_fields(value)]
