"""Which byte layers the connections of a listener get, and what the layers of one know about its client."""

import ssl
from typing import Final

from rmq.net.certificate_end import certificate_end
from rmq.net.layers import ByteLayer
from rmq.net.listening_socket import ListenError
from rmq.net.proxy_protocol import ProxyProtocolLayer
from rmq.net.tls import TlsLayer, certificate_name, server_context
from rmq.net.websocket import WebSocketLayer
from rmq.pem import CertificateError

# A client may put several MQTT packets into one frame; larger frames than this are those of nobody we know.
MIN_FRAME_LIMIT: Final = 1_048_576


class TlsOptions:
    """Paths of PEM files, and what is asked of clients.

    ``client_ca`` is empty when client certificates aren't asked for; ``verify`` is ``none``, ``optional`` or
    ``required``. ``user_name`` is what a certificate gives its client as user name: ``cn``, ``subject`` or nothing.
    """

    __slots__ = ("cert", "client_ca", "key", "user_name", "verify")

    def __init__(self, cert: str, key: str) -> None:
        self.cert = cert
        self.key = key
        self.client_ca = ""
        self.verify = "none"
        self.user_name = ""


class LayerStack:
    """The recipe of one listener. An empty ``websocket_path`` means no WebSocket.

    ``certificate_end`` is when its certificate ends, in seconds since 1970; None without one.
    """

    def __init__(self, tls: TlsOptions | None, websocket_path: str, max_packet_size: int, *, proxied: bool) -> None:
        self._tls = tls
        self._websocket_path = websocket_path
        self._max_frame_bytes = max(max_packet_size, MIN_FRAME_LIMIT)
        self._proxied = proxied
        self._context: ssl.SSLContext | None = None
        self.certificate_end: float | None = None

    @property
    def has_tls(self) -> bool:
        """Whether its connections are encrypted."""
        return self._tls is not None

    def load_certificates(self) -> None:
        """Read the files, for connections from now on. ``ListenError`` when they can't be used: nothing changes."""
        tls = self._tls
        if tls is None:
            return
        try:
            self._context = server_context(tls.cert, tls.key, tls.client_ca or None, tls.verify)
        except CertificateError as error:
            text = str(error)
            key = "key" if text.startswith(f"{tls.key}:") else "cert"
            if tls.client_ca and text.startswith(f"{tls.client_ca}:"):
                key = "client_ca_certs"
            raise ListenError(key, text) from None
        self.certificate_end = certificate_end(tls.cert)

    def make(self) -> list[ByteLayer] | None:
        """The layers of a new connection, the one next to the socket first; None when there are none."""
        layers: list[ByteLayer] = []
        if self._proxied:
            layers.append(ProxyProtocolLayer())
        if self._context is not None:
            layers.append(TlsLayer(self._context))
        if self._websocket_path:
            layers.append(WebSocketLayer(self._websocket_path, self._max_frame_bytes))
        return layers or None

    def user_name(self, layers: list[ByteLayer] | None) -> str | None:
        """The user name that a client's certificate gives it, empty when the name isn't in it.

        None when the listener takes no names from certificates, or the client has shown none.
        """
        what = "" if self._tls is None else self._tls.user_name
        if not what:
            return None
        for layer in layers or ():
            if isinstance(layer, TlsLayer):
                certificate = layer.peer_certificate()
                return None if certificate is None else certificate_name(certificate, what)
        return None


def source(layers: list[ByteLayer] | None) -> tuple[str, int] | None:
    """The client's host and port as a proxy gave them, None when none did."""
    for layer in layers or ():
        if layer.source is not None:
            return layer.source
    return None


def awaits_proxy(layers: list[ByteLayer] | None) -> bool:
    """Whether the PROXY protocol header isn't here yet."""
    first = layers[0] if layers else None
    return isinstance(first, ProxyProtocolLayer) and not first.is_over
