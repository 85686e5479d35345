"""The end of a connection: who is told, which will is published, what becomes of the session."""

from typing import TYPE_CHECKING

from rmq.engine.session_end import end_session, hand_over_shares
from rmq.engine.session_timers import enter_will_timer
from rmq.engine.wills import propose_will, publish_will
from rmq.hooks import chains
from rmq.mqtt import codes
from rmq.mqtt.encode import encode_connack, encode_disconnect
from rmq.mqtt.packets import Connack, Disconnect, Will
from rmq.session.channel import AWAIT_CONNECT, CLOSED, CLOSING, CONNECTED, CONNECTING, Channel
from rmq.session.delivery import DONE, RELEASED, RELEASING, RESEND, SENT
from rmq.session.session import Session
from rmq.storage.records import CloseSession

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# States of a delivery that its client knows of.
IN_FLIGHT = (SENT, RESEND, RELEASED, RELEASING)

# What an MQTT 3 CONNACK says for a v5 reason code; others close the connection without a CONNACK.
V3_RETURN_CODES = {
    codes.UNSUPPORTED_PROTOCOL_VERSION: codes.V3_UNACCEPTABLE_PROTOCOL_VERSION,
    codes.CLIENT_IDENTIFIER_NOT_VALID: codes.V3_IDENTIFIER_REJECTED,
    codes.SERVER_UNAVAILABLE: codes.V3_SERVER_UNAVAILABLE,
    codes.SERVER_BUSY: codes.V3_SERVER_UNAVAILABLE,
    codes.QUOTA_EXCEEDED: codes.V3_SERVER_UNAVAILABLE,
    codes.USE_ANOTHER_SERVER: codes.V3_SERVER_UNAVAILABLE,
    codes.CONNECTION_RATE_EXCEEDED: codes.V3_SERVER_UNAVAILABLE,
    codes.BAD_USER_NAME_OR_PASSWORD: codes.V3_BAD_USER_NAME_OR_PASSWORD,
    codes.NOT_AUTHORIZED: codes.V3_NOT_AUTHORIZED,
    codes.BANNED: codes.V3_NOT_AUTHORIZED,
}

# Reason codes that a DISCONNECT can't carry (MQTT 5.0, table 3-10), and what it says instead.
NOT_IN_DISCONNECT = {
    codes.UNSUPPORTED_PROTOCOL_VERSION: codes.PROTOCOL_ERROR,
    codes.CLIENT_IDENTIFIER_NOT_VALID: codes.PROTOCOL_ERROR,
    codes.BAD_USER_NAME_OR_PASSWORD: codes.NOT_AUTHORIZED,
    codes.SERVER_UNAVAILABLE: codes.SERVER_BUSY,
    codes.BANNED: codes.NOT_AUTHORIZED,
    codes.BAD_AUTHENTICATION_METHOD: codes.NOT_AUTHORIZED,
}


def handle_disconnect(broker: "Broker", channel: Channel, packet: Disconnect) -> None:
    """DISCONNECT from the client: the will goes with reason 0x00 and stays with any other [MQTT-3.14.4-3]."""
    broker.counters.packets_disconnect_received += 1
    session = channel.session
    if session is None:
        end_connection(broker, channel, codes.SUCCESS, "disconnected before the CONNACK")
        return
    interval = packet.session_expiry_interval
    if interval >= 0 and interval != session.expiry_interval:
        if session.expiry_interval == 0:
            # [MQTT-3.1.2.11.2]: it can't be raised from 0 any more.
            close(broker, channel, codes.PROTOCOL_ERROR, "session expiry interval raised from 0")
            return
        limit = channel.limits.max_session_expiry_interval
        expiry = min(interval, limit) if limit else interval
    else:
        expiry = session.expiry_interval
    broker.counters.connections_closed_by_client += 1
    end_connection(broker, channel, packet.reason_code, "disconnected by the client", expiry)


