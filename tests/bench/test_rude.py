"""The rude clients are what they are called: they come, they behave badly, and they know who was thrown out."""

from __future__ import annotations

import os
import socket

import pytest

from tests.bench.neighbours import Neighbourhood, RudeError, RudeProcess, login_ms, neighbourhoods
from tests.bench.rude import KINDS, connect_packet

pytestmark = pytest.mark.realtime

CORE = min(os.sched_getaffinity(0))
COME_S = 20


def neighbours(kind: str, port: int, count: int) -> RudeProcess:
    """So many of this kind."""
    return RudeProcess(Neighbourhood(kind, kind, count), port, CORE)


def test_every_kind_is_measured() -> None:
    assert [place.kind for place in neighbourhoods(10_000)] == ["", *KINDS]


@pytest.mark.parametrize("kind", KINDS)
def test_they_come_and_stay_as_long_as_the_broker_lets_them(port: int, kind: str) -> None:
    with neighbours(kind, port, 60) as rude:
        rude.come(COME_S)
        assert login_ms(port) is not None
        assert rude.end() == 60


def test_those_who_were_thrown_out_are_not_counted() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    with listening, neighbours("half-open", listening.getsockname()[1], 3) as rude:
        rude.come(COME_S)
        with listening.accept()[0]:
            for _ in range(2):
                listening.accept()[0].close()
            assert rude.end() == 1


def test_a_slow_handshake_says_one_byte_at_a_time() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    with listening, neighbours("loris", listening.getsockname()[1], 1) as rude:
        rude.come(COME_S)
        with listening.accept()[0] as connection:
            connection.settimeout(COME_S)
            assert connection.recv(100) == connect_packet("l" * 100)[:1]


def test_a_broker_that_is_not_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with neighbours("idle", port, 1) as rude, pytest.raises(RudeError, match="Connection refused"):
        rude.come(COME_S)


def test_a_refused_login_took_no_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert login_ms(port) is None
