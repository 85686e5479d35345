"""Requests that can't be: each is refused with the field and the reason, before anything is done."""

from __future__ import annotations

from typing import Any

import pytest

from rmq.management.errors import BadQuery
from rmq.management.requests import MAX_MESSAGE_SIZE, MAX_TOPICS, FilterRequest, PublishRequest, check_filters


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        ({"topics": ()}, "topics"),
        ({"topics": ("t",) * (MAX_TOPICS + 1)}, "topics"),
        ({"topics": ("ok", "")}, "topics"),
        ({"topics": ("a/#",)}, "topics"),
        ({"topics": ("a/+",)}, "topics"),
        ({"topics": ("$delayed/5/t",)}, "topics"),
        ({"topics": ("a\0",)}, "topics"),
        ({"topics": ("x" * 65_536,)}, "topics"),
        ({"topics": ("\ud800",)}, "topics"),
        ({"qos": 3}, "qos"),
        ({"qos": -1}, "qos"),
        ({"message_expiry_interval": -1}, "message_expiry_interval"),
        ({"message_expiry_interval": 2**32}, "message_expiry_interval"),
        ({"payload_format": 2}, "payload_format"),
        ({"payload_format": -1}, "payload_format"),
        ({"response_topic": ""}, "response_topic"),
        ({"response_topic": "a/#"}, "response_topic"),
        ({"content_type": "a\0"}, "properties"),
        ({"content_type": "x" * 65_536}, "properties"),
        ({"content_type": "\ud800"}, "properties"),
        ({"correlation_data": b"x" * 65_536}, "properties"),
        ({"user_properties": (("k", "\0"),)}, "properties"),
    ],
)
def test_messages_that_cannot_be_published(values: dict[str, Any], parameter: str) -> None:
    with pytest.raises(BadQuery) as caught:
        PublishRequest(**{"topics": ("t",), "payload": b"", **values})
    assert caught.value.parameter == parameter
    assert str(caught.value).startswith(f"{parameter}: ")


def test_a_message_that_is_too_large() -> None:
    class Large(bytes):
        """As good as a payload of that size, without its memory."""

        def __len__(self) -> int:
            return MAX_MESSAGE_SIZE

    PublishRequest(("t",), Large())
    with pytest.raises(BadQuery, match="payload"):
        PublishRequest(("t",), Large(), content_type="x")


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        ({"qos": 3}, "qos"),
        ({"retain_handling": 3}, "retain_handling"),
        ({"topic_filter": "$share/g/t", "no_local": True}, "no_local"),
    ],
)
def test_filters_that_cannot_be_subscribed(values: dict[str, Any], parameter: str) -> None:
    """[MQTT-3.8.3-4] among them."""
    with pytest.raises(BadQuery) as caught:
        FilterRequest(**{"topic_filter": "t", **values})
    assert caught.value.parameter == parameter


def test_too_many_filters() -> None:
    check_filters(("t",) * MAX_TOPICS)
    with pytest.raises(BadQuery, match="topic_filters"):
        check_filters(("t",) * (MAX_TOPICS + 1))
