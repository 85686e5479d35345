"""Topic filters of limited subscriptions, and the broker's own topic names, by their text."""

from __future__ import annotations

import pytest

from rmq.mqtt.codes import TOPIC_FILTER_INVALID
from rmq.mqtt.errors import MqttError
from rmq.mqtt.topics import is_system_topic, split_filter, split_limited


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("t", ("", 0, "t")),
        ("$exclusive", ("", 0, "$exclusive")),
        ("$limit", ("", 0, "$limit")),
        ("$exclusivex/t", ("", 0, "$exclusivex/t")),
        ("a/$exclusive/t", ("", 0, "a/$exclusive/t")),
        ("$exclusive/t", ("", 1, "t")),
        ("$exclusive//", ("", 1, "/")),
        ("$exclusive/a/+/#", ("", 1, "a/+/#")),
        ("$exclusive/$SYS/#", ("", 1, "$SYS/#")),
        ("$limit/1/t", ("", 1, "t")),
        ("$limit/007/t", ("", 7, "t")),
        ("$limit/999999999/#", ("", 999_999_999, "#")),
        ("$share/g/t", ("g", 0, "t")),
    ],
)
def test_what_a_filter_is_made_of(key: str, parts: tuple[str, int, str]) -> None:
    assert split_filter(key) == parts


@pytest.mark.parametrize(
    "key",
    [
        "$exclusive/",
        "$limit/",
        "$limit/3",
        "$limit/3/",
        "$limit//t",
        "$limit/0/t",
        "$limit/-1/t",
        "$limit/+1/t",
        "$limit/1_0/t",
        "$limit/ 1/t",
        "$limit/1.0/t",
        "$limit/x/t",
        "$limit/+/t",
        "$limit/٣/t",
        "$limit/²/t",
        "$limit/1000000000/t",
        "$limit/" + "9" * 5000 + "/t",
        "$exclusive/$share/g/t",
        "$limit/2/$share/g/t",
        "$exclusive/$exclusive/t",
        "$exclusive/$limit/2/t",
        "$limit/2/$limit/2/t",
    ],
)
def test_broken_limits(key: str) -> None:
    with pytest.raises(MqttError) as caught:
        split_limited(key)
    assert caught.value.reason_code == TOPIC_FILTER_INVALID
    with pytest.raises(MqttError):
        split_filter(key)


@pytest.mark.parametrize("key", ["$share/g/$exclusive/t", "$share/g/$limit/2/t"])
def test_a_shared_subscription_is_not_limited(key: str) -> None:
    with pytest.raises(MqttError) as caught:
        split_filter(key)
    assert caught.value.reason_code == TOPIC_FILTER_INVALID


@pytest.mark.parametrize(
    ("topic", "own"),
    [("$SYS", True), ("$SYS/", True), ("$SYS/a", True), ("$SYSTEM", False), ("$sys/a", False), ("a/$SYS/b", False)],
)
def test_system_topics(topic: str, own: bool) -> None:
    assert is_system_topic(topic) is own
