"""The listening side against strangers, wrong peers and halves of pairs."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import trio
from rmq_cluster.links import CONTROL, DATA
from rmq_cluster.links.counters import LinkCounters
from rmq_cluster.links.frames import HEADER
from rmq_cluster.links.guard import Guard, log_bug
from rmq_cluster.links.handshake import Greeter, say_ready
from rmq_cluster.links.hello import DIALLER, HELLO, MAGIC, MAX_MESSAGE, PROOF, READY, WIRE_VERSION, say_hello
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.storage.packing import pack
from tests.support.memory_network import MemoryStream
from tests.unit.cluster.links.harness import SECRET, LinkedNode, Recorder, Village

RUN = b"r" * 16


def frame(kind: int, body: bytes) -> bytes:
    return HEADER.pack(len(body), kind) + body


async def answer(stream: trio.abc.Stream) -> bytes:
    """All that comes until the other side closes."""
    data = b""
    try:
        while part := await stream.receive_some():
            data += part
    except trio.BrokenResourceError:
        pass
    return data


async def node_alone(village: Village, **changes: object) -> LinkedNode:
    await village.start(1, **changes)
    return village.nodes[1]


async def stranger(village: Village, data: bytes = b"") -> trio.abc.Stream:
    """A connection to node 1 from somewhere else, which says this at once."""
    stream = await village.world.host("stranger").dial("host-1", 1900, "host-1")
    await stream.send_all(data)
    return stream


async def dial_as_2(village: Village, channel: int, attempt: int, run: bytes = RUN) -> trio.abc.Stream:
    """A connection of node 2 that has come to its READY."""
    greeter = Greeter(2, SECRET, Guard(Recorder(2), log_bug, LinkCounters()))
    stream = await stranger(village)
    await greeter.greet_listener(stream, 1, channel, run, attempt)
    await say_ready(stream)
    await wait_all_tasks_blocked()
    return stream


def refusals(node: LinkedNode) -> dict[str, int]:
    return {kind: count for kind, count in node.links.counters.refusals.items() if count}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"\x10\x20\x00\x04MQTT", "malformed"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "malformed"),
        (frame(PROOF, b""), "malformed"),
        (frame(HELLO, b""), "malformed"),
        (frame(HELLO, b"\xc1" * MAX_MESSAGE), "malformed"),
        (HEADER.pack(MAX_MESSAGE + 1, HELLO), "too_large"),
        (frame(HELLO, say_hello(2, DIALLER, 3, 0, RUN, 1).packed), "wrong_peer"),
        (frame(HELLO, say_hello(1, DIALLER, 1, 0, RUN, 1).packed), "wrong_peer"),
        (frame(HELLO, say_hello(0, DIALLER, 1, 0, RUN, 1).packed), "wrong_direction"),
        (frame(HELLO, say_hello(2, DIALLER, 1, 0, RUN, 1).packed) + frame(PROOF, bytes(40)), "bad_proof"),
        (frame(HELLO, say_hello(2, DIALLER, 1, 0, RUN, 1).packed) + frame(READY, bytes(40)), "malformed"),
    ],
    ids=range(12),  # what is said has a nonce in it: no name for a test
)
async def test_strangers_are_closed_and_counted(
    village: Village, autojump_clock: MockClock, data: bytes, kind: str
) -> None:
    node = await node_alone(village)
    stream = await stranger(village, data)
    with trio.fail_after(0.1):
        await answer(stream)
    assert refusals(node) == {kind: 1}
    assert not node.handler.checked and not node.handler.events


async def test_a_stranger_learns_node_and_version_and_no_more(village: Village, autojump_clock: MockClock) -> None:
    node = await node_alone(village)
    node.handler.fields = ["what only peers may know"]
    hello = frame(HELLO, say_hello(2, DIALLER, 1, 0, RUN, 1).packed)
    stream = await stranger(village, hello + frame(PROOF, bytes(100)))
    told = await answer(stream)
    assert MAGIC.encode() in told
    assert len(told) < 120
    assert b"what only" not in told


async def test_another_version_is_one_line_that_names_both(village: Village, autojump_clock: MockClock) -> None:
    node = await node_alone(village)
    with capture_logs() as logged:
        for _ in range(3):
            stream = await stranger(village, frame(HELLO, pack([MAGIC, WIRE_VERSION + 1, 2, "new things"])))
            assert MAGIC.encode() in await answer(stream)  # so that the other side can say so too
    assert refusals(node) == {"wire_version": 3}
    (line,) = logged
    assert line["peer"] == "stranger"
    assert line["text"] == f"node 2 speaks version {WIRE_VERSION + 1} of links, this node {WIRE_VERSION}"


async def test_who_says_nothing_or_stops_half_way_is_closed(village: Village, autojump_clock: MockClock) -> None:
    node = await node_alone(village)
    hello = frame(HELLO, say_hello(2, DIALLER, 1, 0, RUN, 1).packed)
    streams = [await stranger(village, data) for data in (b"", hello[:3], hello[:-1], hello)]
    begun = trio.current_time()
    for stream in streams:
        await answer(stream)
    assert trio.current_time() - begun == pytest.approx(2.0)
    assert refusals(node) == {"timeout": 4}


async def test_who_hangs_up_is_counted(village: Village, autojump_clock: MockClock) -> None:
    node = await node_alone(village)
    await (await stranger(village, b"\x00")).aclose()
    cut = await stranger(village)
    assert isinstance(cut, MemoryStream)
    cut.cut()
    await wait_all_tasks_blocked()
    assert refusals(node) == {"ended": 1, "broken": 1}


async def test_silent_connections_keep_nobody_out(village: Village, autojump_clock: MockClock) -> None:
    """The oldest gives way to the newest."""
    one = await node_alone(village, half_open=8)
    for _ in range(20):
        await stranger(village)
        await wait_all_tasks_blocked()
    assert refusals(one) == {"displaced": 12}
    await village.start(2)
    assert one.links.connected() == {2}
    assert refusals(one) == {"displaced": 14}


async def test_another_secret(village: Village, autojump_clock: MockClock) -> None:
    one = await node_alone(village)
    with capture_logs() as logged:
        await village.start(2, secret=b"mismatched")
        await trio.sleep(10)
    two = village.nodes[2]
    assert set(refusals(one)) == {"bad_proof"}
    assert set(refusals(two)) == {"ended"}
    assert one.handler.checked == two.handler.checked == []
    lines = [(line["peer"], line["text"], line["log_level"]) for line in logged]
    assert sorted(lines) == [
        ("host-2", "the other side has another secret", "warning"),
        ("node 1 at host-1:1900", "the other side closed the connection; has it another secret?", "warning"),
    ]


async def test_the_listener_refuses_and_says_why(village: Village, autojump_clock: MockClock) -> None:
    one = village.make(1)
    village.make(2)
    one.handler.refuse = "another cluster"
    with capture_logs() as logged:
        await village.run(1, 2)
    assert set(refusals(one)) == {"rejected"}
    assert set(refusals(village.nodes[2])) == {"rejected_by_peer"}
    assert one.handler.checked[0] == (2, ["node-2"])
    assert {line["text"] for line in logged} == {"another cluster", "refused by the peer: another cluster"}
    one.handler.refuse = None
    await trio.sleep(2)
    assert one.links.connected() == {2}


async def test_the_dialler_refuses_and_says_why(village: Village, autojump_clock: MockClock) -> None:
    village.make(1)
    two = village.make(2)
    two.handler.refuse = "another cluster"
    await village.run(1, 2)
    assert set(refusals(two)) == {"rejected"}
    assert "rejected_by_peer" in refusals(village.nodes[1])
    assert village.nodes[1].handler.events == two.handler.events == []


async def test_a_handshake_that_was_recorded_is_worth_nothing(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    recorded = [bytes(stream.outgoing.sent) for stream in village.world.dialled]
    one = village.nodes[1]
    for data in recorded:
        await answer(await stranger(village, data))
    assert refusals(one) == {"bad_proof": 2}
    assert one.handler.names() == ["up 2"]


async def test_a_node_does_not_prove_its_own_challenge(village: Village, autojump_clock: MockClock) -> None:
    """A mirror that sends everything back to whoever dials it, in the place of node 1, learns and gains nothing."""
    listener = (await village.world.host("host-1").listen("host-1", 1900))[0]
    two = village.make(2)
    two.links.set_peers({1: "host-1:1900"})
    async with trio.open_nursery() as nursery:
        await nursery.start(two.run)

        async def mirror() -> None:
            while True:
                stream = await listener.accept()
                nursery.start_soon(reflect, stream)

        async def reflect(stream: trio.abc.Stream) -> None:
            async with stream:
                try:
                    while data := await stream.receive_some():
                        await stream.send_all(data)
                except trio.BrokenResourceError:
                    pass

        nursery.start_soon(mirror)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert set(refusals(two)) == {"malformed"}
    assert not two.handler.checked and not two.handler.events


async def test_half_a_pair_is_given_up(village: Village, autojump_clock: MockClock) -> None:
    node = await node_alone(village)
    begun = trio.current_time()
    stream = await dial_as_2(village, CONTROL, 1)
    await answer(stream)
    assert trio.current_time() - begun == pytest.approx(2.0)
    assert refusals(node) == {"half_pair": 1}
    assert node.handler.events == []


async def test_halves_of_two_attempts_make_no_pair(village: Village, autojump_clock: MockClock) -> None:
    """The later attempt takes the place of the earlier one, whatever comes first."""
    node = await node_alone(village)
    first = await dial_as_2(village, CONTROL, 1)
    data = await dial_as_2(village, DATA, 2)
    await answer(first)
    assert node.handler.events == []
    await answer(await dial_as_2(village, CONTROL, 1))
    await answer(await dial_as_2(village, DATA, 2))  # there already
    assert node.handler.events == []
    assert refusals(node) == {"stale": 3}
    await dial_as_2(village, CONTROL, 2)
    assert node.handler.names() == ["up 2"]
    await answer(await dial_as_2(village, CONTROL, 2))
    assert refusals(node) == {"stale": 4}
    assert node.handler.names() == ["up 2"]
    await data.send_all(frame(10, b"x"))
    await wait_all_tasks_blocked()
    assert node.handler.received == [(2, DATA, 10, b"x")]


async def test_halves_of_two_processes_make_no_pair(village: Village, autojump_clock: MockClock) -> None:
    node = await node_alone(village)
    await dial_as_2(village, CONTROL, 1)
    await dial_as_2(village, DATA, 1, b"R" * 16)
    assert node.handler.events == []
    await dial_as_2(village, CONTROL, 1, b"R" * 16)
    assert node.handler.names() == ["up 2"]
    assert refusals(node) == {"stale": 1}


async def test_a_ready_that_does_not_come(village: Village, autojump_clock: MockClock) -> None:
    node = await node_alone(village)
    stream = await stranger(village)
    greeter = Greeter(2, SECRET, Guard(Recorder(2), log_bug, LinkCounters()))
    await greeter.greet_listener(stream, 1, CONTROL, RUN, 1)
    await answer(stream)
    assert refusals(node) == {"timeout": 1}


async def test_a_removed_peer_does_not_come_in_by_a_handshake_under_way(
    village: Village, autojump_clock: MockClock
) -> None:
    one, two = village.make(1), village.make(2)
    # Removed when the node has been checked already, and isn't up yet.
    checked = one.handler.check

    def check(peer: int, hello: list[object]) -> str | None:
        if len(one.handler.checked) == 1:
            one.links.set_peers({})
        return checked(peer, hello)

    one.handler.check = check  # type: ignore[method-assign] # a hook
    await village.run(1, 2)
    assert one.handler.events == []
    assert refusals(one)["stale"] >= 1
    assert two.handler.names() in ([], ["up 1", "down 1"])


async def test_a_node_that_cant_accept_does_so_again_later(
    village: Village, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await node_alone(village)
    listener = type(village.world.listeners["host-1", 1900])
    accept = listener.accept
    full, forbidden = (OSError(errno.EMFILE, "Too many open files"), OSError(errno.EPERM, "Operation not permitted"))
    failures = iter([full, full, forbidden])

    async def fail(self: Any) -> trio.abc.Stream:
        for error in failures:
            raise error
        return await accept(self)

    monkeypatch.setattr(listener, "accept", fail)
    await answer(await stranger(village, frame(PROOF, b"")))  # the accept that was waiting already
    await trio.sleep(1)
    assert refusals(one) == {"malformed": 1, "no_resources": 3}
    await village.start(2)
    assert one.links.connected() == {2}
