"""The messages of a handshake, without I/O: who speaks to whom, and the proof that both have the secret.

    dialler                                listener
    HELLO  ------------------------------>
           <------------------------------  HELLO
    PROOF  ------------------------------>           the dialler first: a stranger gets no proof to guess at
           <------------------------------  PROOF
    READY  ------------------------------>           when both connections of the pair have come so far

A HELLO says magic, version, node, side, the node it is for, channel, nonce, and which attempt of the dialler it
belongs to. A PROOF is an HMAC-SHA256 (RFC 2104) under the secret over the side that speaks, both HELLOs as they were
sent and what follows it in the message: nothing of a handshake can be used in another one, on another channel, between
other nodes or in the other direction. What follows is what the node tells about itself, and is decoded only when the
proof is right.
"""

import hmac
import secrets
from hashlib import sha256
from typing import Any, Final

from rmq.storage.packing import pack, unpack
from rmq_cluster.links.handler import CHANNELS

MAGIC: Final = "rmq-link"
WIRE_VERSION: Final = 1
DIALLER: Final = 0
LISTENER: Final = 1
# Kinds of the frames of a handshake.
HELLO: Final = 1
PROOF: Final = 2
READY: Final = 3

MAX_MESSAGE: Final = 4096
MAX_FIELDS: Final = 3072
# Of a text that says why a peer is refused, in characters.
MAX_REASON: Final = 200
BY_PEER: Final = "rejected_by_peer"
_BY_PEER_TEXT: Final = "refused by the peer: "
NONCE_BYTES: Final = 32
RUN_BYTES: Final = 16
_MAC_BYTES: Final = 32
_MAX_ID: Final = 1 << 63
_LABEL: Final = b"rmq link 1\x00"


