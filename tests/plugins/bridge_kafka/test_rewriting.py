"""What becomes of a message on its way to Kafka, and of a record on its way here."""

import pytest
from rmq_plugins.bridge_kafka import rewriting
from rmq_plugins.bridge_kafka.records import Fetched, Header, Record
from rmq_plugins.bridge_kafka.rewriting import KAFKA_KEY, KAFKA_TOPIC, LOCAL_TOPIC, Inward, Outward
from rmq_plugins.bridge_kafka.templates import Template

from rmq.plugin_api import Properties, Publish, decode_block, encode_block


def outward(topic: str = "${local.topic}", key: str = "${local.topic}", skip: int = 0, partition: int = -1) -> Outward:
    names = (LOCAL_TOPIC,)
    return Outward("link", "h:1", "a/#", Template(topic, names), Template(key, names), skip, partition, 3)


def message(topic: str = "a/b", *user: tuple[str, str]) -> Publish:
    block = encode_block(Properties(user_properties=list(user)))
    return Publish(topic, b"x", 1, True, False, 1, message_expiry=60, properties=block)


def inward(
    topic: str = "in/${kafka.key}", qos: int | None = None, retain: bool | None = None, expiry_s: int = 0
) -> Inward:
    return Inward("link", "h:1", Template(topic, (KAFKA_KEY, KAFKA_TOPIC)), qos, retain, expiry_s)


def record(*headers: Header, key: bytes | None = b"k", value: bytes = b"x") -> Fetched:
    return Fetched("far", 0, 0, key, value, headers)


def properties_of(packet: Publish | str) -> Properties:
    assert isinstance(packet, Publish)
    return decode_block(packet.properties)


def test_a_message_becomes_a_record() -> None:
    found = outward()(message("a/b", ("u", "v")), 12.5)
    assert isinstance(found, Record)
    assert (found.topic, found.key, found.value, found.partition) == ("a-b", b"a/b", b"x", -1)
    assert found.headers == [
        ("u", "v"),
        ("rmq-bridge", "link"),
        ("message_expiry_interval", "60"),
        ("from_node", "3"),
        ("dup", "false"),
        ("retain", "true"),
        ("qos", "1"),
        ("time", "12500"),
        ("topic", "a/b"),
    ]


@pytest.mark.parametrize(
    ("rewrite", "topic", "wanted"),
    [
        (outward(skip=1), "a/b/c", "b-c"),
        (outward("x/${local.topic}.y"), "a/b", "x-a-b.y"),
        (outward("fixed"), "a/\N{GREEK SMALL LETTER ALPHA}", "fixed"),
        (outward(), "a/\N{GREEK SMALL LETTER ALPHA}", "topic"),
        (outward(), "a/" + "b" * 250, "topic"),
        (outward(skip=3), "a/b", "topic"),
        (outward(), "b", "not_asked_for"),
    ],
)
def test_what_a_topic_is_called_there(rewrite: Outward, topic: str, wanted: str) -> None:
    found = rewrite(message(topic), 0.0)
    assert (found.topic if isinstance(found, Record) else found) == wanted


@pytest.mark.parametrize(
    ("user", "goes"),
    [
        (("rmq-bridge", "link"), False),
        (("rmq-bridge", "other"), True),
        (("rmq-bridge-from", "h:1"), False),
        (("rmq-bridge-from", "h:2"), True),
    ],
)
def test_what_was_there_goes_out_no_more(user: tuple[str, str], goes: bool) -> None:
    found = outward()(message("a", user), 0.0)
    assert isinstance(found, Record) if goes else found == "loop"
    if isinstance(found, Record):
        assert "rmq-bridge-from" not in {name for name, _ in found.headers}


def test_a_topic_too_many_goes_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewriting, "MAX_TOPICS", 2)
    rewrite = outward()
    found = [rewrite(message(f"a/{number}"), 0.0) for number in (1, 2, 3, 1)]
    assert [one if isinstance(one, str) else one.topic for one in found] == ["a-1", "a-2", "too_many_topics", "a-1"]


def test_no_key_is_none() -> None:
    found = outward(key="")(message(), 0.0)
    assert isinstance(found, Record) and found.key is None


def test_a_record_becomes_what_its_headers_say() -> None:
    found = inward()(record(("qos", "7 is mine"), ("u", b"v"), ("qos", b"2"), ("retain", b"true"), ("none", None)))
    assert isinstance(found, Publish)
    assert (found.topic, found.payload, found.qos, found.retain, found.message_expiry) == ("in/k", b"x", 2, True, -1)
    user = properties_of(found).user_properties
    assert user == [
        ("qos", "7 is mine"),
        ("u", "v"),
        ("_message_key", "k"),
        ("rmq-bridge", "link"),
        ("rmq-bridge-from", "h:1"),
    ]


def test_a_record_without_headers_is_of_qos_1() -> None:
    found = inward("${kafka.topic}/all")(record(key=None))
    assert isinstance(found, Publish)
    assert (found.topic, found.qos, found.retain) == ("far/all", 1, False)
    assert ("_message_key", "") not in properties_of(found).user_properties


def test_the_entry_has_the_last_word() -> None:
    found = inward(qos=0, retain=False, expiry_s=30)(record(("qos", b"2"), ("retain", b"true")))
    assert isinstance(found, Publish)
    assert (found.qos, found.retain, found.message_expiry) == (0, False, 30)
    found = inward(expiry_s=30)(record(("message_expiry_interval", b"5")))
    assert isinstance(found, Publish) and found.message_expiry == 5


@pytest.mark.parametrize(
    ("headers", "key", "wanted"),
    [
        ([("rmq-bridge", b"link")], b"k", "loop"),
        ([], b"a/+", "topic"),
        ([], b"a\0", "topic"),
    ],
)
def test_what_comes_in_no_further(headers: list[Header], key: bytes, wanted: str) -> None:
    assert inward()(record(*headers, key=key)) == wanted


@pytest.mark.parametrize(
    "header",
    [
        ("qos", b"3"),
        ("qos", b"-1"),
        ("qos", b"\xff"),
        ("qos", "\N{ARABIC-INDIC DIGIT ONE}"),
        ("retain", b"perhaps"),
        ("message_expiry_interval", b"99999999999"),
        ("payload_format_indicator", b"2"),
        ("response_topic", b"a/#"),
        ("content_type", b"\xff\0"),
        ("u", b"\xff" * 70_000),
        ("u" * 70_000, b"v"),
        ("correlation_data", bytes(70_000)),
    ],
)
def test_headers_that_nobody_can_use_break_nothing(header: Header) -> None:
    found = inward()(record(header))
    assert isinstance(found, Publish)
    assert (found.qos, found.retain, found.message_expiry) == (1, False, -1)
    properties = properties_of(found)
    assert "\0" not in (properties.content_type or "")
    assert properties.response_topic is None