def close(broker: "Broker", channel: Channel, reason_code: int, text: str) -> None:
    """End a connection from this side. What the protocol version allows to be said is sent before the close."""
    if channel.state >= CLOSING:
        return
    if channel.version == 0:
        channel.version = channel.decoder.version
    if channel.state == CONNECTED:
        if channel.version == codes.V5:
            farewell = Disconnect(NOT_IN_DISCONNECT.get(reason_code, reason_code))
            farewell.reason_string = text
            if reason_code == codes.USE_ANOTHER_SERVER:
                farewell.server_reference = broker.draining.reference(channel.limits.listener)
            data = encode_disconnect(farewell, channel.version, channel.max_packet_size)
            if not channel.max_packet_size or len(data) <= channel.max_packet_size:
                broker.counters.packets_disconnect_sent += 1
                broker.ctx.send(channel, data)
    else:
        refuse_connect(broker, channel, reason_code, text)
    end_connection(broker, channel, reason_code, text)


def refuse_connect(broker: "Broker", channel: Channel, reason_code: int, text: str) -> None:
    """Answer a CONNECT with an error, where there is an answer for it; the caller ends the connection."""
    counters = broker.counters
    connack: Connack | None = None
    if reason_code == codes.SESSION_TAKEN_OVER:
        return  # a CONNACK can't say so (MQTT 5.0, table 3-1), and this client shall not try again at once
    if channel.version == codes.V5:
        connack = Connack(reason_code)
        connack.reason_string = text
        if reason_code == codes.USE_ANOTHER_SERVER:
            connack.server_reference = broker.draining.reference(channel.limits.listener)
    elif channel.state == CONNECTING or reason_code == codes.UNSUPPORTED_PROTOCOL_VERSION:
        return_code = V3_RETURN_CODES.get(reason_code)
        if return_code is not None:
            connack = Connack(return_code)
    if connack is None:
        return
    data = encode_connack(connack, channel.version, channel.max_packet_size)
    if channel.max_packet_size and len(data) > channel.max_packet_size:
        return  # [MQTT-3.1.2-24]: not even the reason fits
    counters.client_connack += 1
    counters.packets_connack_sent += 1
    counters.client_connack_error += 1
    if reason_code in (codes.BAD_USER_NAME_OR_PASSWORD, codes.NOT_AUTHORIZED, codes.BANNED):
        counters.client_connack_auth_error += 1
    elif reason_code in (codes.SERVER_UNAVAILABLE, codes.SERVER_BUSY, codes.QUOTA_EXCEEDED):
        counters.client_connack_unavailable_error += 1
    broker.ctx.send(channel, data)
    if channel.info is not None and broker.chains.client_connack.handlers:
        chains.client_connack(broker.chains, channel.info, reason_code)


def connection_lost(broker: "Broker", channel: Channel, text: str) -> None:
    """The network connection ended without a DISCONNECT."""
    if channel.state < CLOSING:
        if channel.state == CONNECTED:
            broker.counters.connections_lost += 1
        end_connection(broker, channel, codes.UNSPECIFIED_ERROR, text)
    channel.state = CLOSED


def end_connection(broker: "Broker", channel: Channel, reason_code: int, text: str, expiry: int = -1) -> None:
    """Unbind the session and decide its future; the socket closes when the out-buffer is empty.

    ``expiry`` is the session expiry interval in force, -1 for the one of CONNECT.
    """
    if channel.state >= CLOSING:
        return
    broker.connection_log.ended(broker.ctx.now, channel, reason_code, text)
    was_waiting = channel.state in (AWAIT_CONNECT, CONNECTING)
    channel.state = CLOSING
    channel.close_reason = text
    channel.backlog = None
    channel.pending_connect = None
    channel.retained = None
    if not channel.dirty:
        channel.dirty = True
        broker.ctx.dirty.append(channel)
    for timers in (broker.keepalive_timers, broker.login_timers):
        timer = timers.pop(channel, None)
        if timer is not None:
            broker.timers.cancel(timer)
    session = channel.session
    if was_waiting or session is None:
        return
    channel.session = None
    session.channel = None
    if session.persistent:
        broker.persistent_connected -= 1
    broker.registry.unbind(session.client_id, channel)
    broker.counters.client_disconnected += 1
    info = channel.info
    if info is not None and broker.chains.client_disconnected.handlers:
        chains.client_disconnected(broker.chains, info, reason_code, text)
    _close_session(broker, channel, session, reason_code, session.expiry_interval if expiry < 0 else expiry)