class Refused(Exception):
    """A handshake came to nothing: the kind is a key of ``counters.REFUSALS``, the text is for people."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Hello:
    """A HELLO: ``node`` speaks on one ``side`` to node ``to``; ``run`` and ``attempt`` name the pair being made."""

    __slots__ = ("attempt", "channel", "node", "nonce", "packed", "run", "side", "to")

    def __init__(self, node: int, side: int, to: int, channel: int, nonce: bytes, run: bytes, attempt: int) -> None:
        self.node = node
        self.side = side
        self.to = to
        self.channel = channel
        self.nonce = nonce
        # Random, of one run of the dialler's links; and a number that grows with its attempts in that run.
        self.run = run
        self.attempt = attempt
        # As it was sent: what both proofs cover.
        self.packed = b""


def say_hello(node: int, side: int, to: int, channel: int, run: bytes, attempt: int) -> Hello:
    """A HELLO with a nonce of its own, to be sent as ``packed``."""
    hello = Hello(node, side, to, channel, secrets.token_bytes(NONCE_BYTES), run, attempt)
    hello.packed = pack([MAGIC, WIRE_VERSION, node, side, to, channel, hello.nonce, run, attempt])
    return hello


def read_hello(message: bytes, side: int) -> Hello:
    """The HELLO of a peer that should be on this side. Raises ``Refused``."""
    fields = _unpack(message)
    # These three stay as they are in all versions, so that each can name the other.
    if len(fields) < 3 or fields[0] != MAGIC or not _is_number(fields[1]) or not _is_number(fields[2]):
        raise Refused("malformed", "what came is no rmq link")
    version, node = fields[1], fields[2]
    if version != WIRE_VERSION:
        raise Refused("wire_version", f"node {node} speaks version {version} of links, this node {WIRE_VERSION}")
    if len(fields) != 9 or not all(_is_number(fields[at]) for at in (3, 4, 5, 8)):
        raise Refused("malformed", "what came is no HELLO")
    _, _, _, found_side, to, channel, nonce, run, attempt = fields
    if not _is_bytes(nonce, NONCE_BYTES) or not _is_bytes(run, RUN_BYTES) or channel not in CHANNELS:
        raise Refused("malformed", "what came is no HELLO")
    if found_side != side:
        raise Refused("malformed", "what came is the HELLO of the other side")
    hello = Hello(node, side, to, channel, nonce, run, attempt)
    hello.packed = message
    return hello


def check_dialler(theirs: Hello, node: int) -> None:
    """Whether the dialler means this node and may dial it. Raises ``Refused``."""
    if theirs.node == node:
        raise Refused("wrong_peer", f"another node has the id {node} too")
    if theirs.to != node:
        raise Refused("wrong_peer", f"node {theirs.node} looks for node {theirs.to} here, this is node {node}")
    if theirs.node < node:
        raise Refused("wrong_direction", f"node {theirs.node} dialled node {node}: the higher id dials the lower one")


def check_listener(theirs: Hello, ours: Hello) -> None:
    """Whether who answered is who was dialled, and answers this HELLO. Raises ``Refused``."""
    if theirs.node != ours.to:
        raise Refused("wrong_peer", f"node {theirs.node} answered where node {ours.to} should be")
    if (theirs.to, theirs.channel, theirs.run, theirs.attempt) != (ours.node, ours.channel, ours.run, ours.attempt):
        raise Refused("malformed", "what came answers another HELLO")


def pack_fields(fields: list[object]) -> bytes:
    """What this node tells about itself, for ``prove``. Raises ``ValueError``, ``TypeError``: too long, or no data."""
    packed = pack([None, fields])
    if len(packed) > MAX_FIELDS:
        raise ValueError(f"a hello of {len(packed)} bytes, {MAX_FIELDS} are allowed")
    return packed


def pack_rejection(text: str) -> bytes:
    """Why the peer is rejected, for ``prove``."""
    return pack([text[:MAX_REASON], []])


def make_key(secret: bytes) -> hmac.HMAC:
    """The secret as proofs need it; no text of this object shows it, in whatever traceback it may turn up."""
    return hmac.new(secret, _LABEL, sha256)


def prove(key: hmac.HMAC, side: int, dialler: Hello, listener: Hello, packed: bytes) -> bytes:
    """A PROOF of this side, with the fields or the rejection that it covers."""
    return _mac(key, side, dialler, listener, packed) + packed


def check_proof(key: hmac.HMAC, side: int, dialler: Hello, listener: Hello, message: bytes) -> list[Any]:
    """What the peer on this side tells about itself. Raises ``Refused``: another secret, or it rejects this node."""
    packed = message[_MAC_BYTES:]
    if not hmac.compare_digest(message[:_MAC_BYTES], _mac(key, side, dialler, listener, packed)):
        raise Refused("bad_proof", "the other side has another secret")
    told = _unpack(packed)
    if len(told) != 2 or not isinstance(told[1], list):
        raise Refused("malformed", "what came is no PROOF")
    _raise_rejection(told[0])
    return told[1]


def make_ready(rejection: str | None) -> bytes:
    """A READY, or why the listener is rejected after all."""
    return pack([None if rejection is None else rejection[:MAX_REASON]])


def check_ready(message: bytes) -> None:
    """Whether the dialler is ready. Raises ``Refused``."""
    told = _unpack(message)
    if len(told) != 1:
        raise Refused("malformed", "what came is no READY")
    _raise_rejection(told[0])


def _raise_rejection(text: object) -> None:
    """Raises ``Refused`` unless the peer gave no reason for one."""
    if text is None:
        return
    if not isinstance(text, str) or len(text) > MAX_REASON:
        raise Refused("malformed", "what came is no reason")
    raise Refused(BY_PEER, f"{_BY_PEER_TEXT}{text}")


def words_of_peer(refused: Refused) -> str:
    """What the peer said that refused this node (``BY_PEER``)."""
    return str(refused).removeprefix(_BY_PEER_TEXT)


def _mac(key: hmac.HMAC, side: int, dialler: Hello, listener: Hello, packed: bytes) -> bytes:
    found = key.copy()
    found.update(bytes([side]))
    for part in (dialler.packed, listener.packed, packed):
        found.update(len(part).to_bytes(4, "big"))
        found.update(part)
    return found.digest()


def _unpack(message: bytes) -> list[Any]:
    try:
        return unpack(message)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise Refused("malformed", "what came is no rmq link") from None


def _is_number(found: object) -> bool:
    return type(found) is int and 0 <= found < _MAX_ID


def _is_bytes(found: object, size: int) -> bool:
    return isinstance(found, bytes) and len(found) == size
