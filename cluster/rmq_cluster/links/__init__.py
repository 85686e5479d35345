"""Links: two authenticated TCP connections to every other node, and frames over them.

links       the composition: what is sent, received, dialled, listened for, counted
handler     the other side of it: what links tell and ask, the two channels, BadFrame
options     where to listen, the secret, limits and times; what is refused before anything is opened
addresses   "host:port" as host and port, and which hosts are this machine
counters    what is counted, and every reason for a drop, a refusal or a closed link
hello       who speaks to whom, and the proof of the secret: messages of the handshake, without I/O
handshake   the handshake over a stream, from either side
refusals    handshakes that came to nothing: counted, and logged once a minute
guard       calls of the handler, whose bugs end no more than one link
frames      frames out of bytes and into bytes
direct      links over plain TCP without a task each: sockets read by the reactor
connection  one connection that stands: what waits to be sent, its writer, what was heard
link        the two connections to one node, read and written until either breaks
accepting   the listening side: half-open handshakes, and halves of a pair that find each other
finding     which node is at an address
dialling    the dialling side: names resolved, both connections opened, back-off
watch       keep-alives, and the end of links that have gone silent
network     streams as links need them: the interface
tcp         streams over TCP, with TLS or without
tls         TLS settings with certificates that both sides show
"""

from rmq_cluster.links.counters import LinkCounters
from rmq_cluster.links.dialling import Unreachable
from rmq_cluster.links.handler import CONTROL, DATA, BadFrame, LinkHandler
from rmq_cluster.links.hello import Refused
from rmq_cluster.links.links import Links
from rmq_cluster.links.network import Network
from rmq_cluster.links.options import LinkError, LinkOptions, TlsFiles

__all__ = [
    "CONTROL",
    "DATA",
    "BadFrame",
    "LinkCounters",
    "LinkError",
    "LinkHandler",
    "LinkOptions",
    "Links",
    "Network",
    "Refused",
    "TlsFiles",
    "Unreachable",
]
