"""Keep alive (3.1.2.10, 3.2.2.3.14): the silent client is closed after one and a half times its keep alive."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.conformance.conftest import Clients
from tests.conftest import Broker
from tests.support import wire
from tests.support.client import TIMEOUT_S
from tests.support.wire import Will
from tests.support.wire_parser import Pingresp


@pytest.mark.realtime
def test_mqtt_3_1_2_22_silent_client_is_closed(level: int, clients: Clients, topic: str) -> None:
    watcher = clients(level=level)
    watcher.connect(keep_alive=0)
    watcher.subscribe(topic)
    without_limit = clients(level=level)
    without_limit.connect(keep_alive=0)
    receiving = clients(level=level)
    receiving.connect(keep_alive=1, will=Will(topic, b"receiving"))
    receiving.subscribe((f"{topic}/x", 0))
    client = clients(level=level)
    started = time.monotonic()
    client.connect(keep_alive=1, will=Will(topic, b"silent"))
    # What the broker sends to a client is no sign of life of the client.
    without_limit.publish(f"{topic}/x", b"m", 1)
    receiving.receive_publish(b"m")
    client.expect_disconnect(0x8D, timeout_s=2 + TIMEOUT_S)
    silent_s = time.monotonic() - started
    assert 1.4 <= silent_s <= 3.0, f"closed after {silent_s:.2f} s"
    receiving.expect_disconnect(0x8D, timeout_s=2 + TIMEOUT_S)
    assert {packet.payload for packet in watcher.receive_publishes(2)} == {b"silent", b"receiving"}
    without_limit.expect_nothing()


@pytest.mark.realtime
@pytest.mark.parametrize("sign", ["pingreq", "publish", "puback"])
def test_mqtt_3_1_2_20_any_packet_keeps_the_connection_alive(sign: str, clients: Clients, topic: str) -> None:
    # A will delay of 1 s is the clock: then the living client gives its sign of life, and so outlives the silent one,
    # which is closed 1.5 s after both have connected.
    packets = {"pingreq": wire.pingreq(), "publish": wire.publish(topic, b"m"), "puback": wire.puback(1)}
    clock = clients()
    delay: wire.Properties = [(wire.WILL_DELAY, 1)]
    clock.connect(properties=[(wire.SESSION_EXPIRY, 100)], will=Will(f"{topic}/clock", b"1 s", 0, False, delay))
    watcher = clients()
    watcher.connect()
    watcher.subscribe(f"{topic}/clock")
    living, silent = clients(), clients()
    living.connect(keep_alive=1)
    silent.connect(keep_alive=1)
    clock.abort()
    watcher.receive_publish(b"1 s", 1 + TIMEOUT_S)
    living.send(packets[sign])
    silent.expect_disconnect(0x8D, timeout_s=2 + TIMEOUT_S)
    if sign == "pingreq":
        living.expect(Pingresp)
    living.expect_nothing()


def test_mqtt_3_2_2_21_server_keep_alive(start_broker: Callable[..., Broker], clients: Clients) -> None:
    at = start_broker("listener.tcp.external.max_keepalive=60")
    assert clients(at=at).connect(keep_alive=120).get(wire.SERVER_KEEP_ALIVE) == 60
    assert clients(at=at).connect(keep_alive=60).get(wire.SERVER_KEEP_ALIVE) in (None, 60)
    assert clients(at=at).connect(keep_alive=30).get(wire.SERVER_KEEP_ALIVE) in (None, 30)


@pytest.mark.realtime
def test_mqtt_3_2_2_22_server_keep_alive_is_the_one_that_counts(
    start_broker: Callable[..., Broker], clients: Clients
) -> None:
    at = start_broker("listener.tcp.external.max_keepalive=1")
    client = clients(at=at)
    started = time.monotonic()
    assert client.connect(keep_alive=3600).get(wire.SERVER_KEEP_ALIVE) == 1
    client.expect_disconnect(0x8D, timeout_s=2 + TIMEOUT_S)
    assert time.monotonic() - started >= 1.4
