"""rmq-auth-http in a running node, beside a real HTTP server, seen by clients."""

import threading
import time
from collections.abc import Callable

import orjson
import pytest

from tests.conftest import Broker
from tests.support import wire
from tests.support.client import Client
from tests.support.http_server import Asked, HttpServer, Reply
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Connack, Disconnect, Puback

pytestmark = pytest.mark.realtime

NOT_AUTHORIZED = 0x87
BAD_LOGIN = 0x86
UNAVAILABLE = 0x88
PLUGIN = "plugins.rmq-auth-http"
NewClient = Callable[..., Client]
StartBroker = Callable[..., Broker]


def options(server: HttpServer, *more: str) -> tuple[str, ...]:
    return (
        'plugins.default_startups=["rmq-auth-http"]',
        f"{PLUGIN}.http_auth_req.url={server.url}/auth",
        f"{PLUGIN}.http_acl_req.url={server.url}/acl",
        f"{PLUGIN}.http_timeout=300ms",
        f"{PLUGIN}.http_retry.times=1",
        f"{PLUGIN}.http_retry.interval=50ms",
        f"{PLUGIN}.http_breaker.failures=0",
        f"{PLUGIN}.http_max_answer=4KB",
        f"{PLUGIN}.disconnect_if_pub_rejected=false",
        *more,
    )


@pytest.fixture
def broker(start_broker: StartBroker, server: HttpServer) -> Broker:
    server.asked.clear()
    return start_broker(*options(server))


def saying(auth: Reply | bytes = b"allow", acl: Reply | bytes = b"allow") -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        said = auth if asked.path == "/auth" else acl
        return said if isinstance(said, Reply) else Reply(body=said)

    return answer


def acl_questions(server: HttpServer) -> list[tuple[str, str]]:
    return [(asked.params["access"], asked.params["topic"]) for asked in server.asked if asked.path == "/acl"]


def publish(client: Client, topic: str) -> int:
    client.send_publish(topic, b"x", 1)
    while not isinstance(answer := client.receive(), Puback):
        pass  # what it has subscribed to itself
    code = answer.code
    return 0 if code == 0x10 else code  # no subscribers is as good


def test_who_may_connect_and_with_what_it_is_asked(broker: Broker, server: HttpServer, new_client: NewClient) -> None:
    server.answer = lambda asked: Reply(body=b"allow" if asked.params["password"] == "p&ss %c" else b"deny")
    new_client(broker.address, "auth-1").connect(username="u=1", password=b"p&ss %c")
    (asked,) = server.asked
    assert asked.method == "POST" and asked.headers["user-agent"] == "rmq"
    assert asked.params == {"clientid": "auth-1", "username": "u=1", "password": "p&ss %c"}
    new_client(broker.address, "auth-2").connect(username="u", password=b"wrong", code=BAD_LOGIN)
    new_client(broker.address, "auth-3", V311).connect(username="u", password=b"wrong", code=4)


@pytest.mark.parametrize("said", [b"ignore", Reply(404, b"no such route")])
def test_who_is_ignored_is_left_to_the_listener(
    start_broker: StartBroker, server: HttpServer, new_client: NewClient, said: Reply | bytes
) -> None:
    server.answer = saying(said)
    new_client(start_broker(*options(server)).address, "ign-1").connect()
    closed = start_broker(*options(server, "listener.tcp.external.allow_anonymous=false"))
    new_client(closed.address, "ign-2").connect(code=NOT_AUTHORIZED)


@pytest.mark.parametrize(
    "said", [Reply(body=b"allow", headers={"X-Superuser": "true"}), b'{"result":"allow","superuser":true}']
)
def test_superusers_are_not_asked_about(
    broker: Broker, server: HttpServer, new_client: NewClient, said: Reply | bytes
) -> None:
    server.answer = saying(said, b"deny")
    client = new_client(broker.address, "super")
    client.connect()
    assert client.subscribe("#").codes == [0]
    assert publish(client, "anything") == 0
    assert acl_questions(server) == []


