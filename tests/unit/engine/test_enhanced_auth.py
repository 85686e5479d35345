"""The AUTH exchange of MQTT 5 (4.12): steps, re-authentication, and what isn't allowed in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.hooks.verdicts import ALLOW, DENY, LATER, AuthResult, EnhancedAuthRequest
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V311
from tests.support.wire_parser import Auth, Connack, Disconnect

METHOD = (wire.AUTH_METHOD, "riddle")
CONTINUE, AGAIN = 0x18, 0x19
Asked = list[tuple[int, bytes | None, bool]]


@pytest.fixture
def asked(engine: Engine) -> Asked:
    """A method of three steps, which asks "1?" and "2?"; the answer "wrong" fails. What it was asked is kept."""
    requests: Asked = []

    def handle(request: EnhancedAuthRequest) -> AuthResult | None:
        requests.append((request.step, request.data, request.reauthenticating))
        if request.method != "riddle":
            return None
        if request.data == b"wrong":
            return AuthResult(DENY, reason_code=0x87, reason_string="that was wrong")
        if request.step < 2:
            return AuthResult(LATER, auth_data=b"%d?" % (request.step + 1))
        return AuthResult(ALLOW, auth_data=b"welcome")

    engine.hooks.register("client_enhanced_auth", handle, "test")
    return requests


def begin(engine: Engine, data: bytes | None = b"hello", method: str = "riddle") -> Client:
    client = engine.open()
    properties: list[wire.Property] = [(wire.AUTH_METHOD, method)]
    if data is not None:
        properties.append((wire.AUTH_DATA, data))
    client.send(wire.connect("a", properties=properties))
    return client


def answer(client: Client, data: bytes, reason: int = CONTINUE, method: str = "riddle") -> None:
    client.send(wire.auth(reason, [(wire.AUTH_METHOD, method), (wire.AUTH_DATA, data)]))


def authenticated(engine: Engine) -> Client:
    client = begin(engine)
    answer(client, b"one")
    answer(client, b"two")
    client.read()
    assert engine.counters.client_connected == 1
    return client


def test_an_exchange_of_three_steps(engine: Engine, asked: Asked) -> None:
    client = begin(engine)
    challenge = client.take(Auth)
    assert challenge.code == CONTINUE
    assert challenge.properties == [METHOD, (wire.AUTH_DATA, b"1?")]
    assert not engine.has_session("a")
    answer(client, b"one")
    assert client.take(Auth).get(wire.AUTH_DATA) == b"2?"
    answer(client, b"two")
    connack = client.take(Connack)
    assert connack.code == 0
    assert connack.get(wire.AUTH_METHOD) == "riddle"  # [MQTT-4.12.0-5]
    assert connack.get(wire.AUTH_DATA) == b"welcome"
    assert asked == [(0, b"hello", False), (1, b"one", False), (2, b"two", False)]
    assert engine.counters.enhanced_auth_started == engine.counters.enhanced_auth_completed == 1
    assert engine.counters.packets_auth_received == engine.counters.packets_auth_sent == 2


def test_the_exchange_may_begin_without_data(engine: Engine, asked: Asked) -> None:
    begin(engine, None).take(Auth)
    assert asked == [(0, None, False)]


def test_a_wrong_answer_refuses_the_connection(engine: Engine, asked: Asked) -> None:
    client = begin(engine)
    client.take(Auth)
    answer(client, b"wrong")
    connack = client.take(Connack)
    assert (connack.code, connack.get(wire.REASON_STRING)) == (0x87, "that was wrong")
    assert client.closed
    assert engine.counters.enhanced_auth_failed == 1
    assert engine.counters.enhanced_auth_completed == 0


def test_an_unknown_method(engine: Engine, asked: Asked) -> None:
    client = begin(engine, method="other")
    assert client.take(Connack).code == 0x8C
    assert client.closed


def test_without_a_handler_no_method_is_known(engine: Engine) -> None:
    client = begin(engine)
    assert client.take(Connack).code == 0x8C
    assert engine.counters.enhanced_auth_started == 0


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (wire.auth(CONTINUE, [(wire.AUTH_METHOD, "other"), (wire.AUTH_DATA, b"x")]), 0x82),
        (wire.auth(CONTINUE, [(wire.AUTH_DATA, b"x")]), 0x82),
        (wire.auth(AGAIN, [METHOD]), 0x82),
        (wire.auth(0x00, [METHOD]), 0x82),
        (wire.pingreq(), 0x82),
        (wire.publish("t"), 0x82),
        (wire.puback(1), 0x82),
        (wire.subscribe(1, [("t", 0)]), 0x82),
        (wire.connect("b"), 0x82),
    ],
    ids=["other method", "no method", "re-auth", "success", "ping", "publish", "puback", "subscribe", "connect"],
)
def test_what_has_no_place_in_the_exchange_ends_it(engine: Engine, asked: Asked, packet: bytes, code: int) -> None:
    # [MQTT-3.1.2-30]: nothing but AUTH and DISCONNECT before the CONNACK.
    client = begin(engine)
    client.take(Auth)
    client.send(packet)
    assert client.take(Connack).code == code
    assert client.closed and not engine.has_session("a")


def test_a_client_may_give_up(engine: Engine, asked: Asked) -> None:
    client = begin(engine)
    client.take(Auth)
    client.disconnect()
    assert client.read() == [] and client.closed


def test_the_exchange_has_the_time_of_the_handshake(engine: Engine, asked: Asked) -> None:
    client = begin(engine)
    client.take(Auth)
    engine.advance(engine.limits.handshake_timeout_s + 0.3)
    assert client.take(Connack).code == 0x89
    assert engine.counters.client_handshaking_timeout == 1


def test_authenticating_again(engine: Engine, asked: Asked) -> None:
    client = authenticated(engine)
    asked.clear()
    answer(client, b"again", AGAIN)
    assert client.take(Auth).get(wire.AUTH_DATA) == b"1?"
    client.send(wire.publish("t", b"x", 1, 1))  # the connection goes on meanwhile (4.12.1)
    assert len(client.read()) == 1
    answer(client, b"one")
    client.take(Auth)
    answer(client, b"two")
    done = client.take(Auth)
    assert done.code == 0 and done.properties == [METHOD, (wire.AUTH_DATA, b"welcome")]
    assert asked == [(0, b"again", True), (1, b"one", True), (2, b"two", True)]
    assert not client.closed and engine.counters.enhanced_auth_completed == 2


def test_failing_to_authenticate_again_ends_the_connection(engine: Engine, asked: Asked) -> None:
    client = authenticated(engine)
    answer(client, b"wrong", AGAIN)
    assert client.take(Disconnect).code == 0x87  # [MQTT-4.12.1-2]
    assert client.closed


@pytest.mark.parametrize(
    "packet",
    [
        wire.auth(AGAIN, [(wire.AUTH_METHOD, "other")]),
        wire.auth(AGAIN),
        wire.auth(CONTINUE, [METHOD]),
        wire.auth(0x00, [METHOD]),
    ],
    ids=["other method", "no method", "nothing to continue", "success"],
)
def test_what_a_connected_client_may_not_send(engine: Engine, asked: Asked, packet: bytes) -> None:
    client = authenticated(engine)
    client.send(packet)
    assert client.take(Disconnect).code == 0x82
    assert client.closed


@pytest.mark.parametrize("reason", [CONTINUE, AGAIN])
def test_auth_is_not_for_clients_that_connected_without_a_method(engine: Engine, asked: Asked, reason: int) -> None:
    client = engine.connect("a")
    client.send(wire.auth(reason, [METHOD]))
    assert client.take(Disconnect).code == 0x82  # [MQTT-4.12.0-7]


def test_there_is_no_such_thing_before_version_5(engine: Engine, asked: Asked) -> None:
    client = engine.connect("a", V311)
    client.send(b"\xf0\x00")
    assert client.read() == [] and client.closed


def test_access_is_decided_anew_after_authenticating_again(engine: Engine, asked: Asked) -> None:
    questions: list[str] = []

    def check(client: object, topic: str, qos: int, retain: bool) -> int:
        questions.append(topic)
        return ALLOW

    engine.hooks.register("message_publish_check_acl", check, "test")
    client = authenticated(engine)
    client.publish("t")
    client.publish("t")
    assert questions == ["t"]
    answer(client, b"again", AGAIN)
    answer(client, b"one")
    answer(client, b"two")
    client.publish("t")
    assert questions == ["t", "t"]


def failing(request: EnhancedAuthRequest) -> AuthResult:
    raise ZeroDivisionError


def failing_later(request: EnhancedAuthRequest) -> AuthResult:
    if request.reauthenticating:
        raise ZeroDivisionError
    return AuthResult(ALLOW)


def test_a_handler_that_raises_refuses_the_connection(engine: Engine) -> None:
    engine.hooks.register("client_enhanced_auth", failing, "test")
    assert begin(engine).take(Connack).code >= 0x80
    assert engine.counters.hook_errors == 1


@pytest.mark.parametrize(
    "handler",
    [
        failing_later,
        lambda request: AuthResult(DENY if request.reauthenticating else ALLOW, reason_code=0x86),
        lambda request: None if request.reauthenticating else AuthResult(ALLOW),
    ],
    ids=["raises", "a CONNACK's reason", "no opinion"],
)
def test_the_end_of_a_connection_has_a_reason_that_disconnect_may_carry(
    engine: Engine, handler: Callable[[EnhancedAuthRequest], AuthResult | None]
) -> None:
    engine.hooks.register("client_enhanced_auth", handler, "test")
    client = begin(engine)
    client.take(Connack)
    client.send(wire.auth(AGAIN, [METHOD]))
    assert client.take(Disconnect).code >= 0x80
    assert client.closed


async def test_a_step_may_wait(engine: Engine, nursery: trio.Nursery) -> None:
    steps = 0
    let_go = trio.Event()

    async def handle(request: EnhancedAuthRequest) -> AuthResult:
        nonlocal steps
        steps += 1
        await let_go.wait()
        return AuthResult(LATER, auth_data=b"1?") if request.step == 0 else AuthResult(ALLOW)

    engine.start(nursery.start_soon)
    engine.hooks.register("client_enhanced_auth", handle, "test")
    client = begin(engine)
    answer(client, b"one")  # sent before the challenge came, as it is known
    await wait_all_tasks_blocked()
    assert steps == 1 and client.read() == []
    let_go.set()
    await wait_all_tasks_blocked()
    challenge, connack = client.read()
    assert isinstance(challenge, Auth) and isinstance(connack, Connack) and connack.code == 0
    answer(client, b"x", AGAIN)
    client.send(wire.pingreq())
    await wait_all_tasks_blocked()
    assert [type(packet).__name__ for packet in client.read()] == ["Auth", "Pingresp"]


# What a handler keeps, and who it proves the client to be.


def test_what_a_step_keeps_comes_back_with_the_next_and_goes_with_the_exchange(engine: Engine) -> None:
    kept: list[object] = []

    def handle(request: EnhancedAuthRequest) -> AuthResult:
        kept.append(request.state)
        if request.step < 2:
            return AuthResult(LATER, state=f"after {request.step}")
        return AuthResult(ALLOW)

    engine.hooks.register("client_enhanced_auth", handle, "test")
    client = authenticated(engine)
    assert kept == [None, "after 0", "after 1"]
    answer(client, b"again", AGAIN)
    answer(client, b"begun anew", AGAIN)
    assert kept[3:] == [None, None]
    assert client.channel.auth_state == "after 0"


def test_the_user_of_the_exchange_is_the_clients_user(engine: Engine) -> None:
    engine.hooks.register("client_enhanced_auth", lambda request: AuthResult(ALLOW, username="alice"), "test")
    users: list[str | None] = []
    engine.hooks.register("client_connected", lambda client: users.append(client.username), "test")
    client = engine.open()
    client.send(wire.connect("a", username="mallory", properties=[METHOD]))
    assert client.take(Connack).code == 0
    assert users == ["alice"] and engine.session("a").username == "alice"


def test_without_a_user_in_the_answer_the_one_of_connect_stays(engine: Engine) -> None:
    engine.hooks.register("client_enhanced_auth", lambda request: AuthResult(ALLOW), "test")
    client = engine.open()
    client.send(wire.connect("a", username="bob", properties=[METHOD]))
    client.take(Connack)
    assert engine.session("a").username == "bob"


def test_nobody_may_go_on_as_another_user(engine: Engine) -> None:
    names = iter(["alice", "alice", "bob"])
    engine.hooks.register("client_enhanced_auth", lambda request: AuthResult(ALLOW, username=next(names)), "test")
    client = begin(engine)
    client.take(Connack)
    answer(client, b"", AGAIN)
    assert client.take(Auth).code == 0
    answer(client, b"", AGAIN)
    assert client.take(Disconnect).code == 0x87
    assert client.closed
    assert (engine.counters.enhanced_auth_completed, engine.counters.enhanced_auth_failed) == (2, 1)


def test_authenticating_again_sets_the_end_of_the_login_anew(engine: Engine) -> None:
    ends = [10.0, 30.0, 0.0]

    def handle(request: EnhancedAuthRequest) -> AuthResult:
        seconds = ends.pop(0)
        return AuthResult(ALLOW, expires_at=engine.broker.ctx.now + seconds if seconds else 0.0)

    engine.hooks.register("client_enhanced_auth", handle, "test")
    client = begin(engine)
    engine.advance(9)
    answer(client, b"again", AGAIN)
    engine.advance(20)
    assert not client.closed
    answer(client, b"again", AGAIN)
    engine.advance(60)
    assert not engine.broker.login_timers
