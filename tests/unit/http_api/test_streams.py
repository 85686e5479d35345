"""Connections of the API: what is sent while they are being closed."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing
from rmq_http_api.streams import TimedStream

from rmq.management.turns import Turns


async def test_sending_what_another_task_ends_is_an_error_of_the_connection_and_no_bug() -> None:
    here, there = (trio.SocketStream(trio.socket.from_stdlib_socket(sock)) for sock in socket.socketpair())
    stream = TimedStream(here, Turns())
    async with there, trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, bytes(10_000_000))  # nobody reads
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BrokenResourceError, match="closed"):
            await stream.send_all(b"x")
        nursery.cancel_scope.cancel()
    await stream.aclose()
