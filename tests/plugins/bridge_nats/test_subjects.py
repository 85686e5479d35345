"""Topic names as subjects and back, and what MQTT says of a message as headers and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rmq_plugins.bridge_nats.headers import headers_of, read_headers, read_qos, read_retain
from rmq_plugins.bridge_nats.subjects import SubjectMap, is_subject, is_subject_filter, subject_of, topic_of

from rmq.plugin_api import Properties, Publish, is_valid_topic_name

LOCAL = "${local.topic}"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("a/b/c", "a.b.c"),
        ("/a", "/.a"),
        ("a/", "a./"),
        ("a//b", "a./.b"),
        ("/", "/./"),
        ("a.b/c", "a//b.c"),
        (".", "//"),
        ("a b/*/>", "a%20b.%2A.%3E"),
        ("100%/é", "100%25.é"),
    ],
)
def test_a_topic_and_its_subject(topic: str, subject: str) -> None:
    assert subject_of(topic) == subject
    assert topic_of(subject) == topic


@given(TEXT.filter(is_valid_topic_name))
def test_every_topic_has_a_subject_and_comes_back(topic: str) -> None:
    assert is_subject(subject_of(topic))
    assert topic_of(subject_of(topic)) == topic


@given(TEXT.filter(is_valid_topic_name), TEXT.filter(is_valid_topic_name))
def test_two_topics_have_two_subjects(one: str, other: str) -> None:
    assert (subject_of(one) == subject_of(other)) == (one == other)


@pytest.mark.parametrize(
    ("subject", "topic"), [("orders.new", "orders/new"), ("a%zz", "a%zz"), ("50%", "50%"), ("a%41", "a%41")]
)
def test_subjects_of_others_stay_readable(subject: str, topic: str) -> None:
    assert topic_of(subject) == topic


@pytest.mark.parametrize(
    ("text", "publish", "subscribe"),
    [
        ("a.b", True, True),
        ("a.*", False, True),
        ("*.a.>", False, True),
        ("a.>.b", False, False),
        ("a..b", False, False),
        ("", False, False),
        ("a b", False, False),
        ("a*b", True, True),
    ],
)
def test_what_a_subject_is(text: str, publish: bool, subscribe: bool) -> None:
    assert (is_subject(text), is_subject_filter(text)) == (publish, subscribe)


@pytest.mark.parametrize(
    ("template", "skip", "name"),
    [(LOCAL, 0, "a.b.c"), ("x.${local.topic}.y", 1, "x.b.c.y"), ("fixed", 2, "fixed"), (LOCAL, 3, None)],
)
def test_templates(template: str, skip: int, name: str | None) -> None:
    assert SubjectMap(template, LOCAL, skip).name("a/b/c") == name


def test_a_subject_that_a_server_would_end_the_connection_for() -> None:
    names = SubjectMap(LOCAL, LOCAL)
    assert names.name("a" * 3_900) is not None
    assert names.name("é" * 1_951) is None


PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=5)


def sent(headers: dict[str, str]) -> dict[str, str]:
    """What the library makes of headers on their way: stripped, and without line ends."""
    assert all(name.strip() == name and name for name in headers)
    return {name: value.strip().replace("\r", " ").replace("\n", " ") for name, value in headers.items()}


@given(PAIRS)
def test_user_properties_come_back_as_they_were(pairs: list[tuple[str, str]]) -> None:
    packet = Publish("t", b"", 2, True, False, 7, message_expiry=30)
    headers = sent(headers_of(packet, Properties(user_properties=[*pairs, ("rmq-bridge", "link")]), publish=True))
    back = Properties()
    assert read_headers(headers, back) == 30
    assert back.user_properties == [*pairs, ("rmq-bridge", "link")]
    assert (read_qos(headers, 0), read_retain(headers)) == (2, True)


def test_no_property_says_anything_to_nats_or_in_our_name() -> None:
    names = ["Nats-Rollup", "nats-msg-id", "qos", "Retain", "Mqtt-Content-Type", "RMQ-Bridge", "Status"]
    packet = Publish("t", b"", 0, False, False, 0)
    headers = headers_of(packet, Properties(user_properties=[(name, "x") for name in names]), publish=False)
    assert list(headers) == ["Mqtt-User-Properties"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Mqtt-User-Properties": "[[1, 2]]"},
        {"Mqtt-User-Properties": "{"},
        {"Mqtt-Correlation-Data": "***"},
        {"Mqtt-Message-Expiry": "99999999999"},
        {"Mqtt-Message-Expiry": "-1"},
        {"Mqtt-Payload-Format": "2"},
        {"Mqtt-Response-Topic": "a/#"},
        {"qos": "3"},
        {"rmq-bridge": '{"a": 1}'},
        {"Nats-Stream": "S"},
    ],
)
def test_headers_that_mqtt_cannot_have_are_left_out(headers: dict[str, str]) -> None:
    found = Properties()
    assert read_headers(headers, found) == -1
    assert read_qos(headers, 1) == 1
    assert (found.user_properties, found.response_topic, found.correlation_data) == ([], None, None)
    assert found.payload_format == -1
