"""When a certificate ends: the one field of X.509 that monitoring needs, read from its DER (RFC 5280, 4.1).

Python's ``ssl`` tells it of peers' certificates alone.
"""

import ssl
from datetime import UTC, datetime
from typing import Final

_SEQUENCE: Final = 0x30
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_VERSION: Final = 0xA0
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


def certificate_end(path: str) -> float | None:
    """Not After of the first certificate in a PEM file, in seconds since 1970; None where there is none to read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read()
        start = text.index(_BEGIN)
        end = text.index(_END, start) + len(_END)
        return not_after(ssl.PEM_cert_to_DER_cert(text[start:end]))
    except (OSError, ValueError):
        return None


def not_after(der: bytes) -> float:
    """Not After of a certificate; ``ValueError`` if it isn't one."""
    certificate = _open(der, 0)
    at = _open(der, certificate)
    if der[at : at + 1] == bytes([_VERSION]):
        at = _behind(der, at)
    for _ in ("serialNumber", "signature", "issuer"):
        at = _behind(der, at)
    at = _behind(der, _open(der, at))  # into validity, past Not Before
    kind, start, end = _element(der, at)
    written = der[start:end].decode("ascii")
    if kind == _UTC_TIME:  # two digits of the year: 50 to 99 are of the century before (RFC 5280, 4.1.2.5.1)
        written = ("19" if written[:2] >= "50" else "20") + written
    elif kind != _GENERALIZED_TIME:
        raise ValueError("isn't a certificate")
    return datetime.strptime(written, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """The tag of an element, and where its content begins and ends."""
    if at + 2 > len(der):
        raise ValueError("isn't a certificate")
    length = der[at + 1]
    start = at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count])
        start += count
    if start + length > len(der):
        raise ValueError("isn't a certificate")
    return der[at], start, start + length


def _open(der: bytes, at: int) -> int:
    """Where the content of a SEQUENCE begins."""
    kind, start, _end = _element(der, at)
    if kind != _SEQUENCE:
        raise ValueError("isn't a certificate")
    return start


def _behind(der: bytes, at: int) -> int:
    """Where the next element begins."""
    return _element(der, at)[2]
