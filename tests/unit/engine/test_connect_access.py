"""Whether a client may connect is asked after every way of authentication, of who it turned out to be."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.hooks.verdicts import ALLOW, DENY, DENY_AND_DISCONNECT, UNDECIDED, AuthRequest, AuthResult
from rmq.net.connection import Connection
from rmq.session.client_info import ClientInfo
from tests.support import wire
from tests.support.engine import Engine
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Auth, Connack, Disconnect

METHOD = (wire.AUTH_METHOD, "m")


@pytest.fixture
def asked(engine: Engine) -> list[str | None]:
    """Keeps mallory out; the user names it was asked about."""
    names: list[str | None] = []

    def check(client: ClientInfo) -> int:
        names.append(client.username)
        return DENY if client.username == "mallory" else UNDECIDED

    engine.hooks.register("client_connect_check_acl", check, "test")
    return names


def test_anonymous_clients_and_those_with_a_password_are_asked_about(engine: Engine, asked: list[str | None]) -> None:
    engine.connect("a")
    engine.connect("b", username="alice", password=b"x")
    engine.connect("c", username="mallory", password=b"x", code=0x87)
    engine.connect("d", V311, username="mallory", password=b"x", code=5)
    assert asked == [None, "alice", "mallory", "mallory"]
    assert not engine.has_session("c")


def test_who_is_let_in_by_a_plugin_does_not_go_past_it(engine: Engine, asked: list[str | None]) -> None:
    engine.hooks.register("client_authenticate", lambda request: AuthResult(ALLOW, superuser=True), "test", 1000)
    engine.connect("c", username="mallory", password=b"x", code=0x87)


def test_who_is_refused_before_is_not_asked_about(engine: Engine, asked: list[str | None]) -> None:
    engine.hooks.register("client_authenticate", lambda request: AuthResult(DENY, reason_code=0x86), "test")
    engine.connect("c", username="mallory", password=b"x", code=0x86)
    assert asked == []


def test_an_auth_exchange_does_not_go_past_it(engine: Engine, asked: list[str | None]) -> None:
    engine.hooks.register("client_enhanced_auth", lambda request: AuthResult(ALLOW, username="mallory"), "test")
    client = engine.open()
    client.send(wire.connect("c", username="alice", properties=[METHOD], will=Will("t")))
    assert client.take(Connack).code == 0x87
    assert client.closed and asked == ["mallory"]


def test_authenticating_again_asks_again(engine: Engine) -> None:
    verdicts = [ALLOW, ALLOW, DENY]
    engine.hooks.register("client_enhanced_auth", lambda request: AuthResult(ALLOW), "test")
    engine.hooks.register("client_connect_check_acl", lambda client: verdicts.pop(0), "test")
    client = engine.open()
    client.send(wire.connect("c", properties=[METHOD]))
    client.take(Connack)
    client.send(wire.auth(0x19, [METHOD]))
    assert client.take(Auth).code == 0
    client.send(wire.auth(0x19, [METHOD]))
    assert client.take(Disconnect).code == 0x87
    assert client.closed and verdicts == []


@pytest.mark.parametrize(
    ("verdict", "code"), [(UNDECIDED, 0), (ALLOW, 0), (DENY, 0x87), (DENY_AND_DISCONNECT, 0x87), ("nonsense", 0x87)]
)
def test_verdicts(engine: Engine, verdict: object, code: int) -> None:
    engine.hooks.register("client_connect_check_acl", lambda client: verdict, "test")
    engine.connect("c", code=code)
    assert engine.counters.hook_errors == (verdict == "nonsense")


@pytest.mark.parametrize(("verdict", "code"), [(ALLOW, 0), (DENY, 0x87)])
async def test_a_handler_may_wait(engine: Engine, nursery: trio.Nursery, verdict: int, code: int) -> None:
    let_go = trio.Event()

    async def check(client: ClientInfo) -> int:
        await let_go.wait()
        return verdict

    engine.start(nursery.start_soon)
    engine.hooks.register("client_connect_check_acl", check, "test")
    client = engine.open()
    client.send(wire.connect("c"))
    await wait_all_tasks_blocked()
    assert client.read() == []
    let_go.set()
    await wait_all_tasks_blocked()
    assert client.take(Connack).code == code


class CertifiedEngine(Engine):
    """Its clients have shown a certificate that names alice."""

    def certificate_name(self, connection: Connection) -> str | None:
        return "alice"


@pytest.mark.parametrize(("result", "code"), [(None, 0), (AuthResult(ALLOW), 0), (AuthResult(DENY), 0x87)])
def test_who_has_its_name_from_a_certificate_is_not_anonymous(result: AuthResult | None, code: int) -> None:
    engine = CertifiedEngine()
    names: list[tuple[str | None, str | None]] = []

    def authenticate(request: AuthRequest) -> AuthResult | None:
        names.append((request.client.username, request.certificate_name))
        return result

    engine.limits.allow_anonymous = False
    engine.hooks.register("client_authenticate", authenticate, "test")
    engine.connect("a", username="mallory", code=code)
    assert names == [("alice", "alice")]
