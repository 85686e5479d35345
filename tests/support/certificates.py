"""Certificates for tests: an authority and what it has signed, as PEM files in one folder, made when asked for."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY: Final = timedelta(days=1)


class Pair:
    """A certificate and its key, as files."""

    def __init__(self, certfile: Path, keyfile: Path) -> None:
        self.certfile = str(certfile)
        self.keyfile = str(keyfile)


class Authority:
    """Signs certificates for servers on this machine and for clients; ``cafile`` is its own one."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._pairs: dict[tuple[str, int], Pair] = {}
        builder = _builder(self._name, self._name, self._key.public_key(), 3650)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True).add_extension(identifier, critical=False)
        certificate = builder.sign(self._key, SHA256())
        path = directory / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        self.cafile = str(path)

    @cached_property
    def server(self) -> Pair:
        """For ``localhost`` and ``127.0.0.1``."""
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        return self._sign("server", subject, 365, x509.SubjectAlternativeName(names))

    def client(self, common_name: str, days: int = 365) -> Pair:
        """For a client; with negative ``days`` it has expired."""
        if (common_name, days) not in self._pairs:
            attributes = [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc."),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
            file_name = f"client{len(self._pairs)}"
            self._pairs[common_name, days] = self._sign(file_name, x509.Name(attributes), days, None)
        return self._pairs[common_name, days]

    def _sign(self, file_name: str, subject: x509.Name, days: int, names: x509.SubjectAlternativeName | None) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if names is None else ExtendedKeyUsageOID.SERVER_AUTH
        builder = _builder(subject, self._name, key.public_key(), days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certfile = self._directory / f"{file_name}.pem"
        certfile.write_bytes(builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        keyfile = self._directory / f"{file_name}.key"
        _write_key(keyfile, key, NoEncryption())
        return Pair(certfile, keyfile)


class Certificates:
    """What TLS tests need."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @cached_property
    def authority(self) -> Authority:
        """The one that both sides trust."""
        return Authority(self.directory, "authority")

    @cached_property
    def stranger(self) -> Authority:
        """One that nobody trusts."""
        (self.directory / "stranger").mkdir()
        return Authority(self.directory / "stranger", "stranger")

    @cached_property
    def encrypted_key(self) -> str:
        """A key that needs the password ``secret``."""
        path = self.directory / "encrypted.key"
        _write_key(path, ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"secret"))
        return str(path)

    def client_context(self, pair: Pair | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Settings of a client that trusts the authority, shows this certificate, and speaks this version only."""
        context = ssl.create_default_context(cafile=self.authority.cafile)
        if pair is not None:
            context.load_cert_chain(pair.certfile, pair.keyfile)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificates of this test run."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    begin = now - DAY if days > 0 else now + (days - 1) * DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + days * DAY)
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
