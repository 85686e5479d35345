"""Enhanced authentication with SCRAM-SHA-256 over real sockets (4.12): the exchange, again, and all that ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from tests.conformance.conftest import Clients
from tests.conftest import Broker
from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V311
from tests.support.scram_client import METHOD, ScramClient
from tests.support.users import user, write
from tests.support.wire_parser import Auth, Connack, Disconnect

CONTINUE: Final = 0x18
AGAIN: Final = 0x19
BAD_LOGIN: Final = 0x86
NOT_AUTHORIZED: Final = 0x87
PROTOCOL_ERROR: Final = 0x82

RULES: Final = """plugins.rmq-acl.rules=[
    ["deny", {user = "mallory"}, "connect"], ["allow", "all", "pubsub", ["home/%u/#"]]]""".replace("\n", " ")


@pytest.fixture(scope="module")
def guarded(start_broker: Callable[..., Broker], tmp_path_factory: pytest.TempPathFactory) -> Broker:
    """A node with users; alice and bob may use home/<their name>/#, root anything, mallory may not connect."""
    path = tmp_path_factory.mktemp("users") / "users"
    superuser = user("root", "toor", superuser=True)
    write(path, user("alice", "secret"), user("bob", "secret"), user("mallory", "secret"), superuser)
    return start_broker(f"auth.users_file={path}", RULES)


def auth(data: bytes | None, code: int = CONTINUE, method: str = METHOD) -> bytes:
    properties: list[wire.Property] = [(wire.AUTH_METHOD, method)]
    if data is not None:
        properties.append((wire.AUTH_DATA, data))
    return wire.auth(code, properties)


def begin(client: Client, data: bytes | None, username: str | None = None, password: bytes | None = None) -> None:
    properties: list[wire.Property] = [(wire.AUTH_METHOD, METHOD)]
    if data is not None:
        properties.append((wire.AUTH_DATA, data))
    client.send(wire.connect(client.client_id, properties=properties, username=username, password=password))


def challenged(client: Client) -> bytes:
    """The data of the server's AUTH."""
    packet = client.expect(Auth)
    assert (packet.code, packet.get(wire.AUTH_METHOD)) == (CONTINUE, METHOD)
    data = packet.get(wire.AUTH_DATA)
    assert isinstance(data, bytes)
    return data


def log_in(client: Client, mine: ScramClient) -> Connack:
    """The whole exchange; whatever the CONNACK says."""
    begin(client, mine.first)
    client.send(auth(mine.final(challenged(client))))
    return client.expect(Connack)


def connected(clients: Clients, at: Broker, name: str = "alice", password: str = "secret") -> Client:
    client = clients(at=at)
    mine = ScramClient(name, password)
    connack = log_in(client, mine)
    assert (connack.code, connack.get(wire.AUTH_METHOD)) == (0, METHOD)
    assert connack.get(wire.AUTH_DATA) == mine.signature, "the server proves that it knows the password too"
    return client


def test_the_exchange_and_whom_it_makes_of_the_client(guarded: Broker, clients: Clients) -> None:
    client = connected(clients, guarded)
    assert client.subscribe("home/alice/#", "home/bob/#").codes == [0, NOT_AUTHORIZED]
    assert connected(clients, guarded, "root", "toor").subscribe("home/bob/#").codes == [0]


def test_the_user_of_the_exchange_counts_not_the_one_of_connect(guarded: Broker, clients: Clients) -> None:
    client = clients(at=guarded)
    mine = ScramClient("alice", "secret")
    begin(client, mine.first, username="bob", password=b"not looked at")
    client.send(auth(mine.final(challenged(client))))
    assert client.expect(Connack).code == 0
    assert client.subscribe("home/alice/#", "home/bob/#").codes == [0, NOT_AUTHORIZED]


def test_the_client_may_let_the_server_begin(guarded: Broker, clients: Clients) -> None:
    client = clients(at=guarded)
    begin(client, None)
    packet = client.expect(Auth)
    assert (packet.code, packet.get(wire.AUTH_DATA)) == (CONTINUE, None)
    mine = ScramClient("alice", "secret")
    client.send(auth(mine.first))
    client.send(auth(mine.final(challenged(client))))
    assert client.expect(Connack).get(wire.AUTH_DATA) == mine.signature


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", "secret")])
def test_wrong_passwords_and_unknown_users_look_alike(
    guarded: Broker, clients: Clients, name: str, password: str
) -> None:
    salts = set()
    for _ in range(2):
        client = clients(at=guarded)
        mine = ScramClient(name, password)
        connack = log_in(client, mine)
        assert (connack.code, connack.get(wire.REASON_STRING)) == (BAD_LOGIN, "bad user name or password")
        assert connack.get(wire.AUTH_DATA) is None
        client.expect_closed()
        salts.add((mine.salt, mine.iterations))
    assert len(salts) == 1 and {(len(salt), iterations) for salt, iterations in salts} == {(16, 4096)}


def test_rules_about_connecting_hold_for_the_user_of_the_exchange(guarded: Broker, clients: Clients) -> None:
    client = clients(at=guarded)
    assert log_in(client, ScramClient("mallory", "secret")).code == NOT_AUTHORIZED
    client.expect_closed()


