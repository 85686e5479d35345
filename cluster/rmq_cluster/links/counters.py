"""What links count, and every reason that a drop, a refused handshake or a closed link can have."""

from typing import Final

# Why a frame wasn't sent.
DROPS: Final = {
    "no_link": "there was no link to the node",
    "control_full": "as much as may waited on its CONTROL connection",
    "data_full": "as much as may waited on its DATA connection",
    "too_large": "its body was longer than max_frame",
    "link_lost": "it waited when its link broke",
}

# Why a handshake came to nothing.
REFUSALS: Final = {
    "malformed": "what came was no handshake",
    "too_large": "a message of the handshake was too long",
    "wire_version": "the other side speaks another version",
    "wrong_peer": "the other side isn't the node it should be, or looked for another one",
    "wrong_direction": "the node with the lower id dialled",
    "bad_proof": "the other side has another secret",
    "not_loopback": "without a secret a name led to another machine",
    "same_id": "another process with the same node id has a link, and speaks",
    "rejected": "this node refused the peer",
    "rejected_by_peer": "the peer refused this node",
    "timeout": "it took too long",
    "ended": "the other side closed the connection",
    "broken": "the connection broke",
    "tls": "TLS came to nothing, such as by a certificate that isn't trusted",
    "displaced": "too many handshakes were under way, and this was the oldest",
    "no_resources": "no file or memory was left for the connection",
    "stale": "a later attempt of the same node was there first",
    "half_pair": "the other connection of the pair didn't come",
    "bug": "an exception that should not have been",
}

# Why a link went down.
CLOSES: Final = {
    "closed": "this node closed it",
    "removed": "the peer was taken off the list, or its address changed",
    "replaced": "the peer made a new one",
    "ended": "the peer closed it",
    "broken": "the connection broke",
    "silent": "nothing was heard for too long",
    "stalled": "the peer took nothing for too long",
    "bad_frame": "the peer sent what no sound peer sends",
    "bug": "an exception that should not have been",
    "stopped": "this node stopped",
}


class LinkCounters:
    """Counters of all links of a node since its start; they only grow.

    Frames and bytes are by channel (CONTROL, DATA); bytes are those of frames with their headers, without TLS.
    """

    __slots__ = (
        "bugs",
        "bytes_received",
        "bytes_sent",
        "closes",
        "dials_failed",
        "drops",
        "frames_received",
        "frames_sent",
        "links_up",
        "refusals",
    )

    def __init__(self) -> None:
        self.frames_sent = [0, 0]
        self.frames_received = [0, 0]
        self.bytes_sent = [0, 0]
        self.bytes_received = [0, 0]
        self.links_up = 0
        # Connections that couldn't be opened: nobody listens, no such name, no way there.
        self.dials_failed = 0
        # Exceptions of the handler that should not have been.
        self.bugs = 0
        self.drops = dict.fromkeys(DROPS, 0)
        self.refusals = dict.fromkeys(REFUSALS, 0)
        self.closes = dict.fromkeys(CLOSES, 0)
