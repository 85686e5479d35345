"""Links over TLS: both sides show a certificate, and errors name the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from rmq_cluster.links import CONTROL, DATA, LinkError, TlsFiles
from rmq_cluster.links.tcp import TcpNetwork
from structlog.testing import capture_logs

from tests.integration.cluster_links.harness import SocketNode, start
from tests.support.certificates import Authority, Certificates, Pair

pytestmark = pytest.mark.realtime


def files(pair: Pair, authority: Authority) -> TlsFiles:
    return TlsFiles(pair.certfile, pair.keyfile, authority.cafile)


@pytest.fixture
def listening(certificates: Certificates) -> TlsFiles:
    """Of node 1, which the other one dials."""
    return files(certificates.authority.server, certificates.authority)


@pytest.fixture
def dialling(certificates: Certificates) -> TlsFiles:
    """Of node 2, which dials."""
    return files(certificates.authority.client("node-2"), certificates.authority)


async def test_frames_both_ways(nursery: trio.Nursery, listening: TlsFiles, dialling: TlsFiles) -> None:
    one, two = SocketNode(1, listening), SocketNode(2, dialling)
    await start(nursery, one, two)
    await one.until_events(1)
    await two.until_events(1)
    bodies = [bytes([size % 251]) * size for size in (0, 1, 100, 65_536, 3_000_000)]
    for node, peer in ((one, 2), (two, 1)):
        for channel in (CONTROL, DATA):
            for body in bodies:
                assert node.links.send(peer, channel, 1, body)
    for node in (one, two):
        await node.until_received(2 * len(bodies))
        for channel in (CONTROL, DATA):
            assert [body for _, found, _, body in node.received if found == channel] == bodies


async def test_a_dialler_without_tls(nursery: trio.Nursery, listening: TlsFiles) -> None:
    one, two = SocketNode(1, listening), SocketNode(2)
    await start(nursery, one, two)
    await one.until_refused("tls")
    assert one.events == two.events == []


async def test_a_listener_without_tls(nursery: trio.Nursery, dialling: TlsFiles) -> None:
    one, two = SocketNode(1), SocketNode(2, dialling)
    await start(nursery, one, two)
    await one.until_refused("malformed")
    assert one.events == two.events == []


async def test_a_dialler_whose_certificate_is_not_trusted(
    nursery: trio.Nursery, certificates: Certificates, listening: TlsFiles
) -> None:
    stranger = files(certificates.stranger.client("node-2"), certificates.authority)
    one, two = SocketNode(1, listening), SocketNode(2, stranger)
    with capture_logs() as logged:
        await start(nursery, one, two)
        await one.until_refused("tls")
    assert one.events == two.events == []
    assert any("unable to get local issuer certificate" in line["text"] for line in logged)


async def test_a_dialler_whose_certificate_has_expired(
    nursery: trio.Nursery, certificates: Certificates, listening: TlsFiles
) -> None:
    expired = files(certificates.authority.client("node-2", -1), certificates.authority)
    one, two = SocketNode(1, listening), SocketNode(2, expired)
    with capture_logs() as logged:
        await start(nursery, one, two)
        await one.until_refused("tls")
    assert any("certificate has expired" in line["text"] for line in logged)


async def test_a_listener_whose_certificate_is_not_trusted(
    nursery: trio.Nursery, certificates: Certificates, dialling: TlsFiles
) -> None:
    stranger = files(certificates.stranger.server, certificates.authority)
    one, two = SocketNode(1, stranger), SocketNode(2, dialling)
    await start(nursery, one, two)
    await two.until_refused("tls")
    assert one.events == two.events == []


async def test_a_listener_whose_certificate_names_another_host(
    nursery: trio.Nursery, listening: TlsFiles, dialling: TlsFiles
) -> None:
    one, two = SocketNode(1, listening, host="127.0.0.2"), SocketNode(2, dialling)
    with capture_logs() as logged:
        for node in (one, two):
            await nursery.start(node.run)
        two.links.set_peers({1: f"127.0.0.2:{one.links.port}"})
        await two.until_refused("tls")
    assert any("IP address mismatch" in line.get("text", "") for line in logged)
    assert one.events == two.events == []


async def test_the_secret_is_asked_for_behind_tls_too(
    nursery: trio.Nursery, listening: TlsFiles, dialling: TlsFiles
) -> None:
    one, two = SocketNode(1, listening), SocketNode(2, dialling, secret=b"mismatched")
    await start(nursery, one, two)
    await one.until_refused("bad_proof")
    assert one.events == two.events == []


@pytest.mark.parametrize("field", ["certfile", "keyfile", "cafile"])
@pytest.mark.parametrize("problem", ["missing", "garbage"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, listening: TlsFiles, field: str, problem: str) -> None:
    path = tmp_path / "broken.pem"
    if problem == "garbage":
        path.write_text("no PEM\n")
    paths = {name: getattr(listening, name) for name in ("certfile", "keyfile", "cafile")} | {field: str(path)}
    expected = "No such file" if problem == "missing" else "no usable PEM"
    with pytest.raises(LinkError, match=expected) as caught:
        TcpNetwork(TlsFiles(**paths))
    assert str(caught.value).startswith(f"{path}: ")


def test_a_key_of_another_certificate_is_named(certificates: Certificates, listening: TlsFiles) -> None:
    other = certificates.authority.client("other").keyfile
    with pytest.raises(LinkError, match="not the key of the certificate in") as caught:
        TcpNetwork(TlsFiles(listening.certfile, other, listening.cafile))
    assert str(caught.value).startswith(f"{other}: ")


def test_an_encrypted_key_is_named_and_not_asked_about(certificates: Certificates, listening: TlsFiles) -> None:
    with pytest.raises(LinkError, match="the key is encrypted") as caught:
        TcpNetwork(TlsFiles(listening.certfile, certificates.encrypted_key, listening.cafile))
    assert str(caught.value).startswith(certificates.encrypted_key)
