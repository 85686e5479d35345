"""Bridges of running nodes to Kafka, seen by clients of the node and by someone else's of Kafka."""

import pytest

from tests.plugins.bridge_kafka.conftest import (
    ANY_KAFKA,
    IN,
    OUT,
    TWO_WAYS,
    Dial,
    Start,
    await_committed,
    await_subscriber,
    entry_in,
    kafka_option,
    unlike_probes,
)
from tests.support import wire
from tests.support.kafka_server import Observer
from tests.support.wire import Properties

pytestmark = pytest.mark.realtime

NUMBERS = [b"%d" % number for number in range(100)]


@pytest.mark.parametrize("kafka", ANY_KAFKA, indirect=True)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_go_out_in_order_with_key_and_headers(kafka: str, dial: Dial, start_node: Start, qos: int) -> None:
    observer = Observer(kafka)
    topic = f"out-{qos}"
    observer.make_topic(topic)
    node = start_node(
        OUT, kafka_option("egress", kafka, f'[{{ local.topic_filter = "out/#", remote.topic = "{topic}" }}]')
    )
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out/a")
    observer.read(topic, 1)
    for number in NUMBERS:
        publisher.publish("out/a", number, qos)
    records = unlike_probes(observer.read(topic, 101))
    assert [record.value() for record in records] == NUMBERS
    assert len({record.partition() for record in records}) == 1
    assert {record.key() for record in records} == {b"out/a"}
    headers = dict(records[0].headers() or [])
    assert (headers["topic"], headers["qos"], headers["retain"]) == (b"out/a", str(qos).encode(), b"false")
    assert headers["rmq-bridge"] == b"link"


@pytest.mark.parametrize("kafka", ANY_KAFKA, indirect=True)
def test_topics_keys_and_partitions_are_as_the_entry_says(kafka: str, dial: Dial, start_node: Start) -> None:
    observer = Observer(kafka)
    for topic in ("far-a-b", "fixed"):
        observer.make_topic(topic)
    entries = (
        '[{ local.topic_filter = "by/#", remote.topic = "far/${local.topic}", remote.skip_levels = 1,'
        ' remote.key = "key of ${local.topic}" },'
        ' { local.topic_filter = "by/#", remote.topic = "fixed", remote.key = "", remote.partition = 2 }]'
    )
    node = start_node(OUT, kafka_option("egress", kafka, entries))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "by/a/b")
    publisher.publish("by/a/b", b"x", 1)
    (named,) = unlike_probes(observer.read("far-a-b", 2))
    assert named.key() == b"key of by/a/b"
    found = observer.read("fixed", 2)
    assert {(record.key(), record.partition()) for record in found} == {(None, 2)}


@pytest.mark.parametrize("kafka", ANY_KAFKA, indirect=True)
def test_properties_of_mqtt_5_cross_both_ways(kafka: str, dial: Dial, start_node: Start) -> None:
    observer = Observer(kafka)
    observer.make_topic("props")
    out = start_node(OUT, kafka_option("egress", kafka, '[{ local.topic_filter = "o", remote.topic = "props" }]'))
    publisher = dial(out.address, "pub")
    await_subscriber(publisher, "o")
    sent: Properties = [
        (wire.CONTENT_TYPE, "text/plain"),
        (wire.RESPONSE_TOPIC, "answers/1"),
        (wire.CORRELATION_DATA, b"\x00\xff"),
        (wire.MESSAGE_EXPIRY, 500),
        (wire.USER_PROPERTY, ("qos", "none of ours")),
        (wire.USER_PROPERTY, ("a", "b")),
    ]
    publisher.publish("o", b"x", 2, retain=True, properties=sent)
    (record,) = unlike_probes(observer.read("props", 2))
    assert list(record.headers() or ())[:2] == [("qos", b"none of ours"), ("a", b"b")]
    again = start_node(
        IN, kafka_option("ingress", kafka, entry_in("props", "g"), ', commit_interval = "50ms"', "other")
    )
    subscriber = dial(again.address, "sub")
    subscriber.subscribe(("in/#", 2))
    got = subscriber.receive_publish(timeout_s=20)
    while got.payload != b"x":
        got = subscriber.receive_publish(timeout_s=20)
    assert (got.topic, got.qos) == ("in/o", 2)
    found = list(got.properties)
    assert (wire.CONTENT_TYPE, "text/plain") in found
    assert (wire.RESPONSE_TOPIC, "answers/1") in found
    assert (wire.CORRELATION_DATA, b"\x00\xff") in found
    names = [value for name, value in found if name == wire.USER_PROPERTY]
    assert ("qos", "none of ours") in names and ("a", "b") in names and ("_message_key", "o") in names
    await_committed(observer, "g", "props", 2)


