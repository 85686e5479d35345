"""rmq-message-storage in a running node: who subscribes later gets what it missed, once, whatever dies meanwhile."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.packet_notation import V5, V311

pytestmark = pytest.mark.realtime

PLUGIN = "plugins.rmq-message-storage"
NewClient = Callable[..., Client]
StartNode = Callable[..., BrokerProcess]


@pytest.fixture
def started() -> Iterator[list[BrokerProcess]]:
    """Nodes to be stopped when the test is over."""
    processes: list[BrokerProcess] = []
    yield processes
    for process in processes:
        process.stop()


@pytest.fixture
def start_node(tmp_path: Path, started: list[BrokerProcess]) -> StartNode:
    def start(*sets: str) -> BrokerProcess:
        topics = f'{PLUGIN}.topics=["#", "$fence/#"]'
        started.append(BrokerProcess(tmp_path, ('plugins.default_startups=["rmq-message-storage"]', topics, *sets)))
        return started[-1]

    return start


class People:
    """Clients of one node: a publisher, and others by name."""

    def __init__(self, node: BrokerProcess, new_client: NewClient) -> None:
        self._node = node
        self._new_client = new_client
        self._fences = 0
        self.publisher = self.come("publisher")

    def come(self, name: str, level: int = V5, *, kept: bool = False) -> Client:
        """A client connects; ``kept``: with its session, which stays."""
        client = self._new_client(self._node.address, name, level)
        properties = [(wire.SESSION_EXPIRY, 600)] if kept and level == V5 else []
        client.connect(clean=not kept, properties=properties)
        return client

    def publish(self, topic: str, *payloads: bytes, qos: int = 1) -> None:
        for payload in payloads:
            self.publisher.publish(topic, payload, qos)

    def fence(self, client: Client) -> None:
        """What a client has missed on other topics has come before: its subscriptions are served in turn."""
        self._fences += 1
        topic = f"$fence/{self._fences}"
        self.publish(topic, b"fence")
        assert client.subscribe((topic, 0)).codes == [0]
        assert client.receive_publish().topic == topic


@pytest.fixture
def people(start_node: StartNode, new_client: NewClient) -> People:
    return People(start_node(), new_client)


def contents(client: Client, count: int) -> list[tuple[str, bytes, int]]:
    return [(m.topic, m.payload, m.qos) for m in client.receive_publishes(count)]


@pytest.mark.parametrize("level", [V5, V311])
@pytest.mark.parametrize("kept", [False, True])
def test_a_later_subscriber_gets_what_was_published_before_and_then_what_comes(
    people: People, level: int, kept: bool
) -> None:
    people.publish("t/a", b"1", b"2", qos=1)
    people.publish("t/b", b"3", qos=2)
    people.publish("t/c", b"4", qos=0)
    people.publish("u/c", b"other", qos=1)
    late = people.come("late", level, kept=kept)
    assert late.subscribe(("t/+", 1)).codes == [1]
    expected = [("t/a", b"1", 1), ("t/a", b"2", 1), ("t/b", b"3", 1), ("t/c", b"4", 0)]
    found = contents(late, 4)
    assert (sorted(found) if kept else found) == expected  # in a queue QoS 0 is overtaken by nothing, and overtakes
    people.publish("t/a", b"5")
    assert contents(late, 1) == [("t/a", b"5", 1)]
    people.fence(late)


def test_who_comes_back_gets_what_it_has_missed_and_nothing_twice(people: People) -> None:
    client = people.come("c")
    people.publish("t/a", b"before")
    assert client.subscribe(("t/#", 2)).codes == [2]
    assert contents(client, 1) == [("t/a", b"before", 1)]
    people.publish("t/a", b"live", qos=2)
    assert contents(client, 1) == [("t/a", b"live", 2)]
    client.disconnect()
    people.publish("t/a", b"missed")
    client = people.come("c")
    assert client.subscribe(("t/#", 0)).codes == [0]
    assert contents(client, 1) == [("t/a", b"missed", 0)]
    client.subscribe(("t/#", 1))
    people.fence(client)
    client.unsubscribe("t/#")
    people.publish("t/a", b"while it had unsubscribed")
    client.subscribe(("t/a", 1))
    assert contents(client, 1) == [("t/a", b"while it had unsubscribed", 1)]
    people.fence(client)


def test_filters_that_overlap_give_a_message_once(people: People) -> None:
    people.publish("t/a", b"1")
    people.publish("t/b", b"2")
    client = people.come("c")
    client.subscribe(("t/a", 1), ("t/#", 1), ("#", 1))
    assert contents(client, 2) == [("t/a", b"1", 1), ("t/b", b"2", 1)]
    client.subscribe(("+/b", 1))
    people.fence(client)


def test_options_of_the_subscription_hold(people: People) -> None:
    people.publisher.publish("t/a", b"kept as retained", 1, retain=True)
    people.publisher.publish("t/a", b"retained", 1, retain=True)
    plain = people.come("plain")
    plain.subscribe(("t/a", 1))
    found = {m.payload: m.retain for m in plain.receive_publishes(2)}
    assert found == {b"retained": True, b"kept as retained": False}  # the one that is retained comes once
    people.fence(plain)
    as_published = people.come("as published")
    as_published.subscribe(("t/a", 1 | 1 << 3 | 2 << 4), properties=[(wire.SUBSCRIPTION_ID, 77)])
    messages = as_published.receive_publishes(2)
    found = {m.payload: m.retain for m in messages}
    assert found == {b"retained": True, b"kept as retained": True}
    assert all((wire.SUBSCRIPTION_ID, 77) in m.properties for m in messages)
    people.publisher.publish("own", b"mine", 1)
    people.publisher.subscribe(("own", 1 | 1 << 2))  # No Local
    people.publisher.unsubscribe("own")
    people.publisher.subscribe(("own", 1))
    people.publisher.expect_nothing()


def test_time_to_live_goes_on_and_what_has_expired_is_not_given(start_node: StartNode, new_client: NewClient) -> None:
    people = People(start_node(f"{PLUGIN}.default_expiry=1s"), new_client)
    properties: list[tuple[int, int | str]] = [(wire.MESSAGE_EXPIRY, 100), (wire.CONTENT_TYPE, "text")]
    people.publisher.publish("t", b"long", 1, properties=properties)
    people.publisher.publish("t", b"short", 1, properties=[(wire.MESSAGE_EXPIRY, 1)])
    people.publisher.publish("t", b"default", 1)
    deadline = time.monotonic() + 1.2
    early = people.come("early")
    early.subscribe(("t", 1))
    assert [m.payload for m in early.receive_publishes(3)] == [b"long", b"short", b"default"]
    while time.monotonic() < deadline:
        people.publisher.expect_nothing()
    late = people.come("late")
    late.subscribe(("t", 1))
    message = late.receive_publish(b"long")
    assert dict(message.properties)[wire.CONTENT_TYPE] == "text"
    assert 90 <= int(str(dict(message.properties)[wire.MESSAGE_EXPIRY])) < 100
    people.fence(late)


def test_only_topics_that_are_to_be_kept(start_node: StartNode, new_client: NewClient) -> None:
    people = People(start_node(f'{PLUGIN}.topics=["alarms/+", "$fence/#"]'), new_client)
    people.publish("alarms/1", b"yes")
    people.publish("alarms/1/x", b"no")
    people.publish("$mine", b"no")
    client = people.come("c")
    client.subscribe(("#", 1), ("$mine", 1))
    assert contents(client, 1) == [("alarms/1", b"yes", 1)]
    people.fence(client)


def test_many_messages_go_through_a_small_window_and_beside_what_is_published(people: People) -> None:
    sent = [b"%d" % number for number in range(1000)]
    for payload in sent:
        people.publisher.send_publish("t/old", payload, 1)
    for _ in sent:
        people.publisher.receive()
    late = people._new_client(people._node.address, "late", V5)
    late.connect(properties=[(wire.RECEIVE_MAXIMUM, 5)])
    late.subscribe(("t/#", 1))
    found: list[bytes] = []
    for number in range(0, 1000, 100):
        people.publish("t/new", b"new %d" % number)
        found += [m.payload for m in late.receive_publishes(100)]
    found += [m.payload for m in late.receive_publishes(10)]
    assert [payload for payload in found if b"new" not in payload] == sent
    assert len(found) == 1010
    people.fence(late)


def test_a_kept_session_is_given_what_it_missed_into_its_queue_and_nothing_again(people: People) -> None:
    people.publish("t/a", b"before")
    client = people.come("c", kept=True)
    client.subscribe(("t/a", 1))
    assert contents(client, 1) == [("t/a", b"before", 1)]
    client.disconnect()
    people.publish("t/a", b"queued")
    client = people.come("c", kept=True)
    assert contents(client, 1) == [("t/a", b"queued", 1)]
    client.subscribe(("t/a", 1))
    people.fence(client)
    client.disconnect()
    people.publish("t/a", b"lost with the session")
    client = people.come("c")  # the session ends here
    client.subscribe(("t/a", 1))
    assert contents(client, 1) == [("t/a", b"lost with the session", 1)]
    people.fence(client)


def test_kill_and_restart(start_node: StartNode, new_client: NewClient, started: list[BrokerProcess]) -> None:
    node = start_node()
    people = People(node, new_client)
    people.publish("t/a", b"1", b"2")
    reader = people.come("reader")
    reader.subscribe(("t/a", 1))
    assert contents(reader, 2) == [("t/a", b"1", 1), ("t/a", b"2", 1)]  # so it is written
    kept = people.come("kept", kept=True)
    kept.subscribe(("t/a", 1))
    assert contents(kept, 2) == [("t/a", b"1", 1), ("t/a", b"2", 1)]
    deadline = time.monotonic() + 10
    marks = node.directory / "data" / "plugins" / "rmq-message-storage" / "marks"
    while b"kept" not in (marks.read_bytes() if marks.exists() else b"") and time.monotonic() < deadline:
        people.publisher.expect_nothing()
    node.kill()
    again = node.start_again()
    started.append(again)
    people = People(again, new_client)
    people.publish("t/a", b"3")
    kept = people.come("kept", kept=True)
    assert contents(kept, 1) == [("t/a", b"3", 1)]
    reader = people.come("reader")
    reader.subscribe(("t/a", 1))
    assert contents(reader, 1) == [("t/a", b"3", 1)]
    stranger = people.come("stranger")
    stranger.subscribe(("t/a", 1))
    assert [m[1] for m in contents(stranger, 3)] == [b"1", b"2", b"3"]
    for client in (kept, reader, stranger):
        people.fence(client)
    assert again.stop() == 0
    last = again.start_again()
    started.append(last)
    people = People(last, new_client)
    other = people.come("other")
    other.subscribe(("t/a", 1))
    assert [m[1] for m in contents(other, 3)] == [b"1", b"2", b"3"]
    reader = people.come("reader")
    reader.subscribe(("t/a", 1))
    people.fence(reader)
