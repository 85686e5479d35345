"""One node with a listener of every kind, and how a client comes in through each."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates, Pair
from tests.support.client import TIMEOUT_S, Client, ClientSocket
from tests.support.packet_notation import V5
from tests.support.websocket_socket import WebSocketSocket

# The address that the proxies of these tests tell, and one from elsewhere.
FAR: Final = "203.0.113.9"
FAR_PORT: Final = 5_555
RULES: Final = (
    f'[["deny", {{ ipaddr = "{FAR}" }}, "publish", ["guarded/far"]],'
    ' ["deny", { user = "sensor-7" }, "publish", ["guarded/sensor"]], ["allow", "all"]]'
)
PORTS: Final = (
    "tcp.plain",
    "tcp.proxied",
    "tls.plain",
    "tls.second",
    "tls.mutual",
    "tls.subject",
    "tls.proxied",
    "ws.plain",
    "ws.second",
    "wss.plain",
    "wss.proxied",
)
DOORS: Final = ("tcp.plain", "tls.plain", "tls.second", "ws.plain", "ws.second", "wss.plain", "unix.local")
PROXIED: Final = ("tcp.proxied", "tls.proxied", "wss.proxied")


class House:
    """The node, and its doors by the names of their listeners."""

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        self.certificates = certificates
        self.socket_path = str(directory / "s")
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.node = BrokerProcess(directory, [*self._settings()])
        self._opened: list[Client] = []

    def _settings(self) -> Iterator[str]:
        pair, ca = self.certificates.authority.server, self.certificates.authority.cafile
        for name, port in self.ports.items():
            yield f"listener.{name}.addr=127.0.0.1:{port}"
            if name.startswith(("tls.", "wss.")):
                yield f"listener.{name}.cert={pair.certfile}"
                yield f"listener.{name}.key={pair.keyfile}"
            if name.endswith(".proxied"):
                yield f"listener.{name}.proxy_protocol=true"
                yield f"listener.{name}.proxy_protocol_timeout=300ms"
                yield f"listener.{name}.allow_anonymous=true"
        for name, asked, key in (("mutual", "true", "cn"), ("subject", "optional", "subject_dn")):
            yield f"listener.tls.{name}.client_ca_certs={ca}"
            yield f"listener.tls.{name}.cross_certificate={asked}"
            yield f"listener.tls.{name}.cert_{key}_as_username=true"
        yield "listener.ws.second.path=/elsewhere"
        yield f"listener.unix.local.path={self.socket_path}"
        yield "listener.unix.local.mode=0600"
        yield f"plugins.rmq-acl.rules={RULES}"
        yield "plugins.rmq-acl.disconnect_if_pub_rejected=false"

    def dial(self, door: str, proxy: bytes = b"", pair: Pair | None = None) -> ClientSocket:
        """A connection through a door, up to where MQTT begins. ``proxy`` is sent first, ``pair`` shown to TLS."""
        kind = door.partition(".")[0]
        if kind == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(self.socket_path)
        else:
            sock = socket.create_connection(("127.0.0.1", self.ports[door]), TIMEOUT_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(TIMEOUT_S)
        try:
            if proxy:
                sock.sendall(proxy)
            if kind in ("tls", "wss"):
                sock = self.certificates.client_context(pair).wrap_socket(sock, server_hostname="localhost")
            if kind in ("ws", "wss"):
                return WebSocketSocket(sock, "/elsewhere" if door == "ws.second" else "/mqtt")
        except BaseException:
            sock.close()
            raise
        return sock

    def client(
        self, door: str, client_id: str, level: int = V5, proxy: bytes = b"", pair: Pair | None = None
    ) -> Client:
        """A client whose socket is open, and closed when the test ends."""
        address = ("127.0.0.1", self.ports.get(door, 0))
        client = Client(address, client_id, level, self.dial(door, proxy, pair))
        self._opened.append(client)
        return client

    @contextmanager
    def visit(self) -> Iterator[None]:
        """A test: all clients that it opened are closed at its end."""
        yield
        for client in self._opened:
            client.close()
        self._opened.clear()


def proxy_v1(host: str = FAR, port: int = FAR_PORT) -> bytes:
    """The header of a proxy that speaks version 1."""
    family = f"TCP{ip_address(host).version}"
    target = "127.0.0.1" if family == "TCP4" else "::1"
    return f"PROXY {family} {host} {target} {port} 1883\r\n".encode()


def proxy_v2(host: str = FAR, port: int = FAR_PORT, command: int = 1) -> bytes:
    """The same of version 2; command 0 is a health check of the proxy itself."""
    address = ip_address(host)
    family, target = (0x11, ip_address("127.0.0.1")) if address.version == 4 else (0x21, ip_address("::1"))
    body = address.packed + target.packed + struct.pack("!HH", port, 1883)
    return b"\r\n\r\n\x00\r\nQUIT\n" + bytes([0x20 | command, family]) + struct.pack("!H", len(body)) + body
