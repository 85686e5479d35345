"""A node in the process of a test, with one bridge to NATS that the test configures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from rmq.config import load
from rmq.node import Clock, Node
from tests.support.client import Client

NAME = "rmq-bridge-egress-nats"


@asynccontextmanager
async def running(folder: Path, keys: str) -> AsyncIterator[Node]:
    """A node in this process with one bridge for ``out/#``."""
    (folder / "plugins").mkdir(exist_ok=True)
    write(folder, keys)
    (folder / "node.toml").write_text(
        '[listener.tcp.external]\naddr = "127.0.0.1:0"\n[listener.ws.external]\nenable = false\n'
        f'[plugins]\ndefault_startups = ["{NAME}"]\n[storage]\nenable = false\n'
    )
    node = Node(load(folder / "node.toml"), Clock())
    node.open()
    started = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.run, started.set)
        await started.wait()
        yield node
        nursery.cancel_scope.cancel()


def write(folder: Path, keys: str, topic_filter: str = "out/#") -> None:
    """The bridge's file."""
    (folder / "plugins" / f"{NAME}.toml").write_text(
        f'[[bridges]]\nenable = true\nname = "link"\nreconnect_interval = "50ms"\n{keys}\n'
        f'[[bridges.entries]]\nlocal.topic_filter = "{topic_filter}"\n'
    )


async def shows(node: Node, key: str, condition: Callable[[Any], bool]) -> Any:
    """What the plugin shows of its first entry, as soon as it is so."""
    with trio.fail_after(20):
        while True:
            rows: Any = (node.plugins.state(NAME).attrs or {}).get("entries") or {}
            for row in rows.values():
                if condition(row[key]):
                    return row[key]
            await trio.sleep(0.01)


async def publish(node: Node, *messages: tuple[str, bytes]) -> None:
    """As a client of the node."""

    def work() -> None:
        client = Client((node.listeners[0].host, node.listeners[0].port), "pub")
        client.connect()
        for topic, payload in messages:
            client.publish(topic, payload, 1)
        client.close()

    await trio.to_thread.run_sync(work)
