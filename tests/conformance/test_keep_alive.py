"""Keep alive (3.1.2.10, 3.2.2.3.14): the silent client is closed after one and a half times its keep alive."""

from __future__ import annotations

import time

import pytest

from tests.conformance.conftest import Clients, Listeners
from tests.conftest import Broker
from tests.support import wire
from tests.support.alarm import Alarm
from tests.support.client import TIMEOUT_S
from tests.support.packet_notation import V5, V31, V311
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect

LISTENERS = {"minute": ["max_keepalive=60"], "second": ["max_keepalive=1"]}


@pytest.mark.realtime
def test_mqtt_3_1_2_22_silent_client_is_closed_and_its_will_published(clients: Clients, topic: str) -> None:
    watcher = clients()
    watcher.connect(keep_alive=0)
    watcher.subscribe(topic)
    without_limit = clients()
    without_limit.connect(keep_alive=0)
    receiving = clients()
    receiving.connect(keep_alive=1, will=Will(topic, b"receiving"))
    receiving.subscribe((f"{topic}/x", 0))
    started = time.monotonic()
    silent = [clients(level=level) for level in (V31, V311, V5)]
    for client in silent:
        client.connect(keep_alive=1, will=Will(topic, b"silent at level %d" % client.level))
    # What the broker sends to a client is no sign of life of the client.
    without_limit.publish(f"{topic}/x", b"m", 1)
    receiving.receive_publish(b"m")
    for client in silent:
        client.expect_disconnect(0x8D, timeout_s=2 + TIMEOUT_S)
        silent_s = time.monotonic() - started
        assert 1.4 <= silent_s <= 3.5, f"closed after {silent_s:.2f} s"
    receiving.expect_disconnect(0x8D, timeout_s=2 + TIMEOUT_S)
    assert {packet.payload for packet in watcher.receive_publishes(4)} == {
        b"receiving",
        b"silent at level 3",
        b"silent at level 4",
        b"silent at level 5",
    }
    without_limit.expect_nothing()


@pytest.mark.realtime
def test_mqtt_3_1_2_20_any_packet_keeps_the_connection_alive(broker: Broker, clients: Clients, topic: str) -> None:
    # After 1 s the living clients give a sign of life, and so outlive the silent one, which is closed 1.5 s after all
    # of them have connected.
    signs = [wire.pingreq(), wire.publish(topic, b"m"), wire.puback(1), wire.unsubscribe(1, [topic])]
    alarm = Alarm(broker.address, 1)
    living = [clients() for _ in signs]
    silent = clients()
    for client in (*living, silent):
        client.connect(keep_alive=1)
    alarm.wait()
    for client, sign in zip(living, signs, strict=True):
        client.send(sign)
    silent.expect_disconnect(0x8D, timeout_s=2 + TIMEOUT_S)
    for client in living:
        assert not any(isinstance(packet, Disconnect) for packet in client.drain())


def test_mqtt_3_2_2_21_server_keep_alive(listener: Listeners, clients: Clients) -> None:
    at = listener("minute")
    assert clients(at=at).connect(keep_alive=120).get(wire.SERVER_KEEP_ALIVE) == 60
    assert clients(at=at).connect(keep_alive=60).get(wire.SERVER_KEEP_ALIVE) in (None, 60)
    assert clients(at=at).connect(keep_alive=30).get(wire.SERVER_KEEP_ALIVE) in (None, 30)


@pytest.mark.realtime
def test_mqtt_3_2_2_22_server_keep_alive_is_the_one_that_counts(listener: Listeners, clients: Clients) -> None:
    client = clients(at=listener("second"))
    started = time.monotonic()
    assert client.connect(keep_alive=3600).get(wire.SERVER_KEEP_ALIVE) == 1
    client.expect_disconnect(0x8D, timeout_s=2 + TIMEOUT_S)
    assert time.monotonic() - started >= 1.4