def test_topics_are_asked_about_once(broker: Broker, server: HttpServer, new_client: NewClient) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(body=b"deny" if asked.params.get("topic", "").startswith("no") else b"allow")

    server.answer = answer
    client = new_client(broker.address, "acl-1")
    client.connect()
    assert client.subscribe("yes/#", "no/#").codes == [0, NOT_AUTHORIZED]
    for _ in range(3):
        assert publish(client, "yes/1") == 0
        assert publish(client, "no/1") == NOT_AUTHORIZED
    client.subscribe("yes/#", "no/#")
    assert acl_questions(server) == [("1", "yes/#"), ("1", "no/#"), ("2", "yes/1"), ("2", "no/1")]
    assert [asked.params["ipaddr"] for asked in server.asked if asked.path == "/acl"] == ["127.0.0.1"] * 4


def test_an_answer_counts_as_long_as_its_cache_header_says(
    broker: Broker, server: HttpServer, new_client: NewClient
) -> None:
    server.answer = saying(acl=Reply(body=b"allow", headers={"X-Cache": "100"}))
    client = new_client(broker.address, "cache-1")
    client.connect()
    assert publish(client, "short") == 0
    server.answer = saying(acl=Reply(body=b"deny", headers={"X-Cache": "-1"}))
    # The client publishes on, as one that waits for a right to be taken away would: each answer comes from the node.
    deadline = time.monotonic() + 10
    while publish(client, "short") == 0:
        assert time.monotonic() < deadline, "the answer of before counts for ever"
    assert acl_questions(server) == [("2", "short")] * 2
    assert publish(client, "short") == NOT_AUTHORIZED


def test_rules_of_the_login_decide_first(broker: Broker, server: HttpServer, new_client: NewClient) -> None:
    rules = [
        {"permission": "allow", "action": "publish", "topic": "own/${clientid}/#"},
        {"permission": "deny", "action": "all", "topic": "own/#"},
    ]
    server.answer = saying(orjson.dumps({"result": "allow", "acl": rules}), b"allow")
    client = new_client(broker.address, "rules-1")
    client.connect(will=Will("own/rules-1/will", b""))
    assert publish(client, "own/rules-1/a") == 0
    assert publish(client, "own/other/a") == NOT_AUTHORIZED
    assert client.subscribe("own/rules-1/#", "else/#").codes == [NOT_AUTHORIZED, 0]
    assert acl_questions(server) == [("1", "else/#")]
    new_client(broker.address, "rules-2").connect(will=Will("own/other/will", b""), code=NOT_AUTHORIZED)


def test_the_connection_ends_with_the_login(broker: Broker, server: HttpServer, new_client: NewClient) -> None:
    server.answer = saying(orjson.dumps({"result": "allow", "expire_at": int(time.time() * 1000) + 1500}))
    began = time.monotonic()
    client = new_client(broker.address, "exp-1")
    client.connect()
    assert client.expect(Disconnect).code == 0xA0
    assert 1.0 < time.monotonic() - began < 20.0
    client.expect_closed()
    server.answer = saying(orjson.dumps({"result": "allow", "expire_at": int(time.time()) - 5}))
    new_client(broker.address, "exp-2").connect(code=BAD_LOGIN)


@pytest.mark.parametrize(
    ("said", "attempts"),
    [
        (Reply(500, b"allow"), 2),
        (Reply(302, b"allow", {"location": "/elsewhere"}), 2),
        (Reply(body=b"<html>allow</html>"), 1),
        (Reply(body=b'{"result":"allow","acl":[{}]}'), 1),
        (Reply(body=b" " * 5000 + b"allow"), 1),
        (Reply(body=b"allow", headers={"Content-Encoding": "gzip"}), 1),
    ],
)
def test_what_is_no_answer_lets_nobody_in(
    broker: Broker, server: HttpServer, new_client: NewClient, said: Reply, attempts: int
) -> None:
    server.answer = saying(said)
    new_client(broker.address, "bad-1").connect(code=UNAVAILABLE)
    assert len(server.asked) == attempts


