"""When certificates end, as OpenSSL and cryptography say too."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from rmq.net.certificate_end import certificate_end, not_after
from rmq.net.layer_stack import LayerStack, TlsOptions
from tests.support.certificates import Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and what it signs."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("days", [365, -2, 365 * 40])
def test_the_end_of_a_certificate(certificates: Certificates, days: int) -> None:
    path = certificates.authority.client("c", days).certfile
    known = x509.load_pem_x509_certificate(Path(path).read_bytes()).not_valid_after_utc
    assert certificate_end(path) == known.timestamp()


def test_the_first_one_of_a_chain_counts(certificates: Certificates, tmp_path: Path) -> None:
    leaf = certificates.authority.server.certfile
    chain = tmp_path / "chain.pem"
    chain.write_text(f"a comment\n{Path(leaf).read_text()}{Path(certificates.authority.cafile).read_text()}")
    assert certificate_end(str(chain)) == certificate_end(leaf) != certificate_end(certificates.authority.cafile)


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", b"\xff" * 99]
)
def test_what_is_no_certificate_has_no_end(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.pem"
    path.write_bytes(content)
    assert certificate_end(str(path)) is None
    assert certificate_end(str(tmp_path / "none.pem")) is None


@given(st.data())
def test_a_damaged_certificate_is_an_error_or_a_time(data: st.DataObject) -> None:
    der = bytearray(DER)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        end = not_after(bytes(der[: data.draw(st.integers(0, len(der)))]))
    except ValueError:
        return
    assert datetime.fromtimestamp(end, UTC).year < 10_000


def _self_made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return ssl.PEM_cert_to_DER_cert(Path(Certificates(Path(folder)).authority.cafile).read_text())


DER = _self_made()


def test_a_listener_knows_the_end_of_what_it_uses(certificates: Certificates) -> None:
    pair = certificates.authority.server
    stack = LayerStack(TlsOptions(pair.certfile, pair.keyfile), "", 0, proxied=False)
    assert stack.certificate_end is None
    stack.load_certificates()
    assert stack.certificate_end == certificate_end(pair.certfile)
