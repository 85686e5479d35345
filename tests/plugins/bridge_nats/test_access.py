"""Who a bridge is to a NATS server, and what the server refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.plugins.bridge_nats.nodes import NAME, publish, running, shows, write
from tests.support.certificates import Certificates
from tests.support.nats_server import NatsClient, NatsServer

pytestmark = pytest.mark.realtime

MAKE = Callable[..., NatsServer]
DIAL_NATS = Callable[..., NatsClient]
# A key made for this test.
SEED = "SUAL4UXM5UVDBSWW52HCKJUVK5Y4IOEYVORAROMKL6JMSJKGZTQT2GPQE4"
PUBLIC = "UA6DPXR5BCIAAJNGQWI4H3OEOEWTSCYMVQPICQCTKYEWEMCXVC6QEJFC"


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


async def test_a_jwt_is_shown_and_its_seed_signs(tmp_path: Path) -> None:
    shown: list[dict[str, str]] = []
    told = trio.Event()

    async def asks(stream: trio.SocketStream) -> None:
        await stream.send_all(b'INFO {"server_id":"x","max_payload":1048576,"auth_required":true,"nonce":"n0nce"}\r\n')
        heard = b""
        while b"\r\n" not in heard:
            heard += await stream.receive_some()
        shown.append(json.loads(heard.partition(b"\r\n")[0].removeprefix(b"CONNECT ")))
        told.set()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, asks, [listener])
        keys = f'servers = "nats://127.0.0.1:{port}"\nauth = {{ jwt = "a.b.c", jwt_seed = "{SEED}" }}'
        async with running(tmp_path, keys):
            await told.wait()
        nursery.cancel_scope.cancel()
    assert shown[0]["jwt"] == "a.b.c"
    key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b32decode(PUBLIC)[1:33])
    key.verify(base64.b64decode(shown[0]["sig"]), b"n0nce")


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
        await publish(node, ("out/no", b"1"), ("out/ok", b"x" * 5000), ("out/" + "long" * 1024, b""), ("out/ok", b"2"))
        await shows(node, "sent", lambda sent: sent == 1)
        await shows(node, "dropped", lambda dropped: dropped == {"refused": 1, "too_large": 1, "topic": 1})
        assert await shows(node, "failed", lambda failed: failed is not None) == 0
        got = await trio.to_thread.run_sync(there.take)
        assert (got.subject, got.payload) == ("out.ok", b"2")