def test_a_failure_is_no_denial_that_lasts(broker: Broker, server: HttpServer, new_client: NewClient) -> None:
    server.answer = saying(b"allow", Reply(503))
    client = new_client(broker.address, "fail-1")
    client.connect()
    assert publish(client, "t") == NOT_AUTHORIZED
    assert client.subscribe("t").codes == [NOT_AUTHORIZED]
    server.answer = saying()
    assert publish(client, "t") == 0
    assert client.subscribe("t").codes == [0]


def test_a_slow_server_is_given_up_and_holds_up_nobody_else(
    broker: Broker, server: HttpServer, new_client: NewClient
) -> None:
    never = threading.Event()
    server.answer = saying()
    other = new_client(broker.address, "slow-other")
    other.connect()
    assert publish(other, "t") == 0
    server.answer = saying(Reply(body=b"allow", wait=never))
    slow = new_client(broker.address, "slow-1")
    try:
        slow.send(wire.connect("slow-1"))
        server.wait_for(lambda asked: any(one.params.get("clientid") == "slow-1" for one in asked))
        assert publish(other, "t") == 0  # while the server is still being waited for
        assert slow.expect(Connack).code == UNAVAILABLE
    finally:
        never.set()


def test_a_server_that_is_gone_lets_nobody_in_until_it_is_back(
    broker: Broker, server: HttpServer, new_client: NewClient
) -> None:
    server.answer = saying()
    server.stop()
    try:
        new_client(broker.address, "gone-1").connect(username="u", password=b"tell-nobody", code=UNAVAILABLE)
    finally:
        server.start()
    new_client(broker.address, "gone-2").connect(username="u", password=b"tell-nobody")
    assert broker.process is not None and "tell-nobody" not in broker.process.log


def test_by_configuration_a_failure_is_no_opinion(
    start_broker: StartBroker, server: HttpServer, new_client: NewClient
) -> None:
    lenient = start_broker(*options(server, f"{PLUGIN}.deny_if_error=false"))
    server.answer = saying(Reply(500), Reply(500))
    client = new_client(lenient.address, "len-1")
    client.connect()
    assert publish(client, "t") == 0


def test_after_some_failures_nobody_is_asked_for_a_while(
    start_broker: StartBroker, server: HttpServer, new_client: NewClient
) -> None:
    server.asked.clear()
    broken = start_broker(*options(server, f"{PLUGIN}.http_breaker.failures=3", f"{PLUGIN}.http_breaker.pause=1s"))
    server.answer = saying(b"allow", Reply(500))
    client = new_client(broken.address, "brk-1")
    client.connect()
    for _ in range(5):
        assert publish(client, "t") == NOT_AUTHORIZED
    assert len(acl_questions(server)) == 3
    new_client(broken.address, "brk-2").connect(code=UNAVAILABLE)
    server.answer = saying()
    # Each PUBLISH is answered by the node: it is a clock that needs no sleeping.
    deadline = time.monotonic() + 10
    while publish(client, "t"):
        assert time.monotonic() < deadline, "it is never asked again"
    new_client(broken.address, "brk-3").connect()


def test_a_query_and_json(start_broker: StartBroker, server: HttpServer, new_client: NewClient) -> None:
    other = start_broker(
        *options(
            server,
            f"{PLUGIN}.http_auth_req.url={server.url}/auth?key=1",
            f"{PLUGIN}.http_auth_req.method=GET",
            f'{PLUGIN}.http_acl_req.headers={{content-type="application/json"}}',
            f"{PLUGIN}.http_acl_req.method=put",
            f'{PLUGIN}.http_acl_req.params={{what="%A %t",who="%c"}}',
            "log.level=debug",
        )
    )
    server.asked.clear()
    server.answer = saying()
    client = new_client(other.address, "c+1&x")
    client.connect(username="u", password=b"tell-nobody")
    assert client.subscribe('a"b').codes == [0]
    first, second = server.asked
    assert first.method == "GET"
    assert first.params == {"key": "1", "clientid": "c+1&x", "username": "u", "password": "tell-nobody"}
    assert second.method == "PUT" and second.json == {"what": '1 a"b', "who": "c+1&x"}
    assert other.process is not None and "tell-nobody" not in other.process.log
