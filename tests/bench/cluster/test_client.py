"""The client, the probe and the filling, against mosquitto."""

from __future__ import annotations

import socket
import threading
import time
from typing import Final

import pytest

from tests.bench.bench_process import free_port
from tests.bench.cluster import fill
from tests.bench.cluster.client import PUBLISH, Client, ClientError
from tests.bench.cluster.pings import Pings
from tests.bench.cluster.probe import Probe

pytestmark = pytest.mark.realtime

PATIENCE_S: Final = 30.0


def test_a_session_is_there_again_with_its_messages_until_it_is_removed(port: int) -> None:
    with Client(port) as client:
        assert client.connect("c1", clean=False) is False
        client.subscribe("c1/#", "c2/#")
    with Client(port) as publisher:
        publisher.connect("c2", clean=True)
        publisher.publish("c1/t", b"x" * 200, 7)
    with Client(port) as client:
        assert client.connect("c1", clean=False) is True
        assert client.expect(PUBLISH).endswith(b"x" * 200)
    with Client(port) as client:
        assert client.connect("c1", clean=True) is False


def test_nobody_there_and_no_answer_are_errors(port: int) -> None:
    with pytest.raises(ClientError, match="refused"):
        Client(free_port())
    with Client(port) as client:
        client.connect("c3", clean=True)
        assert client.available(0.01) == []
        with pytest.raises(ClientError, match="no answer in time"):
            client.expect(PUBLISH, 0.05)


def test_a_broker_that_closes_is_an_error(port: int) -> None:
    with Client(port) as client:
        client.send(b"\xf0\x00")  # no packet that may come first
        with pytest.raises(ClientError):
            client.connect("c4", clean=True)


def test_a_probe_counts_what_it_publishes(port: int) -> None:
    with Probe(port, "for nothing") as probe, Client(port) as subscriber:
        subscriber.connect("probe-subscriber", clean=False)
        for _ in range(3):
            subscriber.expect(PUBLISH)
    found = probe.result()
    assert found.count >= 2
    assert probe.result(until=0.0).count == 0
    assert 0 < found.p50 <= found.p99 <= found.longest


def test_pings_tell_the_longest_pause_of_each_node(port: int) -> None:
    """One that nobody is at has none; one that says nothing for a while has that."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = [port, free_port(), silent.getsockname()[1]]
        waits = [0.0, 0.0, 0.0]
        with Pings(ports, waits.__getitem__) as pings:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\x20\x02\x00\x00")
                asked = connection.recv(1000)
                since = time.monotonic()
                with Client(port) as client:  # meanwhile the first one is asked, too
                    client.connect("beside", clean=True)
                while not pings.longest()[0]:
                    assert time.monotonic() < since + PATIENCE_S
                    time.sleep(0.001)
                waited = time.monotonic() - since
                waits[2] = waited  # it could have run all the while, and nobody let it
                connection.sendall(b"\xd0\x00")
                connection.recv(1000)
        assert asked == b"\xc0\x00"
        answering, absent, late = pings.longest()
        assert answering > 0 == absent
        assert late >= waited
        own = pings.longest_own()
        assert own[0] == answering
        assert own[2] <= late - waited


def test_every_session_gets_its_share_of_the_messages(port: int) -> None:
    fill.sessions([port], 3, 2)
    filled = fill.messages([port], 6, 100, 3, (10.0, 10.0))
    assert (filled.taken, filled.held) == (6, "")
    for number in range(3):
        with Client(port) as client:
            assert client.connect(f"full-{number}", clean=False) is True
            assert all(client.expect(PUBLISH)[2:].startswith(f"full/{number}/0".encode()) for _ in range(2))
        with Client(port) as client:
            client.connect(f"full-{number}", clean=True)


def test_filling_ends_when_its_time_is_over(port: int) -> None:
    filled = fill.messages([port], 10 * fill.PUBLISHERS * fill.MAX_BATCH, 10, 1, (10.0, 0.0))
    assert filled.taken == fill.PUBLISHERS * fill.MAX_BATCH
    assert filled.held == "nobody wanted to wait longer than 0 s"


def test_publishers_that_get_no_answer_are_held() -> None:
    """By a server that takes connections and acknowledges nothing but CONNECT."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            clients = [listening.accept()[0] for _ in range(fill.PUBLISHERS)]
            for client in clients:
                client.recv(4096)
                client.sendall(b"\x20\x02\x00\x00")
            for client in clients:
                while client.recv(65536):
                    pass
                client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        filled = fill.messages([listening.getsockname()[1]], 8, 10, 1, (0.2, 10.0))
        thread.join()
    assert filled.taken == 0
    assert "no answer in time" in filled.held
