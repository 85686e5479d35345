"""PROXY protocol, versions 1 and 2: the header by which a proxy says for whom it connects, as a byte layer.

https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt. Whoever can reach such a listener can claim any address:
it belongs behind a proxy, and only the proxy may reach it.
"""

import ipaddress
from typing import Final

from rmq.net.layers import PROXY_HEADER, ByteLayer, LayerError

V1_PREFIX: Final = b"PROXY "
V1_MAX_BYTES: Final = 107  # with its line end; the specification has the sum
V2_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V2_FIXED_BYTES: Final = 16
# Addresses (at most 216 bytes) and extensions of a version 2 header; proxies send a few hundred bytes.
V2_MAX_REST_BYTES: Final = 4096

_LOCAL: Final = 0
_PROXY: Final = 1
# Address family -> bytes of both addresses and ports.
_ADDRESS_BYTES: Final = {0: 0, 1: 12, 2: 36, 3: 216}
_TYPE_SSL: Final = 0x20
_SUBTYPE_SSL_CN: Final = 0x22
_CLIENT_CERT_CONN: Final = 0x02
_CLIENT_CERT_SESS: Final = 0x04


class ProxyProtocolLayer(ByteLayer):
    """Takes the header off; every byte behind it passes unchanged.

    ``source`` is the client's address, None when the header says none: the proxy's own health checks (LOCAL), families
    that it doesn't know (UNKNOWN), and sockets without host and port (Unix). ``common_name`` is the one of a client
    certificate that the proxy has verified, empty when it says none. ``is_over`` says whether the whole header is here.
    """

    __slots__ = ("_buffer", "common_name", "is_over")

    def __init__(self) -> None:
        super().__init__()
        self.common_name = ""
        self._buffer = bytearray()
        self.is_over = False

    def receive(self, data: bytes) -> bytes:
        """Raises ``LayerError`` as soon as the bytes can't be a header any more."""
        if self.is_over:
            return data
        buffer = self._buffer
        buffer += data
        if buffer[:1] == V1_PREFIX[:1]:
            size = _version_1_size(buffer)
        else:
            size = _version_2_size(buffer)
        if size == 0:
            return b""
        header = bytes(buffer[:size])
        rest = bytes(buffer[size:])
        self.is_over = True
        self._buffer = bytearray()
        if header[:1] == V1_PREFIX[:1]:
            self._read_version_1(header)
        else:
            self._read_version_2(header)
        return rest

    def _read_version_1(self, header: bytes) -> None:
        words = header[:-2].split(b" ")
        if words[1] == b"UNKNOWN":
            return
        version = {b"TCP4": 4, b"TCP6": 6}.get(words[1])
        if version is None or len(words) != 6:
            raise _error("version 1 has TCP4 or TCP6, two addresses and two ports, or UNKNOWN")
        host = _address(words[2], version)
        _address(words[3], version)
        port = _port(words[4])
        _port(words[5])
        self.source = host, port

    def _read_version_2(self, header: bytes) -> None:
        command = header[12] & 0x0F
        family = header[13] >> 4
        if command == _LOCAL:
            return
        at = V2_FIXED_BYTES
        for kind, value in _extensions(header, at + _ADDRESS_BYTES[family]):
            if kind == _TYPE_SSL:
                self.common_name = _verified_common_name(value)
        if family == 1:
            host = str(ipaddress.IPv4Address(header[at : at + 4]))
            self.source = host, int.from_bytes(header[at + 8 : at + 10], "big")
        elif family == 2:
            host = _unmapped(ipaddress.IPv6Address(header[at : at + 16]))
            self.source = host, int.from_bytes(header[at + 32 : at + 34], "big")


def _error(text: str) -> LayerError:
    return LayerError(PROXY_HEADER, f"bad PROXY protocol header: {text}")


def _version_1_size(buffer: bytearray) -> int:
    """Size of the header with its line end, 0 when that isn't here yet."""
    if buffer[: len(V1_PREFIX)] != V1_PREFIX[: len(buffer)]:
        raise _error("neither version")
    end = buffer.find(b"\r\n", 0, V1_MAX_BYTES)
    if end >= 0:
        return end + 2
    if len(buffer) >= V1_MAX_BYTES:
        raise _error(f"version 1 without a line end in {V1_MAX_BYTES} bytes")
    return 0


def _version_2_size(buffer: bytearray) -> int:
    """Size of the header with addresses and extensions, 0 when not all of it is here yet."""
    if buffer[: len(V2_SIGNATURE)] != V2_SIGNATURE[: len(buffer)]:
        raise _error("neither version")
    if len(buffer) < V2_FIXED_BYTES:
        return 0
    if buffer[12] >> 4 != 2:
        raise _error(f"version {buffer[12] >> 4} is unknown")
    if buffer[12] & 0x0F not in (_LOCAL, _PROXY):
        raise _error(f"command {buffer[12] & 0x0F} is unknown")
    rest = int.from_bytes(buffer[14:16], "big")
    if rest > V2_MAX_REST_BYTES:
        raise _error(f"{rest} bytes of addresses and extensions, the limit is {V2_MAX_REST_BYTES}")
    if buffer[12] & 0x0F == _PROXY:
        needed = _ADDRESS_BYTES.get(buffer[13] >> 4)
        if needed is None or buffer[13] & 0x0F > 2:
            raise _error(f"address family and transport {buffer[13]:#04x} are unknown")
        if rest < needed:
            raise _error(f"{rest} bytes are too few for its addresses")
    size = V2_FIXED_BYTES + rest
    return size if len(buffer) >= size else 0


def _address(word: bytes, version: int) -> str:
    try:
        address = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise _error("not an address") from None
    if b"%" in word:
        raise _error("not an address, it has a zone")
    if address.version != version:
        raise _error("an address of the wrong family")
    return _unmapped(address)


def _unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (word[:1] == b"0" and len(word) > 1) or int(word) > 65_535:
        raise _error("not a port")
    return int(word)


def _extensions(data: bytes, at: int) -> list[tuple[int, bytes]]:
    """Types and values (TLVs) from ``at`` on."""
    found: list[tuple[int, bytes]] = []
    while at < len(data):
        value = at + 3
        end = value + int.from_bytes(data[at + 1 : value], "big")
        if end > len(data) or value > len(data):
            raise _error("an extension that is longer than the header")
        found.append((data[at], data[value:end]))
        at = end
    return found


def _verified_common_name(ssl_value: bytes) -> str:
    if len(ssl_value) < 5:
        raise _error("a TLS extension without its fixed fields")
    certificate = ssl_value[0] & (_CLIENT_CERT_CONN | _CLIENT_CERT_SESS)
    if not certificate or ssl_value[1:5] != bytes(4):
        return ""  # none was shown, or it wasn't valid
    names = [value for kind, value in _extensions(ssl_value, 5) if kind == _SUBTYPE_SSL_CN]
    return names[-1].decode("utf-8", "replace") if names else ""
