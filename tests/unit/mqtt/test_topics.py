"""Topic names and filters, shared subscriptions, the reference matcher."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.mqtt import codes
from rmq.mqtt.errors import MqttError
from rmq.mqtt.topics import (
    has_wildcard,
    is_valid_topic_filter,
    is_valid_topic_name,
    level_count,
    matches,
    split_shared,
)


@pytest.mark.parametrize("topic", ["a", "/", "a/b", "//", "a b", "$SYS/x", "ä/☃", "\ufeffa", "x" * 65_535])
def test_valid_topic_names(topic: str) -> None:
    assert is_valid_topic_name(topic)


@pytest.mark.parametrize("topic", ["", "+", "#", "a/+", "a#", "a\0b", "\ud800", "x" * 65_536, "é" * 32_768])
def test_invalid_topic_names(topic: str) -> None:
    assert not is_valid_topic_name(topic)


@pytest.mark.parametrize(
    "topic_filter",
    ["a", "#", "+", "/", "+/+", "a/#", "a/+/b", "/+", "+/a/#", "//#", "$SYS/#", "$share", "$share/g/a", "$share/g/#"],
)
def test_valid_topic_filters(topic_filter: str) -> None:
    assert is_valid_topic_filter(topic_filter)


@pytest.mark.parametrize(
    "topic_filter",
    [
        *("", "a#", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "##", "a/\0", "\udfff", "é" * 32_768),
        *("$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g#/a", "$share/g/a#"),
    ],
)
def test_invalid_topic_filters(topic_filter: str) -> None:
    assert not is_valid_topic_filter(topic_filter)


def test_split_shared() -> None:
    assert split_shared("a/b") == ("", "a/b")
    assert split_shared("$share") == ("", "$share")
    assert split_shared("$shared/g/a") == ("", "$shared/g/a")
    assert split_shared("$share/g/a/+/#") == ("g", "a/+/#")
    assert split_shared("$share/g//a") == ("g", "/a")
    assert split_shared("$share/g//") == ("g", "/")


@pytest.mark.parametrize("topic_filter", ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/a#/b"])
def test_split_shared_refuses(topic_filter: str) -> None:
    with pytest.raises(MqttError) as caught:
        split_shared(topic_filter)  # [MQTT-4.8.2-1], [MQTT-4.8.2-2]
    assert caught.value.reason_code == codes.TOPIC_FILTER_INVALID


# The examples of [MQTT 5.0, 4.7.1] and [4.7.2], and what is easily got wrong.
@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/tennis/player1/#", "sport/tennis/player10", False),
        ("sport/#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("+/#", "a", True),
        ("a/+/#", "a", False),
        ("a/+/#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("$SYS/#", "$SYS", True),
        ("$SYS/+", "$SYS/x", True),
        ("a/#", "a/$SYS", True),
        ("#", "a//b", True),
        ("ACCOUNTS", "Accounts", False),
        ("a", "/a", False),
        ("a/", "a", False),
    ],
)
def test_matches(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


@given(st.text(st.sampled_from("ab/"), min_size=1))
def test_topic_matches_itself_and_hash(topic: str) -> None:
    assert matches(topic, topic)
    assert matches("#", topic)
    assert matches("/".join(["+"] * level_count(topic)), topic)
    assert not matches("/".join(["+"] * (level_count(topic) + 1)), topic)
    assert matches(topic + "/#", topic)


def test_counts_and_wildcards() -> None:
    assert level_count("a") == 1
    assert level_count("/a/") == 3
    assert has_wildcard("a/+")
    assert has_wildcard("#")
    assert not has_wildcard("a/b")
