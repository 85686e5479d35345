"""--until-acked against a broker of the test's own that delivers at once and never acknowledges."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.bench.bench_process import bench, totals

pytestmark = pytest.mark.realtime


class Forgetful:
    """Takes one subscriber, then one publisher, and hands on what comes; nothing is ever acknowledged."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        clients: list[socket.socket] = []
        with self._listening:
            for answers in ((b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01"), (b"\x20\x02\x00\x00",)):
                client, _ = self._listening.accept()
                clients.append(client)
                for answer in answers:
                    client.recv(4096)
                    client.sendall(answer)
        subscriber, publisher = clients
        with subscriber, publisher:
            while (data := publisher.recv(65536)) and data[0] >> 4 == 3:
                subscriber.sendall(data)
                subscriber.recv(65536)

    def close(self) -> None:
        """Wait until the clients are gone."""
        self._thread.join()


@pytest.fixture
def forgetful() -> Iterator[int]:
    """Its port."""
    broker = Forgetful()
    yield broker.port
    broker.close()


OPTIONS = ("pair", "-q", "1", "-w", "1", "-d", "0.3", "--warmup", "0", "--drain", "0.1")


def test_without_it_a_delivery_is_enough_for_the_next_message(forgetful: int) -> None:
    assert totals(bench(forgetful, *OPTIONS)[1])["sent"] > 1


def test_with_it_the_next_message_waits_for_the_acknowledgement(forgetful: int) -> None:
    code, result = bench(forgetful, *OPTIONS, "--until-acked")
    counted = totals(result)
    assert (code, counted["sent"], counted["received"], counted["puback_received"]) == (1, 1, 1, 0)
