"""Options of links: where to listen, the secret, limits and times; what is refused before anything is opened."""

from dataclasses import dataclass, field

from rmq_cluster.links.addresses import is_loopback, join_address, parse_address
from rmq_cluster.links.frames import HEADER_BYTES

MIB = 1 << 20


class LinkError(Exception):
    """Links can't be made as they are configured; the text names the address or file and says why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one node. Its certificate is shown to those it dials and to those who dial it, so it must be good
    for both uses (extended key usage: server and client); it names the hosts that others dial this node by.
    """

    certfile: str
    keyfile: str
    cafile: str


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What links are made with. Sizes are in bytes, times in seconds.

    Attributes:
        host: address or name to listen on.
        port: the one port for both connections of every pair; 0 is any free one.
        secret: what all nodes of the cluster share; empty only between nodes of one machine.
        tls: without it connections aren't encrypted, and only their beginning is authenticated.
        max_frame: the longest body of a frame, in both directions.
        control_buffer: what may wait to be sent on one CONTROL connection.
        data_buffer: the same of a DATA connection.
        handshake_timeout: for opening a connection and its handshake.
        dead_after: a connection that brings nothing for so long is broken. Nodes say something at least every fifth
            of it, so it should be alike on all of them.
        stall_after: a connection whose peer takes nothing for so long is broken.
        half_open: connections that may be in their handshake at once; one more ends the oldest.
        backoff_min: the wait after a first dial in vain, which doubles each time.
        backoff_max: the longest such wait.
    """

    host: str
    port: int
    secret: bytes = field(default=b"", repr=False)
    tls: TlsFiles | None = None
    max_frame: int = 16 * MIB
    control_buffer: int = 32 * MIB
    data_buffer: int = 64 * MIB
    handshake_timeout: float = 2.0
    dead_after: float = 2.0
    stall_after: float = 10.0
    half_open: int = 64
    backoff_min: float = 0.05
    backoff_max: float = 1.0

    def __post_init__(self) -> None:
        smallest = min(self.control_buffer, self.data_buffer)
        if smallest < self.max_frame + HEADER_BYTES:
            raise LinkError(f"a buffer of {smallest} bytes can't hold a frame of {self.max_frame}")
        if not self.secret and not is_loopback(self.host):
            where = join_address(self.host, self.port)
            raise LinkError(f"listening on {where} needs a cluster secret: without one only loopback is allowed")

    def peer_address(self, peer: int, address: str) -> tuple[str, int]:
        """Host and port of a peer's address. Raises ``LinkError``: no address, or not this machine without a secret."""
        try:
            host, port = parse_address(address)
        except ValueError as error:
            raise LinkError(f"address of node {peer}: {error}") from None
        if not self.secret and not is_loopback(host):
            raise LinkError(
                f"node {peer} at {address} needs a cluster secret: without one all nodes must be on loopback"
            )
        return host, port
