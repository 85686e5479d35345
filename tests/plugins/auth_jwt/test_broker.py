"""rmq-auth-jwt in a running node, seen by clients: real keys, a real issuer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import wire
from tests.support.client import Client
from tests.support.issuer import Issuer
from tests.support.packet_notation import V311
from tests.support.signed_tokens import EC, OTHER_RSA, RSA, SECRET, public_pem, signed
from tests.support.wire import Will
from tests.support.wire_parser import Connack, Disconnect, Puback

pytestmark = pytest.mark.realtime

NOT_AUTHORIZED = 0x87
BAD_LOGIN = 0x86
UNAVAILABLE = 0x88
PLUGIN = "plugins.rmq-auth-jwt"
NewClient = Callable[..., Client]
StartBroker = Callable[..., Broker]


def options(*more: str) -> tuple[str, ...]:
    return (
        'plugins.default_startups=["rmq-auth-jwt", "rmq-acl"]',
        f"{PLUGIN}.disconnect_if_pub_rejected=false",
        "plugins.rmq-acl.disconnect_if_pub_rejected=false",
        "listener.tcp.external.allow_anonymous=false",
        *more,
    )


def with_secret(*more: str) -> tuple[str, ...]:
    return options(f"{PLUGIN}.hmac_secret={SECRET}", *more)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


def answer(client: Client, token: bytes) -> int:
    client.send(wire.connect(client.client_id, username="u", password=token))
    return client.expect(Connack).code


def publish(client: Client, topic: str) -> int:
    client.send_publish(topic, b"x", 1)
    code = client.expect(Puback).code
    return 0 if code == 0x10 else code  # no subscribers is as good


def test_who_has_a_good_token_is_let_in(start_broker: StartBroker, new_client: NewClient) -> None:
    broker = start_broker(*with_secret(f"{PLUGIN}.validate_claims.sub=%c"))
    new_client(broker.address, "me").connect(username="u", password=signed(sub="me").encode())
    refused = {
        "of another": signed(sub="you"),
        "over": signed(sub="me", exp=time.time() - 1),
        "without exp": signed(sub="me", exp=None),
        "to come": signed(sub="me", nbf=time.time() + 60),
        "of another secret": signed("x" * 40, sub="me"),
    }
    for name, token in refused.items():
        new_client(broker.address, "me").connect(username=name, password=token.encode(), code=BAD_LOGIN)
    new_client(broker.address, "me", V311).connect(username="u", password=refused["over"].encode(), code=4)
    assert broker.process is not None and signed(sub="me").split(".")[0] not in broker.process.log


def test_what_is_no_token_is_left_to_others(start_broker: StartBroker, new_client: NewClient) -> None:
    new_client(start_broker(*with_secret()).address, "a").connect(username="u", password=b"word", code=NOT_AUTHORIZED)
    new_client(start_broker(*with_secret()).address, "b").connect(code=NOT_AUTHORIZED)
    anyone = start_broker(*with_secret("listener.tcp.external.allow_anonymous=true"))
    new_client(anyone.address, "c").connect(username="u", password=b"word")


def test_the_user_name_may_be_the_token(start_broker: StartBroker, new_client: NewClient) -> None:
    broker = start_broker(*with_secret(f"{PLUGIN}.from=username"))
    new_client(broker.address, "me").connect(username=signed())
    new_client(broker.address, "me").connect(username="u", password=signed().encode(), code=NOT_AUTHORIZED)


def test_the_rules_of_a_token_come_before_those_of_others(start_broker: StartBroker, new_client: NewClient) -> None:
    broker = start_broker(*with_secret('plugins.rmq-acl.rules=[["allow", "all", "pubsub", ["open/#"]]]'))
    rules = [
        {"permission": "allow", "action": "publish", "topic": "own/${clientid}/#"},
        {"permission": "deny", "action": "all", "topic": "open/shut"},
    ]
    client = new_client(broker.address, "me")
    client.connect(username="u", password=signed(acl=rules).encode(), will=Will("own/me/will", b""))
    assert [publish(client, topic) for topic in ("own/me/x", "own/you/x", "open/x", "open/shut")] == [
        0,
        NOT_AUTHORIZED,
        0,
        NOT_AUTHORIZED,
    ]
    assert client.subscribe("own/me/#", "open/#", "open/a").codes == [NOT_AUTHORIZED, NOT_AUTHORIZED, 0]
    object_of_lists = new_client(broker.address, "emqx")
    object_of_lists.connect(username="u", password=signed(acl={"sub": ["own/%c/#"]}).encode())
    assert object_of_lists.subscribe("own/emqx/#", "open/a").codes == [0, NOT_AUTHORIZED]
    assert publish(object_of_lists, "open/x") == NOT_AUTHORIZED
    plain = new_client(broker.address, "plain")
    plain.connect(username="u", password=signed().encode())
    assert publish(plain, "own/plain/x") == NOT_AUTHORIZED, "another client's rules are its own"
    wrong = signed(acl="everything").encode()
    new_client(broker.address, "wrong").connect(username="u", password=wrong, code=BAD_LOGIN)


def test_a_superuser_is_asked_about_nothing(start_broker: StartBroker, new_client: NewClient) -> None:
    broker = start_broker(*with_secret('plugins.rmq-acl.rules=[["deny", "all", "pubsub"]]'))
    client = new_client(broker.address, "root")
    client.connect(username="u", password=signed(superuser=True).encode())
    assert client.subscribe("#").codes == [0]


def test_the_connection_ends_with_the_token(start_broker: StartBroker, new_client: NewClient) -> None:
    broker = start_broker(*with_secret())
    began = time.monotonic()
    client = new_client(broker.address, "me")
    client.connect(username="u", password=signed(exp=time.time() + 1.5).encode())
    assert client.expect(Disconnect).code == 0xA0
    assert 1.0 < time.monotonic() - began < 20.0
    client.expect_closed()


def test_a_public_key_from_a_file(start_broker: StartBroker, new_client: NewClient, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(public_pem(EC))
    broker = start_broker(*options(f"{PLUGIN}.encrypt=public-key", f"{PLUGIN}.public_key={file}"))
    new_client(broker.address, "me").connect(username="u", password=signed(EC, "ES256").encode())
    new_client(broker.address, "me").connect(username="u", password=signed(RSA, "RS256").encode(), code=BAD_LOGIN)


def with_issuer(issuer: Issuer) -> tuple[str, ...]:
    return options(f"{PLUGIN}.encrypt=public-key", f"{PLUGIN}.jwks_url={issuer.url}", f"{PLUGIN}.jwks_refresh=200ms")


def test_published_keys_are_rotated(start_broker: StartBroker, new_client: NewClient, issuer: Issuer) -> None:
    issuer.publish(old=RSA)
    broker = start_broker(*with_issuer(issuer))
    old = signed(RSA, "RS256", {"kid": "old"}).encode()
    new = signed(OTHER_RSA, "RS256", {"kid": "new"}).encode()
    new_client(broker.address, "me").connect(username="u", password=old)
    new_client(broker.address, "me").connect(username="u", password=new, code=BAD_LOGIN)
    asked = issuer.asked
    issuer.publish(new=OTHER_RSA)
    deadline = time.monotonic() + 20
    while issuer.asked < asked + 2:  # each CONNECT is answered by the node: a clock that needs no sleeping
        assert time.monotonic() < deadline, "the new key is never fetched"
        answer(new_client(broker.address, "me"), new)
    new_client(broker.address, "me").connect(username="u", password=new)
    new_client(broker.address, "me").connect(username="u", password=old, code=BAD_LOGIN)


def test_without_keys_nobody_can_say(start_broker: StartBroker, new_client: NewClient, issuer: Issuer) -> None:
    broker = start_broker(*with_issuer(issuer))
    token = signed(RSA, "RS256", {"kid": "old"}).encode()
    new_client(broker.address, "me").connect(username="u", password=token, code=UNAVAILABLE)


@pytest.mark.parametrize(
    ("sets", "problem"),
    [
        ((), "hmac_secret: must be given"),
        ((f"{PLUGIN}.hmac_secret=short",), "hmac_secret: a secret has at least 32 bytes"),
        ((f"{PLUGIN}.encrypt=public-key",), "public_key or jwks_url: must be given"),
        (
            (f"{PLUGIN}.encrypt=public-key", f"{PLUGIN}.public_key=/no/such.pem"),
            "public_key: /no/such.pem: No such file",
        ),
    ],
)
def test_a_key_that_cannot_be_had_is_no_node(start_broker: StartBroker, sets: tuple[str, ...], problem: str) -> None:
    with pytest.raises(RuntimeError, match=f"the node ended with 2:\n.*{problem}"):
        start_broker(*options(*sets))
