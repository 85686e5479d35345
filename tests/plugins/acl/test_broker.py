"""rmq-acl in a running node, seen by clients."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Broker
from tests.support.client import Client
from tests.support.packet_notation import V5, V311
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect, Puback, Publish

pytestmark = pytest.mark.realtime

NOT_AUTHORIZED = 0x87
StartBroker = Callable[..., Broker]

RULES = """plugins.rmq-acl.rules=[
    ["deny", { clientid = "banned" }, "connect"],
    ["allow", { user = "boss", password = "secret" }, "pubsub", ["#"]],
    ["deny", "all", "subscribe", ["hidden/#"]],
    ["allow", "all", "pubsub", ["own/%c/#", "open/#"]]
]"""
LENIENT = "plugins.rmq-acl.disconnect_if_pub_rejected=false"


class Clients:
    """Makes clients, and closes them when the test is over."""

    def __init__(self) -> None:
        self._made: list[Client] = []

    def new(self, broker: Broker, client_id: str, level: int = V5) -> Client:
        """A client that hasn't sent its CONNECT yet."""
        client = Client(broker.address, client_id, level)
        self._made.append(client)
        return client

    def connected(
        self, broker: Broker, client_id: str, level: int = V5, user: str | None = None, password: bytes = b""
    ) -> Client:
        """A client that was let in."""
        client = self.new(broker, client_id, level)
        client.connect(username=user, password=password if user is not None else None)
        return client

    def close(self) -> None:
        """Close them all."""
        for client in self._made:
            client.close()


@pytest.fixture
def clients() -> Iterator[Clients]:
    made = Clients()
    yield made
    made.close()


@pytest.mark.parametrize(("level", "code"), [(V5, NOT_AUTHORIZED), (V311, 5)])
def test_a_client_may_be_kept_out(start_broker: StartBroker, clients: Clients, level: int, code: int) -> None:
    with_rules = start_broker(RULES)
    banned = clients.new(with_rules, "banned", level)
    banned.connect(code=code)
    banned.expect_closed()
    clients.new(with_rules, "welcome", level).connect()


@pytest.mark.parametrize(("level", "code"), [(V5, NOT_AUTHORIZED), (V311, 0x80)])
def test_subscriptions(start_broker: StartBroker, clients: Clients, level: int, code: int) -> None:
    client = clients.connected(start_broker(RULES), "me", level)
    filters = ["own/me/#", "own/+/x", "open/a", "open/#", "hidden/x", "#", "$share/g/open/#", "$share/g/+/x"]
    assert client.subscribe(*filters).codes == [0, code, 0, 0, code, code, 0, code]


def test_a_denied_publish_closes_the_connection(start_broker: StartBroker, clients: Clients) -> None:
    client = clients.connected(start_broker(RULES), "me")
    client.send_publish("own/me/x", b"1", 1)
    assert client.expect(Puback).code in (0, 0x10)
    client.send_publish("own/you/x", b"1", 1)
    assert client.expect(Disconnect).code == NOT_AUTHORIZED
    client.expect_closed()


def test_a_denied_publish_may_be_answered_instead(start_broker: StartBroker, clients: Clients) -> None:
    broker = start_broker(RULES, LENIENT)
    boss = clients.connected(broker, "boss", user="boss", password=b"secret")
    boss.subscribe("own/#")
    client = clients.connected(broker, "me")
    client.send_publish("own/you/x", b"denied", 1)
    assert client.expect(Puback).code == NOT_AUTHORIZED
    client.send_publish("own/me/x", b"allowed", 1)
    assert client.expect(Puback).code == 0
    assert boss.expect(Publish).payload == b"allowed"


def test_a_denied_will_keeps_the_client_out(start_broker: StartBroker, clients: Clients) -> None:
    broker = start_broker(RULES)
    clients.new(broker, "me").connect(will=Will("own/you/x", b""), code=NOT_AUTHORIZED)
    clients.new(broker, "me").connect(will=Will("own/me/x", b""))


def test_a_password_rule_is_for_those_who_know_it(start_broker: StartBroker, clients: Clients) -> None:
    broker = start_broker(RULES)
    asked = ["anything/#", "own/+/x"]
    assert clients.connected(broker, "b1", user="boss", password=b"secret").subscribe(*asked).codes == [0, 0]
    assert (
        clients.connected(broker, "b2", user="boss", password=b"guess").subscribe(*asked).codes == [NOT_AUTHORIZED] * 2
    )


@pytest.mark.parametrize("client_id", ["#", "+", "a/b"])
def test_a_client_id_widens_nothing(start_broker: StartBroker, clients: Clients, client_id: str) -> None:
    client = clients.connected(start_broker(RULES), client_id)
    codes = client.subscribe("own/#", "own/+/#", f"own/{client_id}/x", "open/x").codes
    assert codes == [NOT_AUTHORIZED, NOT_AUTHORIZED, NOT_AUTHORIZED, 0]


def test_this_host_may_read_anything_by_the_shipped_rules(start_broker: StartBroker, clients: Clients) -> None:
    broker = start_broker('plugins.default_startups=["rmq-acl"]')
    client = clients.connected(broker, "local")
    assert client.subscribe("#", "$SYS/#", "$SYS/+/x", "$share/g/#").codes == [0, 0, 0, 0]


def test_nobody_may_publish_the_brokers_own_figures(start_broker: StartBroker, clients: Clients) -> None:
    broker = start_broker('plugins.default_startups=["rmq-acl"]')
    client = clients.connected(broker, "local")
    client.send_publish("$SYS/x", b"1", 1)
    client.expect_disconnect(0x87)


def test_a_wrong_rule_is_no_node(start_broker: StartBroker) -> None:
    with pytest.raises(RuntimeError, match=r"the node ended with 2:\n.*rules\[0\]\.access"):
        start_broker('plugins.rmq-acl.rules=[["perhaps", "all"]]')
