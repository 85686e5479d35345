"""Every kind of listener, over real sockets: a client comes in, subscribes, publishes, and is told why it has to go."""

from __future__ import annotations

import os
import socket
import ssl
import stat

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.doors.conftest import Watcher
from tests.integration.doors.house import DOORS, FAR, FAR_PORT, PROXIED, House, proxy_v1, proxy_v2
from tests.support import wire
from tests.support.client import TIMEOUT_S, ConnectionClosed
from tests.support.packet_notation import V5, V31, V311
from tests.support.wire_parser import Disconnect

pytestmark = pytest.mark.realtime

each_door = pytest.mark.parametrize("door", DOORS)


@pytest.mark.parametrize("level", [V31, V311, V5])
@each_door
def test_connect_subscribe_publish(house: House, name: str, door: str, level: int) -> None:
    client = house.client(door, name, level)
    client.connect()
    assert client.subscribe((name, 2)).codes == [2]
    for qos in (0, 1, 2):
        payload = os.urandom(100)
        other = house.client("tcp.plain", f"{name}-{qos}", level)
        other.connect()
        other.publish(name, payload, qos)
        assert client.receive_publish(payload).qos == qos
    client.disconnect()


@pytest.mark.parametrize("size", [0, 1, 16_384, 300_000, 1_000_000])
@each_door
def test_messages_of_many_sizes_pass_both_ways(house: House, name: str, door: str, size: int) -> None:
    sender, receiver = house.client(door, name), house.client(door, f"{name}-r")
    for client in (sender, receiver):
        client.connect()
    receiver.subscribe((name, 1))
    payloads = [os.urandom(size) for _ in range(3)]
    for payload in payloads:
        assert sender.publish(name, payload) == 0
    assert [receiver.receive_publish().payload for _ in payloads] == payloads


@each_door
def test_the_reason_of_the_end_arrives(house: House, name: str, door: str) -> None:
    first = house.client(door, name)
    first.connect()
    house.client(door, name).connect()  # takes over
    first.expect_disconnect(0x8E)


@each_door
def test_bytes_that_are_no_mqtt_end_the_connection_only(house: House, name: str, door: str) -> None:
    client = house.client(door, name)
    client.connect()
    client.send(b"\x00\x00")
    client.expect_disconnect(0x81, 0x82)
    house.client(door, name).connect()


def test_each_web_socket_listener_has_its_own_path(house: House) -> None:
    house.ports["ws.wrong"] = house.ports["ws.second"]  # which serves another path than /mqtt
    with pytest.raises(InvalidStatus) as raised:
        house.dial("ws.wrong")
    assert raised.value.response.status_code == 404


def test_a_client_without_tls_is_turned_away(house: House, name: str) -> None:
    with socket.create_connection(("127.0.0.1", house.ports["tls.plain"]), TIMEOUT_S) as sock:
        sock.sendall(wire.connect(name))
        while data := sock.recv(100):
            assert data[0] == 0x15, "a TLS alert"


def test_the_unix_socket_is_for_those_it_is_for_and_its_clients_have_its_path(
    house: House, name: str, watcher: Watcher
) -> None:
    assert stat.S_IMODE(os.stat(house.socket_path).st_mode) == 0o600
    house.client("unix.local", name).connect(username="u", password=b"p")
    assert watcher.seen() == (f"{house.socket_path}:0", "u")


# Certificates


@pytest.mark.parametrize("said", [None, "mallory"])
def test_the_common_name_is_the_user_name_whatever_connect_says(
    house: House, name: str, watcher: Watcher, said: str | None
) -> None:
    pair = house.certificates.authority.client("sensor-7")
    client = house.client("tls.mutual", name, pair=pair)
    client.connect(username=said, password=b"x" if said else None)
    assert watcher.seen()[1] == "sensor-7"
    assert client.publish("guarded/sensor") == 0x87  # an ACL rule on the user name
    assert client.publish("guarded/far") in (0, 0x10)


