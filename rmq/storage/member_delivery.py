"""Messages for members of share groups: to the one that was chosen, or to another one, the same on every node."""

from typing import TYPE_CHECKING

from rmq.flow.deliver import enqueue, removed
from rmq.flow.send import note_dropped
from rmq.mqtt.message import Message
from rmq.session.subscription import Subscription
from rmq.storage.cluster_records import MoveDelivery
from rmq.storage.cluster_routes import member_key

if TYPE_CHECKING:
    from rmq.storage.state import State


def move_delivery(state: "State", operation: MoveDelivery) -> None:
    """Give what waits for a member of a share group to another one."""
    session = state.changing_in(operation.client_id, operation.epoch)
    if session is not None and session.disconnected_at == 0.0 and not operation.ends:
        return  # its node was declared down and is back with it, and may have sent it
    outbound = None if session is None else session.outbound
    delivery = None if outbound is None else outbound.get(operation.packet_id)
    if session is None or outbound is None or delivery is None or delivery.share != operation.key:
        return
    message = delivery.message
    if _is_transient_member(state, operation.key, operation.heir):
        outbound.remove(operation.packet_id)
        state.events.hand_over(message, operation.key, operation.heir)
    elif _able_member(state, message, operation.key, operation.heir) is not None:
        outbound.remove(operation.packet_id)
        store_for_member(state, message, operation.key, operation.heir)
    else:
        return  # all others have left: it waits on
    removed(state.ctx, session, outbound, delivery)


def store_for_member(state: "State", message: Message, key: str, client_id: str) -> None:
    """Queue a message for a member whose session is kept; if it has left since it was chosen, for another one."""
    if _is_transient_member(state, key, client_id):
        return  # delivered beside the queues
    subscription = _able_member(state, message, key, client_id)
    if subscription is None:
        if state.is_own:
            state.ctx.counters.dropped_no_share_member += 1
            note_dropped(state.ctx, None, message, "no_share_member")
        return
    session = subscription.session
    state.changing(session.client_id)
    qos = subscription.qos if subscription.qos < message.qos else message.qos
    ids = [subscription.subscription_id] if subscription.subscription_id else None
    retain = message.retain and subscription.retain_as_published
    if qos:
        enqueue(state.ctx, session, message, qos, retain, ids, key)


def _is_transient_member(state: "State", key: str, client_id: str) -> bool:
    if client_id in state.sessions or state.node_id == 0:
        return False
    name = member_key(client_id, key)
    for members in state.cluster.members.values():  # noqa: SIM110 -- a generator, and slow when compiled
        if name in members:
            return True
    return False


def _able_member(state: "State", message: Message, key: str, client_id: str) -> Subscription | None:
    session = state.sessions.get(client_id)
    subscription = None if session is None else session.find_subscription(key)
    # It may have left since it was chosen.
    return subscription if subscription is not None else _another_member(state, message, key)


def _another_member(state: "State", message: Message, key: str) -> Subscription | None:
    """The same one on every replica: the order of members isn't."""
    best: Subscription | None = None
    for group in state.router.match(message.topic).groups:
        if f"$share/{group.name}/{group.topic_filter}" == key:
            for member in group.members:
                is_able = member.session.persistent and member.qos > 0
                if is_able and (best is None or member.session.client_id < best.session.client_id):
                    best = member
    return best
