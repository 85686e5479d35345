"""The last descriptors of the process aren't for the API."""

from __future__ import annotations

import resource
import sys
from typing import Any

import pytest
import trio
from rmq_http_api.server import RESERVED, Server, api_descriptors

from rmq.management.turns import Turns


@pytest.mark.parametrize(("limit", "left"), [(1024, 1024 - RESERVED), (64, 60), (resource.RLIM_INFINITY, sys.maxsize)])
def test_some_are_left(limit: int, left: int) -> None:
    assert api_descriptors(limit) == left


async def test_who_comes_then_is_closed_and_told_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rmq_http_api.server.api_descriptors", lambda limit: 0)
    app: Any = None  # nobody gets as far
    server = Server(app, "127.0.0.1", 0, max_connections=1, turns=Turns())
    server.open()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        with trio.fail_after(10):
            for _ in range(3):  # more than it has room for
                async with await trio.open_tcp_stream(*server.address) as stream:
                    try:
                        assert await stream.receive_some() == b""
                    except trio.BrokenResourceError:
                        pass
            await server.stop()
    assert "".join(capsys.readouterr()).count("no descriptors left for the HTTP API") == 1
