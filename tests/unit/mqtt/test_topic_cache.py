"""The cache of topic names: what it checks, and that it stays bounded."""

import pytest

from rmq.mqtt import codes
from rmq.mqtt.errors import MalformedPacketError, MqttError, ProtocolError
from rmq.mqtt.topic_cache import TopicCache


def test_equal_names_are_one_object() -> None:
    cache = TopicCache()
    assert cache.get(b"a/b") is cache.get(bytes(bytearray(b"a/b")))
    assert cache.get("ä".encode()) == "ä"


@pytest.mark.parametrize("raw", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"a\0b"])
def test_bad_text_is_malformed(raw: bytes) -> None:
    cache = TopicCache()
    with pytest.raises(MalformedPacketError):
        cache.get(raw)
    assert cache.names == {}


@pytest.mark.parametrize("raw", [b"+", b"a/#", b"a+b"])
def test_wildcard_is_an_invalid_topic_name(raw: bytes) -> None:
    cache = TopicCache()
    with pytest.raises(MqttError) as caught:
        cache.get(raw)  # [MQTT-3.3.2-2]
    assert caught.value.reason_code == codes.TOPIC_NAME_INVALID
    assert cache.names == {}


def test_empty_name_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        TopicCache().get(b"")


def test_long_names_are_not_kept() -> None:
    cache = TopicCache()
    assert cache.get(b"x" * 257) == "x" * 257
    assert cache.names == {}
    cache.get(b"x" * 256)
    assert len(cache.names) == 1


def test_full_cache_drops_its_oldest_quarter() -> None:
    cache = TopicCache(8)
    for i in range(8):
        cache.get(b"t/%d" % i)
    assert len(cache.names) == 8
    cache.get(b"t/8")
    assert b"t/0" not in cache.names and b"t/1" not in cache.names
    assert b"t/7" in cache.names and b"t/8" in cache.names
    for i in range(10_000):
        assert cache.get(b"u/%d" % i) == f"u/{i}"
        assert len(cache.names) <= 8


def test_smallest_cache_works() -> None:
    cache = TopicCache(1)
    assert [cache.get(raw) for raw in (b"a", b"b", b"a")] == ["a", "b", "a"]
    assert len(cache.names) == 1