@pytest.mark.parametrize("gs2", ["y,,", "n,a=alice,"])
def test_other_headers_that_are_right(guarded: Broker, clients: Clients, gs2: str) -> None:
    mine = ScramClient("alice", "secret", gs2=gs2)
    assert log_in(clients(at=guarded), mine).get(wire.AUTH_DATA) == mine.signature


@pytest.mark.parametrize("gs2", ["p=tls-unique,,", "n,a=root,", "", "x,,"])
def test_headers_that_are_not(guarded: Broker, clients: Clients, gs2: str) -> None:
    client = clients(at=guarded)
    begin(client, ScramClient("alice", "secret", gs2=gs2).first)
    connack = client.expect(Connack)
    assert connack.code == PROTOCOL_ERROR
    client.expect_closed()


def test_a_channel_binding_that_changed_on_the_way(guarded: Broker, clients: Clients) -> None:
    client = clients(at=guarded)
    assert log_in(client, ScramClient("alice", "secret", binding="y,,")).code == PROTOCOL_ERROR
    client.expect_closed()


def test_another_method_is_not_known(guarded: Broker, clients: Clients) -> None:
    client = clients(at=guarded)
    client.connect(properties=[(wire.AUTH_METHOD, "SCRAM-SHA-1"), (wire.AUTH_DATA, b"n,,n=alice,r=x")], code=0x8C)
    client.expect_closed()


def test_a_proof_is_good_for_one_exchange(guarded: Broker, clients: Clients) -> None:
    first = clients(at=guarded)
    mine = ScramClient("alice", "secret")
    begin(first, mine.first)
    final = mine.final(challenged(first))
    replayed = clients(at=guarded)
    begin(replayed, mine.first)
    challenged(replayed)
    replayed.send(auth(final))
    assert replayed.expect(Connack).code == PROTOCOL_ERROR  # the nonce is another one
    first.send(auth(final))
    assert first.expect(Connack).code == 0


def again(client: Client, mine: ScramClient) -> None:
    client.send(auth(mine.first, AGAIN))
    client.send(auth(mine.final(challenged(client))))


def test_authenticating_again(guarded: Broker, clients: Clients) -> None:
    client = connected(clients, guarded)
    for _ in range(2):
        mine = ScramClient("alice", "secret")
        again(client, mine)
        done = client.expect(Auth)
        assert (done.code, done.get(wire.AUTH_METHOD), done.get(wire.AUTH_DATA)) == (0, METHOD, mine.signature)
    assert client.subscribe("home/alice/#", "home/bob/#").codes == [0, NOT_AUTHORIZED]


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", "secret"), ("bob", "secret")])
def test_authenticating_again_wrongly_or_as_another_user_ends_the_connection(
    guarded: Broker, clients: Clients, name: str, password: str
) -> None:
    client = connected(clients, guarded)
    again(client, ScramClient(name, password))
    assert client.expect(Disconnect).code == NOT_AUTHORIZED
    client.expect_closed()


def test_the_messages_between_the_steps_of_authenticating_again_go_on(guarded: Broker, clients: Clients) -> None:
    client = connected(clients, guarded)
    client.subscribe("home/alice/#")
    mine = ScramClient("alice", "secret")
    client.send(auth(mine.first, AGAIN))
    final = mine.final(challenged(client))
    client.send_publish("home/alice/x", b"1")
    client.receive_publish(b"1")
    client.send(auth(final))
    assert client.expect(Auth).code == 0


# The same users with a password


@pytest.mark.parametrize(("name", "password"), [("alice", b"secret"), ("root", b"toor")])
def test_with_a_password(guarded: Broker, clients: Clients, any_level: int, name: str, password: bytes) -> None:
    for _ in range(2):
        client = clients(level=any_level, at=guarded)
        client.connect(username=name, password=password)
        assert client.subscribe(f"home/{name}/#").codes == [0]


@pytest.mark.parametrize(
    ("name", "password"), [("alice", b"wrong"), ("alice", b""), ("nobody", b"secret"), ("", b"secret"), ("#", b"")]
)
def test_with_a_wrong_password(guarded: Broker, clients: Clients, level: int, name: str, password: bytes) -> None:
    client = clients(level=level, at=guarded)
    client.connect(username=name, password=password, code=4 if level == V311 else BAD_LOGIN)
    client.expect_closed()


def test_without_a_user_name_nobody_is_let_in(guarded: Broker, clients: Clients, level: int) -> None:
    client = clients(level=level, at=guarded)
    client.connect(code=5 if level == V311 else NOT_AUTHORIZED)
    client.expect_closed()


def test_without_a_user_name_when_that_is_allowed(
    start_broker: Callable[..., Broker], tmp_path_factory: pytest.TempPathFactory, clients: Clients
) -> None:
    path = tmp_path_factory.mktemp("users") / "users"
    write(path, user("alice", "secret"))
    broker = start_broker(f"auth.users_file={path}", "listener.tcp.external.allow_anonymous=true")
    clients(at=broker).connect()
    clients(at=broker).connect(username="alice", password=b"secret")
    clients(at=broker).connect(username="alice", password=b"wrong", code=BAD_LOGIN)
    clients(at=broker).connect(username="nobody", password=b"x", code=BAD_LOGIN)
