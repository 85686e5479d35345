"""What is refused before anything is opened: addresses, and clusters without a secret beyond this machine."""

from __future__ import annotations

import pytest
from rmq_cluster.links import LinkError, LinkOptions
from rmq_cluster.links.addresses import is_loopback, is_loopback_address, join_address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:5363", ("10.0.0.1", 5363)),
        ("node-1.example:1", ("node-1.example", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("[fe80::1%eth0]:5363", ("fe80::1%eth0", 5363)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address
    assert join_address(*address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        ":5363",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:+1",
        "host:1 ",
        "host:x",
        "::1:5363",
        "[]:1",
        "host:٣",
        "host:000000001",
    ],
)
def test_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|brackets|65535") as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST", "::ffff:127.0.0.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "10.0.0.1", "localhost.example", "127.0.0.1.example", "128.0.0.1"]
)
def test_no_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_name_is_no_loopback_address() -> None:
    assert not is_loopback_address("localhost")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "node-1"])
def test_listening_beyond_loopback_needs_a_secret(host: str) -> None:
    with pytest.raises(LinkError, match=r"5363 needs a cluster secret"):
        LinkOptions(host=host, port=5363)
    LinkOptions(host=host, port=5363, secret=b"s")


def test_peers_beyond_loopback_need_a_secret() -> None:
    options = LinkOptions(host="127.0.0.1", port=5363)
    assert options.peer_address(2, "localhost:1") == ("localhost", 1)
    with pytest.raises(LinkError, match=r"node 2 at 10\.0\.0\.2:5363 needs a cluster secret"):
        options.peer_address(2, "10.0.0.2:5363")
    with pytest.raises(LinkError, match="node 3: 'nonsense' is not host:port"):
        options.peer_address(3, "nonsense")


def test_a_buffer_holds_the_longest_frame() -> None:
    LinkOptions(host="127.0.0.1", port=0, max_frame=100, control_buffer=105, data_buffer=105)
    with pytest.raises(LinkError, match="104 bytes"):
        LinkOptions(host="127.0.0.1", port=0, max_frame=100, control_buffer=104, data_buffer=105)


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(LinkOptions(host="127.0.0.1", port=0, secret=b"hush"))
