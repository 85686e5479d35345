"""The ban list in the engine: who is refused at CONNECT, whose connection a new ban ends, and when it is over."""

from __future__ import annotations

import pytest

from rmq.engine.bans import AT_ONCE, KIND, Ban, BanKind, account_name, write_ban
from rmq.hooks.verdicts import ALLOW, AuthRequest, AuthResult
from rmq.storage.account_records import ANY_REVISION, NO_REVISION, DeleteAccount, PutAccount
from rmq.storage.accounts import Account, Accounts
from tests.support.engine import Engine
from tests.support.packet_notation import V5, V311
from tests.support.wire_parser import Disconnect

BANNED = 0x8A
NOT_AUTHORIZED = 0x87


def ban(engine: Engine, kind: BanKind, who: str, until: float | None = None) -> None:
    made = Ban(kind, who, "", "", engine.time, until)
    engine.broker.state.apply(PutAccount(KIND, account_name(kind, who), write_ban(made), NO_REVISION))


def lift(engine: Engine, kind: BanKind, who: str) -> None:
    engine.broker.state.apply(DeleteAccount(KIND, account_name(kind, who), ANY_REVISION))


@pytest.mark.parametrize(
    ("kind", "who"),
    [
        ("clientid", "bad"),
        ("username", "eve"),
        ("peerhost", "127.0.0.1"),
        ("peerhost_net", "127.0.0.0/8"),
        ("peerhost_net", "0.0.0.0/0"),
    ],
)
def test_who_is_banned_is_refused_before_anybody_is_asked(engine: Engine, kind: BanKind, who: str) -> None:
    asked: list[AuthRequest] = []

    def authenticate(request: AuthRequest) -> AuthResult:
        asked.append(request)
        return AuthResult(ALLOW)

    engine.hooks.register("client_authenticate", authenticate, "test")
    ban(engine, kind, who)
    engine.connect("bad", V5, username="eve", code=BANNED)
    engine.connect("bad", V311, username="eve", code=5)
    assert not asked and engine.counters.connections_refused_banned == 2
    lift(engine, kind, who)
    engine.connect("bad", username="eve")


@pytest.mark.parametrize(
    ("kind", "who"),
    [("clientid", "ba"), ("username", "bad"), ("peerhost", "127.0.0.2"), ("peerhost_net", "128.0.0.0/8")],
)
def test_others_come_in(engine: Engine, kind: BanKind, who: str) -> None:
    ban(engine, kind, who)
    engine.connect("bad")
    engine.connect("good", username="eve")
    engine.advance(0.2)
    assert engine.counters.connections_refused_banned == engine.counters.connections_closed_banned == 0


def test_a_name_of_any_length(engine: Engine) -> None:
    ban(engine, "clientid", "n" * 300)
    ban(engine, "clientid", "m" * 300)
    engine.limits.max_clientid_len = 1000
    engine.connect("n" * 300, code=BANNED)
    engine.connect("n" * 299)


@pytest.mark.parametrize(("kind", "who"), [("clientid", "bad"), ("username", "eve"), ("peerhost_net", "127.0.0.0/8")])
def test_a_new_ban_ends_connections(engine: Engine, kind: BanKind, who: str) -> None:
    client = engine.connect("bad", username="eve", expiry=60)
    old = engine.connect("bad3", V311, username="eve")
    ban(engine, kind, who)
    engine.advance(0.2)
    # A DISCONNECT has no 0x8A (MQTT 5.0, table 3-10).
    assert client.take(Disconnect).code == NOT_AUTHORIZED and client.closed
    assert old.closed is (kind != "clientid")
    assert engine.has_session("bad"), "a ban is about connections: what is kept is kept"


def test_a_crowd_is_looked_at_in_portions(engine: Engine) -> None:
    clients = [engine.connect(f"c{number}") for number in range(AT_ONCE + 1)]
    ban(engine, "peerhost", "127.0.0.1")
    engine.advance(0.1)
    assert len(engine.broker.registry) == 1
    engine.advance(0.2)
    assert len(engine.broker.registry) == 0 and all(client.closed for client in clients)
    assert engine.counters.connections_closed_banned == AT_ONCE + 1


def test_a_ban_that_is_over_holds_nobody_and_goes(engine: Engine) -> None:
    ban(engine, "clientid", "bad", until=engine.time + 10)
    ban(engine, "clientid", "worse", until=engine.time + 20)
    engine.connect("bad", code=BANNED)
    engine.time += 10
    engine.connect("bad")
    engine.broker.advance_timers()
    engine.advance(0.2)
    assert list(engine.broker.state.accounts.kinds[KIND]) == ["clientid:worse"]
    engine.advance(20)
    engine.advance(0.2)
    assert KIND not in engine.broker.state.accounts.kinds


def test_whoever_is_banned_while_it_connects_is_closed(engine: Engine) -> None:
    engine.connect("other")
    ban(engine, "clientid", "somebody")
    client = engine.connect("bad")
    engine.broker.state.accounts.enter(
        Account(KIND, "clientid:bad", write_ban(Ban("clientid", "bad", "", "", 0.0, None)), 7)
    )
    engine.broker.bans._changed(None)
    engine.advance(0.2)
    assert client.take(Disconnect).code == NOT_AUTHORIZED


def test_another_nodes_state_has_other_bans(engine: Engine) -> None:
    ban(engine, "clientid", "a")
    client = engine.connect("b")
    accounts = Accounts()
    accounts.enter(Account(KIND, "clientid:b", write_ban(Ban("clientid", "b", "", "", 0.0, None)), 1))
    engine.broker.state.accounts = accounts
    engine.connect("a")
    engine.connect("b", code=BANNED)
    engine.advance(0.2)
    engine.advance(0.2)
    assert client.take(Disconnect).code == NOT_AUTHORIZED
