"""The bodies of REQUEST and ANSWER frames as bytes and back; what is in a question or an answer is others' business."""

import struct
from typing import Final

from rmq_cluster.links.handler import BadFrame

# Kinds of frames on the data connection.
REQUEST: Final = 10
ANSWER: Final = 11

# What a REQUEST frame is for.
ASK: Final = 0
FORGET: Final = 1

# What an ANSWER frame has: some of a part, the rest of a part, nothing more; or why there is no answer: nothing was
# done, or nobody knows.
PIECE: Final = 0
PART: Final = 1
END: Final = 2
REFUSED: Final = 3
FAILED: Final = 4

_REQUEST: Final = struct.Struct(">BQI")
_ANSWER: Final = struct.Struct(">BQ")
ANSWER_HEAD: Final = _ANSWER.size
REQUEST_HEAD: Final = _REQUEST.size
_LONGEST_MS: Final = 0xFFFF_FFFF


def write_request(request_id: int, timeout_s: float, body: bytes) -> bytes:
    """A question, and how long the other side has for it."""
    return _REQUEST.pack(ASK, request_id, min(max(int(timeout_s * 1000), 1), _LONGEST_MS)) + body


def write_forget(request_id: int) -> bytes:
    """Nobody wants the answer any more."""
    return _REQUEST.pack(FORGET, request_id, 0)


def read_request(frame: bytes) -> tuple[int, int, float, bytes]:
    """What it is for, request id, seconds, question; ``BadFrame``."""
    if len(frame) < _REQUEST.size:
        raise BadFrame(f"a request of {len(frame)} bytes")
    what, request_id, timeout_ms = _REQUEST.unpack_from(frame)
    if what not in (ASK, FORGET):
        raise BadFrame(f"a request of kind {what}")
    return what, request_id, timeout_ms / 1000, frame[_REQUEST.size :]


def write_answer(what: int, request_id: int, body: bytes | memoryview = b"") -> bytes:
    """Some of an answer, its end, or why there is none."""
    return _ANSWER.pack(what, request_id) + body


def read_answer(frame: bytes) -> tuple[int, int, bytes]:
    """What it has, request id, bytes; ``BadFrame``."""
    if len(frame) < _ANSWER.size:
        raise BadFrame(f"an answer of {len(frame)} bytes")
    what, request_id = _ANSWER.unpack_from(frame)
    if what > FAILED:
        raise BadFrame(f"an answer of kind {what}")
    return what, request_id, frame[_ANSWER.size :]
