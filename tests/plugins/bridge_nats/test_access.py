"""Who a bridge is to a NATS server, and what the server refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from rmq.config import load
from rmq.node import Clock, Node
from rmq.plugin_host.operations import PluginOperationError
from tests.support.certificates import Certificates
from tests.support.client import Client
from tests.support.nats_server import NatsClient, NatsServer

pytestmark = pytest.mark.realtime

MAKE = Callable[..., NatsServer]
DIAL_NATS = Callable[..., NatsClient]
NAME = "rmq-bridge-egress-nats"
# A key made for this test.
SEED = "SUAL4UXM5UVDBSWW52HCKJUVK5Y4IOEYVORAROMKL6JMSJKGZTQT2GPQE4"
PUBLIC = "UA6DPXR5BCIAAJNGQWI4H3OEOEWTSCYMVQPICQCTKYEWEMCXVC6QEJFC"


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


@pytest.mark.parametrize(
    ("lines", "keys", "wrong"),
    [
        ('authorization { token: "t0p" }', 'auth.token = "t0p"', 'auth.token = "other"'),
        (
            'authorization { user: "me", password: "pw" }',
            'auth = { username = "me", password = "pw" }',
            'auth = { username = "me", password = "no" }',
        ),
    ],
)
async def test_the_server_is_told_who_we_are(
    tmp_path: Path, make_nats: MAKE, lines: str, keys: str, wrong: str
) -> None:
    server = make_nats([lines])
    await trio.to_thread.run_sync(server.start)
    async with running(tmp_path, f'servers = "{server.url}"\n{wrong}') as node:
        problem = await shows(node, "problem", bool)
        assert "Authorization Violation" in problem
        write(tmp_path, f'servers = "{server.url}"\n{keys}')
        await node.plugins.reload_config(NAME)
        await shows(node, "connected", bool)
        assert "pw" not in str(node.plugins.config(NAME)) and "t0p" not in str(node.plugins.config(NAME))


async def test_an_nkey_signs_what_the_server_asks(tmp_path: Path, make_nats: MAKE) -> None:
    server = make_nats([f"authorization {{ users: [ {{ nkey: {PUBLIC} }} ] }}"])
    await trio.to_thread.run_sync(server.start)
    async with running(tmp_path, f'servers = "{server.url}"\nauth.nkey = "{SEED}"') as node:
        await shows(node, "connected", bool)


async def test_over_tls_with_certificates_of_both(tmp_path: Path, make_nats: MAKE, certificates: Certificates) -> None:
    authority = certificates.authority
    pair = authority.server
    server = make_nats(
        [
            f'tls {{ cert_file: "{pair.certfile}", key_file: "{pair.keyfile}", '
            f'ca_file: "{authority.cafile}", verify: true }}'
        ]
    )
    await trio.to_thread.run_sync(server.start)
    client = authority.client("bridge")
    keys = f'servers = "tls://localhost:{server.address[1]}"\nroot_certificates = "{authority.cafile}"\n'
    async with running(tmp_path, keys) as node:
        await shows(node, "problem", bool)
        write(tmp_path, f'{keys}client_cert = "{client.certfile}"\nclient_key = "{client.keyfile}"')
        await node.plugins.reload_config(NAME)
        await shows(node, "connected", bool)


async def test_no_secret_goes_to_a_server_that_offers_no_tls(tmp_path: Path) -> None:
    heard = bytearray()
    told = trio.Event()

    async def plain(stream: trio.SocketStream) -> None:
        await stream.send_all(b'INFO {"server_id":"x","max_payload":1048576,"headers":true,"auth_required":true}\r\n')
        async for data in stream:
            heard.extend(data)
        told.set()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, plain, [listener])
        async with running(tmp_path, f'servers = "tls://localhost:{port}"\nauth.token = "t0p"') as node:
            assert "no TLS" in await shows(node, "problem", bool)
            await told.wait()
        assert b"t0p" not in heard
        nursery.cancel_scope.cancel()


async def test_what_the_server_forbids_or_has_no_room_for_is_dropped_and_counted(
    tmp_path: Path, make_nats: MAKE, dial_nats: DIAL_NATS
) -> None:
    server = make_nats(
        [
            "max_payload: 5000",
            'authorization { users: [ { user: a, password: b, permissions: { publish: ["out.ok"], subscribe: ">" } },'
            " { user: all, password: b } ] }",
        ]
    )
    await trio.to_thread.run_sync(server.start)
    there = dial_nats(server, user="all", **{"pass": "b"})
    there.subscribe(">")
    keys = f'servers = "{server.url}"\nauth = {{ username = "a", password = "b" }}'
    async with running(tmp_path, keys) as node:
        await shows(node, "connected", bool)
        await publish(node, ("out/no", b"1"), ("out/ok", b"x" * 5000), ("out/ok", b"2"))
        await shows(node, "sent", lambda sent: sent == 1)
        await shows(node, "dropped", lambda dropped: dropped == {"refused": 1, "too_large": 1})
        assert await shows(node, "failed", lambda failed: failed is not None) == 0
        got = await trio.to_thread.run_sync(there.take)
        assert (got.subject, got.payload) == ("out.ok", b"2")


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
