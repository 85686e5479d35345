"""What bridges to Kafka do when a side of theirs dies, stands still or refuses: nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.plugins.bridge_kafka.conftest import (
    ANY_KAFKA,
    IN,
    OUT,
    Dial,
    Make,
    Start,
    await_committed,
    await_subscriber,
    entry_in,
    in_order,
    kafka_option,
    needs_server,
    values,
)
from tests.support.client import Client, Silence
from tests.support.kafka_server import Inside, Observer

pytestmark = pytest.mark.realtime

COUNT = 2_000
TO_FAR = '[{ local.topic_filter = "out/#", remote.topic = "far" }]'


class Publishing:
    """Publishes numbers one after the other, each when the one before is acknowledged; ``half`` is set on the way."""

    def __init__(self, client: Client, topic: str, count: int, qos: int) -> None:
        self.half = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(client, topic, count, qos))
        self._thread.start()

    def _run(self, client: Client, topic: str, count: int, qos: int) -> None:
        for number in range(count):
            client.publish(topic, b"%d" % number, qos)
            if number == count // 2:
                self.half.set()

    def join(self) -> None:
        """Wait until all are acknowledged."""
        self._thread.join()


def collect(client: Client, is_enough: Callable[[list[bytes]], bool], patience_s: float = 60.0) -> list[bytes]:
    """What comes until it is enough."""
    found: list[bytes] = []
    deadline = time.monotonic() + patience_s
    while not is_enough(found):
        assert time.monotonic() < deadline, f"{len(found)} came"
        try:
            found.append(client.receive_publish(timeout_s=1).payload)
        except Silence:
            continue
    return found


@needs_server
@pytest.mark.slow
@pytest.mark.parametrize("qos", [1, 2])
def test_a_server_killed_under_load_gets_everything_once_and_in_order(
    make_server: Make, dial: Dial, start_node: Start, qos: int
) -> None:
    server = make_server()
    server.start()
    observer = Observer(server.servers)
    observer.make_topic("far")
    node = start_node(OUT, kafka_option("egress", server.servers, TO_FAR))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out/a")
    publishing = Publishing(publisher, "out/a", COUNT, qos)
    assert publishing.half.wait(60)
    server.kill()
    publishing.join()  # all are acknowledged, whether Kafka is there or not
    server.start()
    assert values(observer.read("far", COUNT + 1)) == [b"%d" % number for number in range(COUNT)]


@needs_server
@pytest.mark.slow
def test_a_node_killed_under_load_forgets_nothing_it_has_acknowledged(
    make_server: Make, dial: Dial, start_node: Start
) -> None:
    server = make_server()
    server.start()
    observer = Observer(server.servers)
    observer.make_topic("far")
    node = start_node(OUT, kafka_option("egress", server.servers, TO_FAR))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out/a")
    for number in range(500):
        publisher.publish("out/a", b"%d" % number, 1)
    os.kill(server.pid, signal.SIGSTOP)
    for number in range(500, 1000):
        publisher.publish("out/a", b"%d" % number, 1)
    node.kill()
    os.kill(server.pid, signal.SIGCONT)
    again = start_node(before=node)
    last = dial(again.address, "last")
    last.publish("out/a", b"1000", 1)
    found = values(observer.read_until("far", b"1000"))
    assert in_order(found) == list(range(1001))


@pytest.mark.parametrize("qos", [1, 2])
def test_a_kafka_that_stands_still_gets_everything_when_it_goes_on(dial: Dial, start_node: Start, qos: int) -> None:
    inside = Inside()
    try:
        observer = Observer(inside.servers)
        observer.make_topic("far")
        node = start_node(OUT, kafka_option("egress", inside.servers, TO_FAR))
        publisher = dial(node.address, "pub")
        await_subscriber(publisher, "out/a")
        observer.read("far", 1)
        os.kill(inside.pid, signal.SIGSTOP)
        for number in range(300):
            publisher.publish("out/a", b"%d" % number, qos)
        os.kill(inside.pid, signal.SIGCONT)
        assert values(observer.read("far", 301)) == [b"%d" % number for number in range(300)]
    finally:
        inside.kill()


@needs_server
@pytest.mark.slow
@pytest.mark.parametrize("qos", [1, 2])
def test_a_node_killed_while_it_fetches_goes_on_where_it_was(
    make_server: Make, dial: Dial, start_node: Start, qos: int
) -> None:
    server = make_server()
    server.start()
    observer = Observer(server.servers)
    observer.write("far", [b"0"], key=b"k", headers=[("qos", str(qos))])
    node = start_node(
        IN,
        kafka_option("ingress", server.servers, entry_in("far", "g"), ', commit_interval = "100ms"'),
        f"listener.tcp.external.max_mqueue_len={COUNT}",  # more come at a time than a slow subscriber has room for
    )
    await_committed(observer, "g", "far", 1)
    subscriber = dial(node.address, "sub", keeping=True)
    subscriber.subscribe(("in/#", 1))  # which is what tells of order, and of what came twice
    observer.write("far", [b"%d" % number for number in range(1, COUNT)], key=b"k", headers=[("qos", str(qos))])
    found = collect(subscriber, lambda found: len(found) >= COUNT // 4)
    node.kill()
    again = start_node(before=node)
    subscriber = dial(again.address, "sub", keeping=True)
    found += collect(subscriber, lambda found: b"%d" % (COUNT - 1) in found)
    assert in_order(found) == list(range(1, COUNT))
    await_committed(observer, "g", "far", COUNT)


@needs_server
@pytest.mark.slow
def test_a_server_killed_while_it_is_read_loses_nothing(make_server: Make, dial: Dial, start_node: Start) -> None:
    server = make_server()
    server.start()
    observer = Observer(server.servers)
    observer.write("far", [b"0"], key=b"k")
    node = start_node(IN, kafka_option("ingress", server.servers, entry_in("far", "g"), ', commit_interval = "100ms"'))
    await_committed(observer, "g", "far", 1)
    subscriber = dial(node.address, "sub")
    subscriber.subscribe(("in/#", 2))
    observer.write("far", [b"%d" % number for number in range(1, 500)], key=b"k")
    found = collect(subscriber, lambda found: len(found) > 100)
    server.kill()
    server.start()
    observer.write("far", [b"%d" % number for number in range(500, 1000)], key=b"k")
    found += collect(subscriber, lambda more: b"999" in more)
    assert in_order(found) == list(range(1, 1000))
    await_committed(observer, "g", "far", 1000)


@pytest.mark.parametrize("kafka", ANY_KAFKA, indirect=True)
def test_what_is_too_large_for_kafka_goes_no_further_and_holds_up_nobody(
    kafka: str, dial: Dial, start_node: Start
) -> None:
    observer = Observer(kafka)
    observer.make_topic("far")
    node = start_node(OUT, kafka_option("egress", kafka, TO_FAR, ', properties = { "message.max.bytes" = "10000" }'))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out/a")
    publisher.publish("out/a", bytes(20_000), 1)
    publisher.publish("out/a", b"1", 1)
    assert values(observer.read("far", 2)) == [b"1"]


@needs_server
@pytest.mark.slow
def test_an_entry_waits_for_its_one_topic_and_for_no_other(make_server: Make, dial: Dial, start_node: Start) -> None:
    server = make_server({"auto.create.topics.enable": "false"})
    server.start()
    observer = Observer(server.servers)
    observer.create_topic("named-b")
    entries = (
        '[{ local.topic_filter = "out/#", remote.topic = "far" },'
        ' { local.topic_filter = "out/#", remote.topic = "named-${local.topic}", remote.skip_levels = 1 }]'
    )
    soon = ', properties = { "topic.metadata.propagation.max.ms" = "200" }'
    node = start_node(OUT, kafka_option("egress", server.servers, entries, soon))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out/probe")
    publisher.publish("out/a", b"1", 1)
    publisher.publish("out/b", b"2", 1)
    assert values(observer.read("named-b", 1)) == [b"2"]  # named-a isn't there, and is nobody else's affair
    observer.create_topic("far")
    assert sorted(values(observer.read_until("far", b"2"))) == [b"1", b"2"]
