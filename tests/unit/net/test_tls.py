"""The TLS layer against a real client's side of TLS, and what becomes of files that can't be used."""

from __future__ import annotations

import ssl
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmq.net.layers import BROKEN, ENDED, TLS_HANDSHAKE, LayerError
from rmq.net.tls import MAX_PENDING, TlsLayer, certificate_name, server_context
from rmq.pem import CertificateError
from tests.support.certificates import Certificates, Pair
from tests.support.tls_client import TlsClient

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
ENDLESS = 20


def server(certificates: Certificates, verify: str = "none", ca: str | None = None) -> TlsLayer:
    pair = certificates.authority.server
    if verify != "none":
        ca = ca or certificates.authority.cafile
    return TlsLayer(server_context(pair.certfile, pair.keyfile, ca, verify))


def shake_hands(layer: TlsLayer, client: TlsClient, size: int = 65_536) -> None:
    """Carry bytes to and fro, in pieces of this size, until nothing is left to carry."""
    to_server = client.start()
    while to_server:
        to_client = b""
        for at in range(0, len(to_server), size):
            assert layer.receive(to_server[at : at + size]) == b""
            to_client += layer.take_pending()
        to_server = client.feed(to_client)
    assert client.open


def connected(certificates: Certificates, version: ssl.TLSVersion | None = None) -> tuple[TlsLayer, TlsClient]:
    layer = server(certificates)
    client = TlsClient(certificates.client_context(version=version))
    shake_hands(layer, client)
    return layer, client


def refuse(layer: TlsLayer, client: TlsClient) -> str:
    """Shake hands in vain; returns the reason. The client is told by an alert."""
    with pytest.raises(LayerError) as caught:
        shake_hands(layer, client)
    assert caught.value.kind == TLS_HANDSHAKE
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        client.feed(layer.finish())
    assert layer.send(b"in the clear?") == b""
    return str(caught.value)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_bytes_pass_both_ways(certificates: Certificates, version: ssl.TLSVersion, size: int) -> None:
    layer = server(certificates)
    client = TlsClient(certificates.client_context(version=version))
    assert layer.cipher_and_version() is None
    shake_hands(layer, client, size)
    suite = layer.cipher_and_version()
    assert suite is not None and suite[1] == client.tls.version() and suite[0]
    assert layer.receive(client.encrypt(b"up")) == b"up"
    client.feed(layer.send(b"down"))
    assert client.received == b"down"
    assert layer.peer_certificate() is None


@pytest.mark.parametrize("version", VERSIONS)
def test_large_amounts_are_several_records_in_one_call(certificates: Certificates, version: ssl.TLSVersion) -> None:
    layer, client = connected(certificates, version)
    data = bytes(range(256)) * 1000
    assert layer.receive(client.encrypt(data)) == data
    client.feed(layer.send(data))
    assert client.received == data
    assert layer.send(b"") == b""


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 40_000), max_size=20), messages=st.lists(st.binary(max_size=20_000), max_size=4))
def test_how_the_network_cuts_it_does_not_matter(
    certificates: Certificates, cuts: list[int], messages: list[bytes]
) -> None:
    layer, client = connected(certificates)
    stream = b"".join(client.encrypt(message) for message in messages)
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(bounds) if b > a]
    assert b"".join(layer.receive(piece) for piece in pieces) == b"".join(messages)


def test_data_right_behind_the_handshake_is_not_lost(certificates: Certificates) -> None:
    layer = server(certificates)
    client = TlsClient(certificates.client_context(version=ssl.TLSVersion.TLSv1_3))
    layer.receive(client.start())
    finished = client.feed(layer.take_pending())
    assert layer.receive(finished + client.encrypt(b"CONNECT")) == b"CONNECT"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_clients_end_is_an_end_in_order(certificates: Certificates, version: ssl.TLSVersion) -> None:
    layer, client = connected(certificates, version)
    with pytest.raises(LayerError) as caught:
        layer.receive(client.encrypt(b"DISCONNECT") + client.close())
    assert caught.value.kind == ENDED and caught.value.before == b"DISCONNECT"
    client.feed(layer.finish())
    assert client.ended


@pytest.mark.parametrize("version", VERSIONS)
def test_the_servers_end_is_said(certificates: Certificates, version: ssl.TLSVersion) -> None:
    layer, client = connected(certificates, version)
    client.feed(layer.send(b"bye") + layer.finish())
    assert client.received == b"bye" and client.ended
    assert layer.send(b"too late") == b""


