"""Reloading and unloading a bridge to NATS: nothing that was acknowledged is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from rmq.plugin_host.operations import PluginOperationError
from tests.plugins.bridge_nats.nodes import NAME, publish, running, shows, write
from tests.support.nats_server import NatsClient, NatsServer

pytestmark = pytest.mark.realtime

MAKE = Callable[..., NatsServer]
DIAL_NATS = Callable[..., NatsClient]


async def test_a_reload_keeps_what_waits_and_a_wrong_one_changes_nothing(
    tmp_path: Path, make_nats: MAKE, dial_nats: DIAL_NATS
) -> None:
    server = make_nats()
    async with running(tmp_path, f'servers = "{server.url}"') as node:
        await shows(node, "problem", bool)
        await publish(node, *[("out/a", b"%d" % number) for number in range(30)])
        await shows(node, "queued", lambda queued: queued == 30)

        write(tmp_path, 'servers = "nonsense"')
        with pytest.raises(PluginOperationError, match="a server is written nats://host:port"):
            await node.plugins.reload_config(NAME)
        await shows(node, "queued", lambda queued: queued == 30)

        await trio.to_thread.run_sync(server.start)
        there = await trio.to_thread.run_sync(lambda: dial_nats(server))
        # The entry may have been connected before somebody was subscribed: another way of connecting begins anew.
        await trio.to_thread.run_sync(lambda: there.subscribe("out.>"))
        await node.plugins.unload(NAME)
        assert not node.plugins.state(NAME).active
        await publish(node, ("out/a", b"while unloaded"))
        write(tmp_path, f'servers = "{server.url}"\nping_interval = "5s"')
        await node.plugins.load(NAME)
        while (await trio.to_thread.run_sync(there.take)).payload != b"while unloaded":
            pass
        await shows(node, "queued", lambda queued: queued == 0)


async def test_reloads_under_load_lose_nothing(tmp_path: Path, make_nats: MAKE, dial_nats: DIAL_NATS) -> None:
    server = make_nats()
    await trio.to_thread.run_sync(server.start)
    there = dial_nats(server)
    await trio.to_thread.run_sync(there.make_stream, "ALL", ["out.>"])
    keys = f'servers = "{server.url}"\njetstream = true\nsender_capacity = 10\n'
    payloads = [b"%d" % number for number in range(500)]
    async with running(tmp_path, keys) as node:
        await shows(node, "connected", bool)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish, node, *[("out/a", payload) for payload in payloads])
            for number in range(1, 8):
                await shows(node, "sent", lambda sent: sent > 0)
                write(tmp_path, f'{keys}ping_interval = "{number}s"')
                await node.plugins.reload_config(NAME)
        await shows(node, "connected", bool)
        await shows(node, "queued", lambda queued: queued == 0)
    found = await trio.to_thread.run_sync(there.stream_payloads, "ALL", 1)
    assert list(dict.fromkeys(found)) == payloads