@pytest.mark.parametrize("kafka", ANY_KAFKA, indirect=True)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_come_in_in_order_and_are_committed(kafka: str, dial: Dial, start_node: Start, qos: int) -> None:
    observer = Observer(kafka)
    topic, group = f"in-{qos}", f"group-{qos}"
    observer.write(topic, [b"0"], key=b"k/1")
    node = start_node(IN, kafka_option("ingress", kafka, entry_in(topic, group), ', commit_interval = "50ms"'))
    await_committed(observer, group, topic, 1)
    subscriber = dial(node.address, "sub")
    subscriber.subscribe(("in/#", 2))
    observer.write(topic, NUMBERS, key=b"k/1", headers=[("qos", str(qos)), ("a", "b")])
    got = [subscriber.receive_publish(timeout_s=20) for _ in NUMBERS]
    assert [(m.payload, m.qos, m.topic) for m in got] == [(number, qos, "in/k/1") for number in NUMBERS]
    assert (wire.USER_PROPERTY, ("_message_key", "k/1")) in list(got[0].properties)
    assert (wire.USER_PROPERTY, ("a", "b")) in list(got[0].properties)
    await_committed(observer, group, topic, 101)


@pytest.mark.parametrize("kafka", ANY_KAFKA, indirect=True)
def test_groups_begin_where_they_are_told_and_go_on_where_they_were(kafka: str, dial: Dial, start_node: Start) -> None:
    observer = Observer(kafka)
    observer.make_topic("begin")
    for number in range(3):
        observer.write("begin", [b"x"], key=b"%d" % number, partition=1)
    offsets = ("beginning", "end", "2", "-2")
    # What is retained tells what came, whenever somebody looks.
    entries = ", ".join(
        f'{{ remote.topic = "begin", remote.group_id = "from {offset}", remote.start_partition = 1,'
        f' remote.offset = "{offset}", local.topic = "in/{offset}/${{kafka.key}}", local.retain = true }}'
        for offset in offsets
    )
    node = start_node(IN, kafka_option("ingress", kafka, f"[{entries}]", ', commit_interval = "50ms"'))
    for offset in offsets:
        await_committed(observer, f"from {offset}", "begin", 3)  # the end too: it stays where it was
    node.stop()
    observer.write("begin", [b"x"], key=b"later", partition=1)
    observer.write("begin", [b"x"], key=b"elsewhere", partition=0)
    node = start_node(before=node)
    for offset in offsets:
        await_committed(observer, f"from {offset}", "begin", 4)
    subscriber = dial(node.address, "sub")
    subscriber.subscribe(("in/#", 1))
    wanted = {"beginning": "0 1 2 later", "end": "later", "2": "2 later", "-2": "1 2 later"}
    found = [subscriber.receive_publish().topic for _ in range(10)]
    assert sorted(found) == sorted(f"in/{offset}/{key}" for offset in wanted for key in wanted[offset].split())


@pytest.mark.parametrize("kafka", ANY_KAFKA, indirect=True)
def test_out_and_in_by_one_bridge_is_no_loop(kafka: str, dial: Dial, start_node: Start) -> None:
    observer = Observer(kafka)
    observer.write("loop", [b"0"], key=b"in/t")
    node = start_node(
        TWO_WAYS,
        kafka_option("egress", kafka, '[{ local.topic_filter = "in/#", remote.topic = "loop" }]'),
        kafka_option("ingress", kafka, entry_in("loop", "l").replace("in/${", "${"), ', commit_interval = "50ms"'),
    )
    await_committed(observer, "l", "loop", 1)
    here = dial(node.address, "here")
    here.subscribe(("in/#", 1))
    publisher = dial(node.address, "pub")
    publisher.publish("in/t", b"out", 1)
    here.receive_publish(b"out")
    await_committed(observer, "l", "loop", 2)  # it has been fetched, and gone no further
    here.expect_nothing()
    observer.write("loop", [b"far"], key=b"in/t")
    here.receive_publish(b"far", timeout_s=10)
    await_committed(observer, "l", "loop", 3)
    publisher.publish("in/t", b"end", 1)
    here.receive_publish(b"end")
    await_committed(observer, "l", "loop", 4)
    assert [record.value() for record in observer.read("loop", 4)] == [b"0", b"out", b"far", b"end"]
