"""CONNECT: checks, authentication, claim, session, CONNACK; in this order, waiting only where a hook waits."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.engine import connect_access, disconnect, enhanced_auth, session_end, wills
from rmq.engine.bans import refuse_banned
from rmq.engine.connack import encode_success
from rmq.engine.connect_checks import check, client_info, name_will, take_certificate_name
from rmq.engine.connection_timers import begin_keep_alive, note_login_end
from rmq.flow import deliver
from rmq.flow.context import STORAGE_FAILED
from rmq.hooks import chains
from rmq.hooks.verdicts import ALLOW, DENY, DENY_AND_DISCONNECT, DENY_ONCE, LATER, AuthRequest, AuthResult
from rmq.mqtt import codes
from rmq.mqtt.packets import Connect
from rmq.session.channel import CONNECTED, CONNECTING, Channel
from rmq.session.client_info import ClientInfo
from rmq.session.limits import ACK_QUORUM_FSYNC
from rmq.session.outbound import MAX_CAPACITY
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.session.topic_alias import OutboundAliases
from rmq.storage.records import OpenSession

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def handle_connect(broker: "Broker", channel: Channel, packet: Connect) -> None:
    """The first packet of a connection."""
    counters = broker.counters
    counters.packets_connect_received += 1
    counters.client_connect += 1
    channel.state = CONNECTING
    channel.version = packet.protocol_level
    channel.pending_connect = packet
    channel.request_problem_information = packet.request_problem_information
    channel.max_packet_size = packet.maximum_packet_size
    trusted = channel.limits.trusted  # a part of this node: without it the node does less, not more
    if broker.draining.rate and not trusted:
        disconnect.close(broker, channel, codes.USE_ANOTHER_SERVER, "this node is being drained")
        return
    if broker.busy and not trusted:
        counters.connections_refused_busy += 1
        disconnect.close(broker, channel, codes.SERVER_BUSY, "server busy")
        return
    refusal = check(channel, packet) or take_certificate_name(channel, packet)
    if refusal is not None:
        disconnect.close(broker, channel, refusal[0], refusal[1])
        return
    info = client_info(broker, channel, packet)
    channel.info = info
    if trusted:
        info.superuser = True
        claim(broker, channel, packet, info)
        return
    if refuse_banned(broker, channel, info):
        return
    if broker.chains.client_connect.handlers:
        if broker.chains.client_connect.waits:
            _connect_hooks_later(broker, channel, packet, info)
            return
        result = chains.client_connect(broker.chains, info, packet)
        if _refused(broker, channel, result):
            return
    authenticate(broker, channel, packet, info)


def _connect_hooks_later(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo) -> None:
    async def work() -> Callable[[], None]:
        result = await broker.runner.run_decide("client_connect", info, packet)

        def then() -> None:
            if not _refused(broker, channel, result):
                authenticate(broker, channel, packet, info)

        return then

    broker.wait(channel, work)


def _refused(broker: "Broker", channel: Channel, result: AuthResult | None) -> bool:
    if result is None or result.verdict not in (DENY, DENY_AND_DISCONNECT, DENY_ONCE):
        return False
    disconnect.close(
        broker, channel, result.reason_code, result.reason_string or codes.REASON_NAMES[result.reason_code]
    )
    return True


def authenticate(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo) -> None:
    """Who is it? By AUTH exchange, by the hooks, or anonymous."""
    if packet.auth_method is not None:
        enhanced_auth.begin(broker, channel, packet, info)
        return
    broker.counters.client_authenticate += 1
    request = AuthRequest(info, packet.password, certificate_name=channel.transport.certificate_name())
    if broker.chains.client_authenticate.waits:

        async def work() -> Callable[[], None]:
            result = await broker.runner.run_decide("client_authenticate", request)
            return lambda: authenticated(broker, channel, packet, info, result)

        broker.wait(channel, work)
        return
    result = None
    if broker.chains.client_authenticate.handlers:
        result = chains.client_authenticate(broker.chains, request)
    authenticated(broker, channel, packet, info, result)


def authenticated(
    broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo, result: AuthResult | None
) -> None:
    """Act on what authentication said; without an opinion the listener's anonymous switch decides.

    Enhanced authentication, which comes here too, always has one.
    """
    if _refused(broker, channel, result):
        return
    if result is None or result.verdict != ALLOW:
        # Who has its name from a certificate has shown who it is.
        if not channel.limits.allow_anonymous and channel.transport.certificate_name() is None:
            if packet.username is None:
                broker.counters.client_auth_anonymous_error += 1
            disconnect.close(broker, channel, codes.NOT_AUTHORIZED, "not authorized")
            return
        if packet.username is None:
            broker.counters.client_auth_anonymous += 1
    else:
        info.superuser = result.superuser
        note_login_end(broker, channel, result.expires_at)
    connect_access.check(broker, channel, info, lambda: _check_will(broker, channel, packet, info))


def _check_will(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo) -> None:
    will = packet.will
    if will is not None and broker.chains.client_publish.handlers:
        refusal = name_will(broker, info, will)
        if refusal is not None:
            disconnect.close(broker, channel, refusal[0], refusal[1])
            return
    if will is None or info.superuser or not broker.chains.message_publish_check_acl.handlers:
        claim(broker, channel, packet, info)
        return
    broker.counters.client_publish_check_acl += 1
    verdict = chains.message_publish_check_acl(broker.chains, info, will.topic, will.qos, will.retain)
    if verdict == LATER:

        async def work() -> Callable[[], None]:
            late = await broker.runner.run_decide("message_publish_check_acl", info, will.topic, will.qos, will.retain)
            return lambda: _will_checked(broker, channel, packet, info, late)

        broker.wait(channel, work)
        return
    _will_checked(broker, channel, packet, info, verdict)


def _will_checked(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo, verdict: int) -> None:
    if verdict in (DENY, DENY_AND_DISCONNECT, DENY_ONCE):
        disconnect.close(broker, channel, codes.NOT_AUTHORIZED, "not authorized to publish the will")
        return
    claim(broker, channel, packet, info)


def claim(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo) -> None:
    """Become the owner of the client id, wherever it was connected before [MQTT-3.1.4-3]."""
    limit = packet.maximum_packet_size
    if limit and len(encode_success(channel, packet, info, expiry_in_force(channel, packet), True)) > limit:
        disconnect.close(broker, channel, codes.PACKET_TOO_LARGE, "no room for a CONNACK")  # [MQTT-3.1.2-24]
        return
    if broker.ctx.storage == STORAGE_FAILED and (broker.cluster.replicates or broker.claims.is_taken(info.client_id)):
        disconnect.close(broker, channel, codes.SERVER_UNAVAILABLE, "sessions can't be stored")
        return
    channel.paused = True
    # The will of a session that is kept goes with the session.
    will = None if expiry_in_force(channel, packet) else packet.will

    def refused() -> None:
        disconnect.close(broker, channel, codes.SERVER_UNAVAILABLE, broker.ctx.no_answer)
        broker.claims.leave(info.client_id)

    broker.claims.enter(
        info.client_id,
        lambda: broker.cluster.claim(
            info.client_id, will, lambda epoch: _claimed(broker, channel, packet, info, epoch), refused
        ),
    )


def _claimed(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo, epoch: int) -> None:
    refusal = _not_now(broker, channel, packet, info) if channel.state == CONNECTING else (codes.SUCCESS, "")
    if refusal is None:
        previous = broker.registry.get(info.client_id)
        if previous is not None:
            broker.counters.takeovers += 1
            disconnect.close(broker, previous, codes.SESSION_TAKEN_OVER, "another connection took the session over")
        limit = broker.options.max_sessions
        if limit and info.client_id not in broker.state.sessions and broker.session_count() >= limit:
            refusal = (codes.QUOTA_EXCEEDED, "no room for one more session")
    if refusal is not None:
        disconnect.close(broker, channel, refusal[0], refusal[1])
        broker.cluster.release(info.client_id, epoch)
        broker.claims.leave(info.client_id)
        return
    channel.epoch = epoch
    kept = broker.state.sessions.get(info.client_id)
    persistent = expiry_in_force(channel, packet) > 0
    if kept is None:
        if persistent:
            _open_session(broker, channel, packet, info, resume=False)
        else:
            _open_transient(broker, channel, packet, info)
    elif not packet.clean_start:
        session_end.cancel_timers(broker, info.client_id)
        _open_session(broker, channel, packet, info, resume=True)
    else:
        # The old session's end publishes a will that waits for its delay [MQTT-3.1.3-9].
        will = session_end.waiting_will(broker, kept)
        if will is not None:
            wills.publish_waiting_will(broker, kept, will, epoch)
        elif kept.remote and kept.will is not None and (kept.disconnected_at or kept.will.delay_interval):
            wills.publish_waiting_will(broker, kept, kept.will, epoch)  # the node with the old connection doesn't
        if persistent:
            session_end.end_session(broker, kept)
            _open_session(broker, channel, packet, info, resume=False)
        else:
            session_end.end_session(broker, kept, then=lambda: _open_transient(broker, channel, packet, info))


def _not_now(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo) -> tuple[int, str] | None:
    """Asked before an older connection is closed: the client shall not end up with none."""
    kept = broker.state.sessions.get(info.client_id)
    if broker.ctx.storage == STORAGE_FAILED and (kept is not None or expiry_in_force(channel, packet)):
        return codes.SERVER_UNAVAILABLE, "sessions can't be stored"
    return None


def expiry_in_force(channel: Channel, packet: Connect) -> int:
    limits = channel.limits
    if packet.protocol_level != codes.V5:
        return 0 if packet.clean_start else limits.session_expiry_interval
    expiry = max(packet.session_expiry_interval, 0)
    limit = limits.max_session_expiry_interval
    return min(expiry, limit) if limit else expiry


def _open_session(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo, *, resume: bool) -> None:
    limits = channel.limits
    operation = OpenSession(
        info.client_id,
        channel.epoch,
        resume,
        info.username,
        info.protocol_level,
        expiry_in_force(channel, packet),
        packet.will,
        _window(channel, packet),
        limits.max_mqueue_len,
        limits.drop_newest,
        broker.ctx.now,
        broker.state.node_id,
    )
    receipt = _Opened(broker, channel, packet, info)
    if broker.cluster.propose(operation, receipt):
        receipt.applied()


class _Opened(Receipt):
    """The session of a connection is open: bind them, unless the connection is gone already."""

    def __init__(self, broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo) -> None:
        # What a client has under way in both directions goes on from what can't be forgotten any more.
        super().__init__(channel.limits.ack_policy == ACK_QUORUM_FSYNC)
        self.everywhere = True  # what a session subscribes to shall reach it where it is now
        self._broker = broker
        self._channel = channel
        self._packet = packet
        self._info = info

    def applied(self) -> None:
        broker = self._broker
        channel = self._channel
        session = broker.state.sessions.get(self._info.client_id)
        cluster = broker.state.cluster
        # Claimed through another node meanwhile?
        if session is None or cluster.epoch_of(self._info.client_id) != channel.epoch:
            self._refuse(session, codes.SESSION_TAKEN_OVER, "another connection took the session over")
        elif broker.cluster.replicates and (session.disconnected_at or self._info.client_id not in cluster.owners):
            # This node was declared down meanwhile, and the session closed with all others that it had open; or
            # another one claimed it and has let go of it again, so that nobody would know of this connection.
            self._refuse(session, codes.SERVER_UNAVAILABLE, broker.ctx.no_answer)
        elif channel.state == CONNECTING:
            present = session.created_epoch != channel.epoch
            broker.go_on(channel, lambda: _bind(broker, channel, self._packet, self._info, session, present))
        else:
            disconnect.leave_session(broker, session, channel.epoch, session.expiry_interval, None)
        broker.claims.leave(self._info.client_id)

    def give_up(self) -> None:
        disconnect.close(self._broker, self._channel, codes.SERVER_UNAVAILABLE, self._broker.ctx.no_answer)

    def _refuse(self, session: Session | None, reason_code: int, text: str) -> None:
        broker = self._broker
        channel = self._channel
        disconnect.close(broker, channel, reason_code, text)
        if session is not None and session.epoch == channel.epoch:
            # The will of a CONNECT that was refused is published by nobody.
            disconnect.leave_session(broker, session, channel.epoch, session.expiry_interval, None, reason_code)


def _window(channel: Channel, packet: Connect) -> int:
    return min(channel.limits.max_inflight, packet.receive_maximum, MAX_CAPACITY)  # [MQTT-3.3.4-9]


def _open_transient(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo) -> None:
    owner = broker.state.cluster.owners.get(info.client_id)
    if broker.state.cluster.epoch_of(info.client_id) > channel.epoch:
        disconnect.close(broker, channel, codes.SESSION_TAKEN_OVER, "another connection took the session over")
    elif broker.cluster.replicates and owner is None:
        disconnect.close(broker, channel, codes.SERVER_UNAVAILABLE, broker.ctx.no_answer)  # declared down meanwhile
    elif channel.state == CONNECTING:
        limits = channel.limits
        session = Session(info.client_id, False)
        session.epoch = channel.epoch
        session.username = info.username
        session.protocol_level = info.protocol_level
        session.created_at = broker.ctx.now
        session.will = packet.will
        session.max_window = _window(channel, packet)
        session.max_queue = limits.max_mqueue_len
        session.drop_newest = limits.drop_newest
        broker.go_on(channel, lambda: _bind(broker, channel, packet, info, session, session_present=False))
    else:
        broker.cluster.release(info.client_id, channel.epoch)
    broker.claims.leave(info.client_id)


def _bind(
    broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo, session: Session, session_present: bool
) -> None:
    now = broker.ctx.now
    limits = channel.limits
    channel.session = session
    session.channel = channel
    if session.persistent:
        broker.persistent_connected += 1
        channel.needs_sync = limits.ack_policy == ACK_QUORUM_FSYNC
    channel.pending_connect = None
    info.connected_at = now
    channel.last_read_at = now
    channel.allowance = float(limits.mqueue_rate)
    channel.allowance_at = now
    aliases = min(packet.topic_alias_maximum, limits.max_outbound_topic_aliases)
    if aliases:
        channel.aliases_out = OutboundAliases(aliases)
    if info.keepalive:
        begin_keep_alive(broker, channel, info.keepalive)
    channel.transport.accepted()
    broker.registry.bind(info.client_id, channel)
    broker.bans.bound(info)
    channel.state = CONNECTED
    counters = broker.counters
    counters.client_connack += 1
    counters.packets_connack_sent += 1
    counters.client_connected += 1
    if session_present:
        counters.session_resumed += 1
    else:
        counters.session_created += 1
    broker.connection_log.connected(now, info, session_present)
    broker.ctx.send(channel, encode_success(channel, packet, info, session.expiry_interval, session_present))
    hooks = broker.chains
    if hooks.client_connack.handlers:
        chains.client_connack(hooks, info, codes.SUCCESS)
    if not session_present and hooks.session_created.handlers:
        chains.session_created(hooks, info)
    if hooks.client_connected.handlers:
        chains.client_connected(hooks, info)
    if session_present:
        deliver.resume(broker.ctx, channel, session)