def test_before_the_handshake_there_is_nothing_to_say(certificates: Certificates) -> None:
    layer = server(certificates)
    assert layer.send(b"x") == b"" and layer.finish() == b"" and layer.take_pending() == b""


def test_a_forged_record_ends_it_after_what_came_before(certificates: Certificates) -> None:
    layer, client = connected(certificates)
    good = client.encrypt(b"good")
    forged = bytearray(client.encrypt(b"forged"))
    forged[-1] ^= 1
    with pytest.raises(LayerError, match="TLS error") as caught:
        layer.receive(good + bytes(forged))
    assert caught.value.kind == BROKEN and caught.value.before == b"good"
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        client.feed(layer.finish())


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"])
def test_another_protocol_is_named_or_refused(certificates: Certificates, data: bytes) -> None:
    layer = server(certificates)
    with pytest.raises(LayerError, match=r"TLS handshake failed: (http request|wrong version number)") as caught:
        layer.receive(data)
    assert caught.value.kind == TLS_HANDSHAKE


def test_old_versions_are_refused(certificates: Certificates) -> None:
    context = certificates.client_context()
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    assert "unsupported protocol" in refuse(server(certificates), TlsClient(context))


def test_an_endless_handshake_message_is_not_collected(certificates: Certificates) -> None:
    # A ClientHello that says it is 16 MB large, in records of 16 KiB.
    record = b"\x16\x03\x01\x40\x00"
    stream = record + b"\x01\xff\xff\xff" + bytes(16_380) + (record + bytes(16_384)) * ENDLESS
    with pytest.raises(LayerError, match="excessive message size") as caught:
        server(certificates).receive(stream)
    assert caught.value.kind == TLS_HANDSHAKE


def test_answers_that_are_not_taken_are_bounded(certificates: Certificates) -> None:
    # A client whose socket takes nothing may ask for one key update after the other, which Python's ssl can't.
    layer, client = connected(certificates)
    layer._outgoing.write(bytes(MAX_PENDING))
    assert layer.receive(client.encrypt(b"a")) == b"a"
    layer._outgoing.write(b"x")
    with pytest.raises(LayerError, match="doesn't read the answers") as caught:
        layer.receive(client.encrypt(b"b"))
    assert caught.value.kind == BROKEN and caught.value.before == b"b"


def test_renegotiation_is_off(certificates: Certificates) -> None:
    pair = certificates.authority.server
    context = server_context(pair.certfile, pair.keyfile, None, "none")
    assert context.options & ssl.OP_NO_RENEGOTIATION and context.options & ssl.OP_NO_COMPRESSION
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


# Client certificates


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("verify", ["optional", "required"])
def test_a_certificate_of_the_authority_gives_a_name(
    certificates: Certificates, verify: str, version: ssl.TLSVersion
) -> None:
    layer = server(certificates, verify)
    client = TlsClient(certificates.client_context(certificates.authority.client("sensor-7"), version))
    assert layer.peer_certificate() is None
    shake_hands(layer, client)
    certificate = layer.peer_certificate()
    assert certificate is not None
    assert certificate_name(certificate, "cn") == "sensor-7"
    assert certificate_name(certificate, "subject") == r"CN=sensor-7,O=Example\, Inc.,C=DE"


def test_optional_means_that_none_will_do(certificates: Certificates) -> None:
    layer = server(certificates, "optional")
    shake_hands(layer, TlsClient(certificates.client_context()))
    assert layer.peer_certificate() is None


def test_without_verification_a_certificate_is_not_asked_for(certificates: Certificates) -> None:
    layer = server(certificates)
    shake_hands(layer, TlsClient(certificates.client_context(certificates.authority.client("sensor-7"))))
    assert layer.peer_certificate() is None


@pytest.mark.parametrize("version", VERSIONS)
def test_required_means_that_none_will_not_do(certificates: Certificates, version: ssl.TLSVersion) -> None:
    client = TlsClient(certificates.client_context(version=version))
    assert "peer did not return a certificate" in refuse(server(certificates, "required"), client)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("verify", ["optional", "required"])
def test_a_certificate_of_anyone_else_will_not_do(
    certificates: Certificates, verify: str, version: ssl.TLSVersion
) -> None:
    context = certificates.client_context(certificates.stranger.client("sensor-7"), version)
    assert "unable to get local issuer certificate" in refuse(server(certificates, verify), TlsClient(context))