def _close_session(broker: "Broker", channel: Channel, session: Session, reason_code: int, expiry: int) -> None:
    will = session.will
    if reason_code == codes.NORMAL_DISCONNECTION:
        will = None  # [MQTT-3.14.4-3]
    if expiry:
        _tell_inflight(broker, session)
    leave_session(broker, session, channel.epoch, expiry, will, reason_code)
    if expiry and reason_code != codes.SESSION_TAKEN_OVER:
        hand_over_shares(broker, session)


def leave_session(
    broker: "Broker", session: Session, epoch: int, expiry: int, will: Will | None, reason_code: int = codes.SUCCESS
) -> None:
    """A session has no connection any more: it ends, or is kept for ``expiry`` seconds; its will is published in time.

    ``epoch`` is the one of the connection's claim: when somebody else claimed since, the session is theirs.
    """
    if broker.cluster.is_leaving:
        return  # all that was open here is closed by one operation, which is committed
    if broker.cluster.replicates and reason_code != codes.SESSION_TAKEN_OVER:
        _leave_in_cluster(broker, session, epoch, expiry, will, reason_code)
        return
    if expiry == 0:
        end_session(broker, session, reason_code, epoch=epoch)
        if will is not None:
            publish_will(broker, session, will)  # the session's end is the latest moment for it [MQTT-3.1.3-9]
        return
    now = broker.ctx.now
    due_at = 0.0
    if will is not None and will.delay_interval > 0:
        due_at = now + min(will.delay_interval, expiry)
    broker.cluster.propose(_closing(session, epoch, expiry, due_at, now))
    if due_at:
        enter_will_timer(broker, session.client_id, epoch, due_at)
    elif will is not None:
        publish_will(broker, session, will)


def _leave_in_cluster(
    broker: "Broker", session: Session, epoch: int, expiry: int, will: Will | None, reason_code: int
) -> None:
    """The same where the will is part of what is agreed on: it is published once, by whichever node, or not at all."""
    client_id = session.client_id
    if expiry == 0:
        if will is None:
            end_session(broker, session, reason_code, epoch=epoch)
        else:
            propose_will(
                broker,
                client_id,
                epoch,
                will,
                own_end=True,
                then=lambda: end_session(broker, session, reason_code, epoch=epoch),
            )
        return
    now = broker.ctx.now
    due_at = 0.0 if will is None else now + min(will.delay_interval, expiry)
    broker.cluster.propose(_closing(session, epoch, expiry, due_at, now))
    if will is not None and will.delay_interval == 0:
        propose_will(broker, client_id, epoch, will, own_end=True)


def _closing(session: Session, epoch: int, expiry: int, will_due_at: float, now: float) -> CloseSession:
    inflight = leaving = 0
    if session.outbound is not None:
        for delivery in session.outbound.deliveries.values():
            if delivery.state in IN_FLIGHT:
                inflight += 1
            elif delivery.state == DONE:
                leaving += 1
    return CloseSession(session.client_id, epoch, expiry, inflight, will_due_at, now, leaving)


def _tell_inflight(broker: "Broker", session: Session) -> None:
    outbound = session.outbound
    if outbound is None or not broker.chains.offline_inflight_messages.handlers:
        return
    messages = [d.message for d in outbound.deliveries.values() if d.state in IN_FLIGHT and not d.message.on_disk]
    if messages:
        chains.offline_inflight_messages(broker.chains, session.client_id, messages)
