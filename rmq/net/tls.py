"""TLS: the server's side of it as a byte layer, the settings it is made with, and names in client certificates."""

import ssl
from typing import Final

from rmq.net.layers import BROKEN, ENDED, TLS_HANDSHAKE, ByteLayer, LayerError
from rmq.pem import CertificateError, load_authorities, load_identity, reason_of

RECORD_BYTES: Final = 16_384
# Answers (to key updates) that a peer may leave unread.
MAX_PENDING: Final = 65_536

# OpenSSL's name of an attribute -> its short one (RFC 2253, 2.3; emailAddress and serialNumber have none there).
_SHORT_NAMES: Final = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}
_ESCAPED: Final = frozenset(',+"\\<>;')
_VERIFY_MODES: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def server_context(certfile: str, keyfile: str, client_ca: str | None, verify: str) -> ssl.SSLContext:
    """What all TLS connections of a listener are made with: TLS 1.2 or later, no renegotiation, no compression.

    ``certfile`` is the server's certificate with its chain and ``keyfile`` its key, not encrypted, both PEM.
    ``verify`` says of client certificates: ``none`` isn't asked for, ``optional`` is checked if there is one,
    ``required``; the last two check it against the authorities in ``client_ca``.

    A connection keeps the context it was made with: new certificates mean a new context, for connections from then on.
    Raises ``CertificateError``.
    """
    mode = _VERIFY_MODES.get(verify)
    if mode is None:
        raise CertificateError(f"verify is {verify!r}, it can be {', '.join(_VERIFY_MODES)}")
    if mode != ssl.CERT_NONE and client_ca is None:
        raise CertificateError("client certificates can't be verified without a file of authorities")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_mode = mode
    load_identity(context, certfile, keyfile)
    if client_ca is not None and mode != ssl.CERT_NONE:
        load_authorities(context, client_ca)
    return context


def _reason(error: ssl.SSLError) -> str:
    verify_message = getattr(error, "verify_message", "")
    if verify_message:
        return f"client certificate not accepted, {verify_message}"
    return reason_of(error)


class TlsLayer(ByteLayer):
    """The server's side of one TLS connection (RFC 8446, RFC 5246)."""

    __slots__ = ("_incoming", "_open", "_outgoing", "_tls")

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._open = False

    def peer_certificate(self) -> dict[str, object] | None:
        """The client's certificate, as ``SSLSocket.getpeercert`` gives it; None before the handshake is over and
        unless there is one that was verified.
        """
        if not self._open:
            return None
        return dict(self._tls.getpeercert() or {}) or None

    def cipher_and_version(self) -> tuple[str, str] | None:
        """Cipher suite and protocol version, such as ``("TLS_AES_256_GCM_SHA384", "TLSv1.3")``; None before the
        handshake is over.
        """
        cipher = self._tls.cipher()
        version = self._tls.version()
        if not self._open or cipher is None or version is None:
            return None
        return cipher[0], version

    def receive(self, data: bytes) -> bytes:
        """Decrypts all that is complete; of what isn't, at most one record (16 KiB and a little) is kept."""
        incoming = self._incoming
        incoming.write(data)
        tls = self._tls
        if not self._open:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            except ssl.SSLError as error:
                raise LayerError(TLS_HANDSHAKE, f"TLS handshake failed: {_reason(error)}") from None
            self._open = True
        parts: list[bytes] = []
        try:
            while incoming.pending or tls.pending():
                part = tls.read(RECORD_BYTES)
                if not part:
                    raise LayerError(ENDED, "the client closed the TLS connection", b"".join(parts))
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise LayerError(BROKEN, f"TLS error: {_reason(error)}", b"".join(parts)) from None
        if self._outgoing.pending > MAX_PENDING:
            raise LayerError(BROKEN, "the client doesn't read the answers to its TLS messages", b"".join(parts))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def send(self, data: bytes) -> bytes:
        """Encrypts."""
        if not self._open:
            return b""
        write = self._tls.write
        try:
            sent = write(data)
            if sent < len(data):
                rest = memoryview(data)[sent:]
                while rest:
                    rest = rest[write(rest) :]
        except ssl.SSLError:
            return b""  # it broke before, and the connection is about to be closed for it
        return self._outgoing.read()

    def take_pending(self) -> bytes:
        """Messages of the handshake and answers to key updates."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def finish(self) -> bytes:
        """An alert that says what went wrong, or close_notify."""
        if self._open:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # the peer's own close_notify isn't here yet, or there is nothing to be said any more
        return self._outgoing.read()


def certificate_name(certificate: dict[str, object], what: str) -> str:
    """A name out of what ``TlsLayer.peer_certificate`` gives; empty when the certificate hasn't got it.

    ``cn`` is the (most specific) common name, ``subject`` the whole subject as RFC 2253 writes it, such as
    ``CN=sensor-7,OU=plant,O=Example,C=DE``. Raises ``ValueError`` for any other ``what``.
    """
    if what not in ("cn", "subject"):
        raise ValueError(f"{what!r} isn't a name of a certificate; cn and subject are")
    subject = certificate.get("subject")
    if not isinstance(subject, tuple):
        return ""
    if what == "cn":
        names = [value for part in subject for name, value in part if name == "commonName"]
        return str(names[-1]) if names else ""
    parts = ["+".join(f"{_SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in part) for part in subject]
    return ",".join(reversed(parts))


def _escape(value: str) -> str:
    """RFC 2253, 2.4; control characters by their code, so that a name stays on its line in a log."""
    last = len(value) - 1
    escaped = ""
    for at, char in enumerate(value):
        if char in _ESCAPED or (char == " " and at in (0, last)) or (char == "#" and at == 0):
            escaped += "\\" + char
        elif char < " " or char == "\x7f":
            escaped += f"\\{ord(char):02X}"
        else:
            escaped += char
    return escaped