def test_an_expired_certificate_will_not_do(certificates: Certificates) -> None:
    context = certificates.client_context(certificates.authority.client("sensor-7", -1))
    assert "not accepted, certificate has expired" in refuse(server(certificates, "required"), TlsClient(context))


def test_a_servers_certificate_is_not_a_clients(certificates: Certificates) -> None:
    context = certificates.client_context(certificates.authority.server)
    assert "unsuitable certificate purpose" in refuse(server(certificates, "required"), TlsClient(context))


def test_a_client_that_trusts_someone_else_says_so(certificates: Certificates) -> None:
    layer = server(certificates)
    client = TlsClient(ssl.create_default_context(cafile=certificates.stranger.cafile))
    layer.receive(client.start())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.feed(layer.take_pending())
    with pytest.raises(LayerError, match="unknown ca") as caught:
        layer.receive(client.last_words())
    assert caught.value.kind == TLS_HANDSHAKE


# Names


def subject(*parts: tuple[tuple[str, str], ...]) -> dict[str, object]:
    return {"subject": parts}


@pytest.mark.parametrize(
    ("certificate", "name", "expected"),
    [
        (subject((("commonName", "a"),), (("commonName", "b"),)), "cn", "b"),
        (subject((("organizationName", "o"),)), "cn", ""),
        ({}, "cn", ""),
        ({}, "subject", ""),
        (subject((("countryName", "DE"),), (("commonName", "a"), ("userId", "u"))), "subject", "CN=a+UID=u,C=DE"),
        (subject((("emailAddress", "a@b"),)), "subject", "emailAddress=a@b"),
        (subject((("commonName", ' a,+"\\<>; '),)), "subject", r"CN=\ a\,\+\"\\\<\>\;\ "),
        (subject((("commonName", "#a#"),)), "subject", r"CN=\#a#"),
        (subject((("commonName", "a\nb\x00\x7f"),)), "subject", r"CN=a\0Ab\00\7F"),
        (subject((("commonName", "ä"),)), "subject", "CN=ä"),
    ],
)
def test_names(certificate: dict[str, object], name: str, expected: str) -> None:
    assert certificate_name(certificate, name) == expected


def test_a_name_that_is_unknown() -> None:
    with pytest.raises(ValueError, match="'dns' isn't a name of a certificate"):
        certificate_name({}, "dns")


# Files


def context_error(certfile: str, keyfile: str, ca: str | None = None, verify: str = "none") -> str:
    with pytest.raises(CertificateError) as caught:
        server_context(certfile, keyfile, ca, verify)
    return str(caught.value)


@pytest.fixture
def pair(certificates: Certificates) -> Pair:
    return certificates.authority.server


def test_files_that_are_not_there(pair: Pair, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    expected = f"{missing}: No such file or directory"
    assert context_error(missing, pair.keyfile) == expected
    assert context_error(pair.certfile, missing) == expected
    assert context_error(pair.certfile, pair.keyfile, missing, "required") == expected
    assert context_error(str(tmp_path), pair.keyfile) == f"{tmp_path}: Is a directory"


def test_files_with_something_else(pair: Pair, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    for content in (b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        other.write_bytes(content)
        assert context_error(str(other), pair.keyfile).startswith(f"{other}: no usable PEM certificates: ")
        assert context_error(pair.certfile, str(other)).startswith(f"{other}: no usable PEM key: ")
        error = context_error(pair.certfile, pair.keyfile, str(other), "optional")
        assert error.startswith(f"{other}: no usable PEM certificates: ")
    assert context_error(pair.keyfile, pair.keyfile).startswith(f"{pair.keyfile}: no usable PEM certificates: ")


def test_a_key_of_another_certificate(pair: Pair, certificates: Certificates) -> None:
    other = certificates.authority.client("sensor-7").keyfile
    assert context_error(pair.certfile, other) == f"{other}: not the key of the certificate in {pair.certfile}"


def test_an_encrypted_key_does_not_ask_the_terminal(pair: Pair, certificates: Certificates) -> None:
    key = certificates.encrypted_key
    assert context_error(pair.certfile, key) == f"{key}: the key is encrypted; a key without a passphrase is needed"


def test_verification_needs_authorities(pair: Pair) -> None:
    for verify in ("optional", "required"):
        assert "without a file of authorities" in context_error(pair.certfile, pair.keyfile, None, verify)
    assert "'maybe'" in context_error(pair.certfile, pair.keyfile, None, "maybe")
