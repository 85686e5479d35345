"""The AUTH exchange of MQTT 5 (4.12): challenge and response by hook, at CONNECT and again later."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.engine import connect, connect_access, disconnect
from rmq.engine.connection_timers import note_login_end
from rmq.hooks import chains
from rmq.hooks.verdicts import ALLOW, LATER, AuthResult, EnhancedAuthRequest
from rmq.mqtt import codes
from rmq.mqtt.encode import encode_auth
from rmq.mqtt.packets import Auth, Connect
from rmq.session.channel import CONNECTED, CONNECTING, Channel
from rmq.session.client_info import ClientInfo

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def begin(broker: "Broker", channel: Channel, packet: Connect, info: ClientInfo) -> None:
    """A CONNECT that names an Authentication Method."""
    if packet.auth_method is None or not broker.chains.client_enhanced_auth.handlers:
        disconnect.close(broker, channel, codes.BAD_AUTHENTICATION_METHOD, "authentication method not supported")
        return
    broker.counters.enhanced_auth_started += 1
    channel.auth_method = packet.auth_method
    channel.auth_step = 0
    channel.auth_state = None
    _step(broker, channel, info, packet.auth_data, reauthenticating=False)


def handle_auth(broker: "Broker", channel: Channel, packet: Auth) -> None:
    """AUTH from the client: the next step, or the beginning of a re-authentication."""
    broker.counters.packets_auth_received += 1
    info = channel.info
    if info is None or channel.auth_method is None:
        # [MQTT-4.12.0-6]: no AUTH without an Authentication Method in CONNECT
        disconnect.close(broker, channel, codes.PROTOCOL_ERROR, "AUTH without an authentication method")
        return
    if packet.auth_method != channel.auth_method:
        disconnect.close(broker, channel, codes.PROTOCOL_ERROR, "authentication method changed")  # [MQTT-4.12.0-5]
        return
    if channel.state == CONNECTED and packet.reason_code == codes.REAUTHENTICATE:
        channel.auth_step = 0
        channel.auth_state = None
        _step(broker, channel, info, packet.auth_data, reauthenticating=True)
    elif packet.reason_code == codes.CONTINUE_AUTHENTICATION and channel.auth_step > 0:
        _step(broker, channel, info, packet.auth_data, reauthenticating=channel.state == CONNECTED)
    else:
        disconnect.close(broker, channel, codes.PROTOCOL_ERROR, "AUTH reason code not expected here")


def _step(broker: "Broker", channel: Channel, info: ClientInfo, data: bytes | None, *, reauthenticating: bool) -> None:
    method = channel.auth_method or ""
    request = EnhancedAuthRequest(info, method, data, channel.auth_step, reauthenticating, channel.auth_state)
    channel.auth_step += 1
    if broker.chains.client_enhanced_auth.waits:

        async def work() -> Callable[[], None]:
            late = await broker.runner.run_decide("client_enhanced_auth", request)
            return lambda: _act(broker, channel, info, late)

        broker.wait(channel, work)
        return
    _act(broker, channel, info, chains.client_enhanced_auth(broker.chains, request))


def _act(broker: "Broker", channel: Channel, info: ClientInfo, result: AuthResult | None) -> None:
    if result is None:
        broker.counters.enhanced_auth_failed += 1
        disconnect.close(broker, channel, codes.BAD_AUTHENTICATION_METHOD, "authentication method not supported")
    elif result.verdict == LATER:
        channel.auth_state = result.state
        _send(broker, channel, codes.CONTINUE_AUTHENTICATION, result.auth_data)
    elif result.verdict != ALLOW:
        broker.counters.enhanced_auth_failed += 1
        disconnect.close(broker, channel, result.reason_code, result.reason_string or "not authorized")
    else:
        channel.auth_step = 0
        channel.auth_state = None
        if channel.state == CONNECTED:
            _authenticated_again(broker, channel, info, result)
        elif channel.state == CONNECTING and channel.pending_connect is not None:
            broker.counters.enhanced_auth_completed += 1
            packet = channel.pending_connect
            if result.username is not None:
                info.username = result.username
            packet.auth_data = result.auth_data
            connect.authenticated(broker, channel, packet, info, result)


def _authenticated_again(broker: "Broker", channel: Channel, info: ClientInfo, result: AuthResult) -> None:
    """The session, its subscriptions and its will belong to who connected: nobody else may go on with them."""
    if result.username is not None and result.username != info.username:
        broker.counters.enhanced_auth_failed += 1
        disconnect.close(broker, channel, codes.NOT_AUTHORIZED, "authenticated again as another user")
        return
    broker.counters.enhanced_auth_completed += 1
    info.superuser = result.superuser
    note_login_end(broker, channel, result.expires_at)
    channel.acl = None
    connect_access.check(broker, channel, info, lambda: _send(broker, channel, codes.SUCCESS, result.auth_data))


def _send(broker: "Broker", channel: Channel, reason_code: int, data: bytes | None) -> None:
    auth = Auth(reason_code)
    auth.auth_method = channel.auth_method
    auth.auth_data = data
    broker.counters.packets_auth_sent += 1
    broker.ctx.send(channel, encode_auth(auth, channel.max_packet_size))
