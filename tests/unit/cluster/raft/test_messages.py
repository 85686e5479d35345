"""Frames: whatever isn't a message of ours is refused before anything is done with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rmq_cluster.raft.entries import members_entry
from rmq_cluster.raft.members import Members
from rmq_cluster.raft.messages import (
    Ack,
    Append,
    BadMessage,
    Message,
    PreVote,
    PreVoted,
    Propose,
    Proposed,
    Report,
    Stale,
    TakeOver,
    Vote,
    Voted,
    decode,
    encode,
)

from rmq.storage.packing import pack
from tests.unit.cluster.raft.world import World

MESSAGES: list[Message] = [
    Append(3, 7, 10, 2, 9, 13, [(b"\x00a", 11, 2), (b"\x01", 12, 3), (members_entry(Members((1, 2), (9,))), 13, 3)]),
    Append(3, 7, 10, 2, 9, 10, []),
    Ack(3, 7, 11, True, False), Vote(1, 2, 3), Voted(4), PreVote(1, 2, 3), PreVoted(4, 5), Stale(9),
    Propose(1, 0, b"x"), Proposed(1, 2, 3), Report(2, 3, 4, 5, True), TakeOver(8),
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"\xc1", b"\x80", pack([]), pack([99]), pack([-1]), pack(["a"]), pack([True, 1]),
        pack([2, 1, 2]), pack([2, 1, 2, 3, 4]), pack([2, -1, 2, 3]), pack([2, 1 << 63, 2, 3]), pack([2, 1.5, 2, 3]),
        pack([1, 3, 7, 11, 1, 0]), pack([7, 1, 0, "text"]),
        pack([0, 3, 7, 10, 2, 9, 13, [[1, b"\x00a"]]]),  # a term before the previous one
        pack([0, 3, 7, 10, 2, 9, 13, [[4, b"\x00a"]]]),  # a term after the leader's
        pack([0, 3, 7, 10, 2, 9, 13, [[3, b""]]]), pack([0, 3, 7, 10, 2, 9, 13, [[3, b"\x03"]]]),
        pack([0, 3, 7, 10, 2, 9, 13, [[3, b"\x01x"]]]), pack([0, 3, 7, 10, 2, 9, 13, [[3, b"\x02x"]]]),
        pack([0, 3, 7, 10, 2, 9, 13, [3]]), pack([0, 3, 7, 10, 2, 9, 13, {}]),
    ],
)  # fmt: skip
def test_nonsense_is_refused(frame: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(frame)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(frame: bytes) -> None:
    try:
        decode(frame)
    except BadMessage:
        pass


def test_a_bad_frame_changes_nothing_and_the_node_goes_on(world: World) -> None:
    leader = world.wait_for_leader()
    peer = next(node for node in (1, 2, 3) if node != leader.node_id)
    for frame in (b"junk", encode(Ack(leader.node.term, 1, 1000, True, False)), encode(Propose(1, 1, b"")),
                  encode(Propose(1, 2, b"junk"))):  # fmt: skip
        with pytest.raises(BadMessage):
            leader.node.receive(peer, frame)
    world.propose(leader.node_id)
    world.check_end()