def test_the_subject_is_the_user_name(house: House, name: str, watcher: Watcher) -> None:
    pair = house.certificates.authority.client("sensor-8")
    house.client("tls.subject", name, pair=pair).connect()
    assert watcher.seen()[1] == "CN=sensor-8,O=Example\\, Inc.,C=DE"


def test_without_a_certificate_where_it_is_optional_connect_has_the_word(
    house: House, name: str, watcher: Watcher
) -> None:
    house.client("tls.subject", name).connect(username="bob", password=b"x")
    assert watcher.seen()[1] == "bob"


def test_a_client_without_a_certificate_or_with_a_strangers_does_not_come_in(house: House, name: str) -> None:
    for pair in (None, house.certificates.stranger.client("sensor-7")):
        # TLS 1.3: the client learns of it with the first read after its handshake.
        with pytest.raises((ssl.SSLError, ConnectionError, ConnectionClosed)):
            house.client("tls.mutual", name, pair=pair).connect()


# Proxies


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (proxy_v1(), f"{FAR}:{FAR_PORT}"),
        (proxy_v2(), f"{FAR}:{FAR_PORT}"),
        (proxy_v1("2001:db8::7"), f"2001:db8::7:{FAR_PORT}"),
        (proxy_v2("2001:db8::7"), f"2001:db8::7:{FAR_PORT}"),
    ],
)
@pytest.mark.parametrize("door", PROXIED)
def test_the_proxy_tells_the_address(
    house: House, name: str, watcher: Watcher, door: str, header: bytes, address: str
) -> None:
    house.client(door, name, proxy=header).connect()
    assert watcher.seen()[0] == address


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", proxy_v2(command=0)])
def test_without_an_address_in_the_header_it_is_the_proxys_own(
    house: House, name: str, watcher: Watcher, header: bytes
) -> None:
    house.client("tcp.proxied", name, proxy=header).connect()
    assert watcher.seen()[0].startswith("127.0.0.1:")


@pytest.mark.parametrize("header", [proxy_v1(), proxy_v2()])
def test_access_rules_see_the_address_that_the_proxy_tells(house: House, name: str, header: bytes) -> None:
    far = house.client("tcp.proxied", name, proxy=header)
    far.connect()
    assert far.publish("guarded/far") == 0x87
    near = house.client("tcp.plain", f"{name}-near")
    near.connect()
    assert near.publish("guarded/far") in (0, 0x10)


@pytest.mark.parametrize("header", [proxy_v1(), proxy_v2()])
def test_a_header_in_single_bytes_is_a_header(house: House, name: str, watcher: Watcher, header: bytes) -> None:
    client = house.client("tcp.proxied", name)
    for byte in header:
        client.send(bytes([byte]))
    client.connect()
    assert watcher.seen()[0] == f"{FAR}:{FAR_PORT}"


def test_without_a_header_nobody_comes_in(house: House, name: str) -> None:
    client = house.client("tcp.proxied", name)
    client.send(wire.connect(name))
    client.expect_closed()


def test_a_silent_proxy_keeps_nobody_waiting_and_is_cut(house: House, name: str) -> None:
    silent = house.client("tcp.proxied", name)
    stuck = house.client("tcp.proxied", name)
    stuck.send(proxy_v1()[:-1])
    for number in range(5):
        house.client("tcp.proxied", f"{name}-{number}", proxy=proxy_v1()).connect()
    silent.expect_closed()
    stuck.expect_closed()


def test_behind_the_header_only_the_handshake_timeout_counts(house: House, name: str) -> None:
    slow = house.client("tcp.proxied", name, proxy=proxy_v2())
    other = house.client("tcp.proxied", f"{name}-other")
    other.expect_closed()  # by then the time for headers is over for both
    slow.connect()
    assert not isinstance(slow.drain(), Disconnect)
