"""The life of links: what ends them, that both halves go together, and who dials again when."""

from __future__ import annotations

import pytest
import trio
from rmq_cluster.links import CONTROL, DATA, BadFrame
from rmq_cluster.links.frames import HEADER
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.unit.cluster.links.harness import Village


@pytest.mark.parametrize("channel", [CONTROL, DATA])
async def test_half_a_pair_takes_the_other_with_it(village: Village, autojump_clock: MockClock, channel: int) -> None:
    await village.start(1, 2)
    control, data = village.dialled(CONTROL), village.dialled(DATA)
    (control, data)[channel].cut()
    await wait_all_tasks_blocked()
    assert control.is_closed and data.is_closed
    for node, peer in ((1, 2), (2, 1)):
        assert village.nodes[node].handler.names() == [f"up {peer}", f"down {peer}"]
        assert village.nodes[node].links.connected() == set()
    await trio.sleep(1)
    for node, peer in ((1, 2), (2, 1)):
        assert village.nodes[node].handler.names() == [f"up {peer}", f"down {peer}", f"up {peer}"]
    assert len(village.world.dialled) == 4


async def test_a_link_is_up_when_both_connections_stand(village: Village, autojump_clock: MockClock) -> None:
    village.world.capacity = 0  # nothing gets through a new connection
    await village.start(1, 2)
    first, second = village.world.dialled
    first.outgoing.capacity = first.incoming.capacity = 262_144
    first.outgoing.change()
    first.incoming.change()
    await wait_all_tasks_blocked()
    assert village.nodes[1].handler.events == village.nodes[2].handler.events == []
    second.outgoing.capacity = second.incoming.capacity = 262_144
    second.outgoing.change()
    second.incoming.change()
    await wait_all_tasks_blocked()
    assert village.nodes[1].handler.names() == ["up 2"]
    assert village.nodes[2].handler.names() == ["up 1"]


@pytest.mark.parametrize("channel", [CONTROL, DATA])
async def test_silence_breaks_a_link(village: Village, autojump_clock: MockClock, channel: int) -> None:
    await village.start(1, 2)
    begun = trio.current_time()
    village.dialled(channel).freeze()
    with trio.fail_after(3):
        await village.nodes[1].handler.until(2)
    # The last byte came up to a fifth of dead_after before.
    assert 1.6 <= trio.current_time() - begun <= 2.3
    name = ("control", "data")[channel]
    assert village.nodes[1].handler.events[1] == ("down", 2, f"the {name} connection brought nothing for too long")
    assert village.nodes[1].links.counters.closes["silent"] == 1


async def test_links_with_nothing_to_say_stay_up(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    await trio.sleep(600)
    assert village.nodes[1].handler.names() == ["up 2"]
    assert village.nodes[1].handler.received == []
    assert village.nodes[1].links.counters.frames_sent == [0, 0]
    assert village.nodes[1].links.counters.bytes_sent[DATA] <= 600 / 0.2 * 5 + 5


async def test_a_peer_that_takes_nothing_is_given_up(village: Village, autojump_clock: MockClock) -> None:
    """Though it isn't silent itself."""
    village.make(1, dead_after=10.0)  # says something every 2 s, and waits longer for others than they wait for it
    village.make(2, dead_after=5.0, stall_after=3.0)
    await village.run(1, 2)
    village.dialled(DATA).outgoing.capacity = 0
    begun = trio.current_time()
    village.nodes[2].links.send(1, DATA, 10, b"x")
    with trio.fail_after(4.1):
        await village.nodes[2].handler.until(2)
    assert trio.current_time() - begun >= 3.0
    assert village.nodes[2].handler.events[1] == ("down", 1, "the data connection took nothing for too long")
    assert village.nodes[2].links.counters.closes["stalled"] == 1


async def test_a_slow_reader_is_not_given_up(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2, stall_after=1.0)
    stream = village.dialled(DATA)
    stream.outgoing.capacity = 0
    village.nodes[2].links.send(1, DATA, 10, bytes(4 << 20))
    stream.outgoing.capacity = 65_536
    for _ in range(100):
        stream.outgoing.change()
        await trio.sleep(0.1)
    assert village.nodes[2].handler.names() == ["up 1"]


async def test_a_restarted_peer_replaces_its_link(village: Village, autojump_clock: MockClock) -> None:
    """Its old connections look sound: nobody closed them. But nothing comes by them any more."""
    await village.start(1, 2)
    old = village.dialled(CONTROL), village.dialled(DATA)
    one = village.nodes[1]
    again = village.make(2, host="host-2b")
    for stream in old:
        stream.freeze()
    begun = trio.current_time()
    await village.run(2)
    await one.handler.until(3)
    assert trio.current_time() - begun < 1.5
    assert one.handler.names() == ["up 2", "down 2", "up 2"]
    assert one.handler.events[1] == ("down", 2, "the node made a new link")
    assert one.links.counters.closes["replaced"] == 1
    again.links.send(1, DATA, 10, b"new")
    for stream in old:
        stream.thaw()
    await wait_all_tasks_blocked()
    assert one.handler.received == [(2, DATA, 10, b"new")]
    assert one.links.connected() == {2}


async def test_a_second_process_with_an_id_is_refused(village: Village, autojump_clock: MockClock) -> None:
    """The first one goes on as if there were no other, and both the peer and the second one are told."""
    await village.start(1, 2)
    one, two = village.nodes[1], village.nodes[2]
    second = village.make(2, host="host-2b")
    with capture_logs() as logged:
        await village.run(2)
        await trio.sleep(30)
    assert one.handler.names() == ["up 2"]
    assert two.handler.names() == ["up 1"] and second.handler.names() == []
    # Of a pair that is refused the dialler counts one, its peer both.
    assert one.links.counters.refusals["same_id"] == 2 * second.links.counters.refusals["rejected_by_peer"] > 10
    text = "another process with the node id 2 has a link to node 1, from host-2"
    assert ("doubled", 2, text) in one.handler.refusals
    assert ("rejected by", 1, text) in second.handler.refusals and not two.handler.refusals
    assert [line["peer"] for line in logged if line.get("reason") == "same_id"] == ["host-2b"]
    # When the first one is gone, the second one takes its place.
    two.scope.cancel()
    await one.handler.until(3)
    assert one.handler.names() == ["up 2", "down 2", "up 2"]


async def test_a_replaced_link_is_never_read_again(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    one = village.nodes[1]
    old = village.dialled(DATA)
    # Bytes that have been taken from the stream and not been looked at when the link ends.
    await old.send_all(HEADER.pack(4, 10) + b"late")
    one.links.close_peer(2, "replaced")
    await wait_all_tasks_blocked()
    assert one.handler.received == []


async def test_frames_behind_the_close_stay_unread(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    one = village.nodes[1]
    one.handler.on_frames = lambda peer, _: one.links.close_peer(peer, "enough")
    stream = village.dialled(DATA)
    await stream.send_all(HEADER.pack(1, 10) + b"a")
    await wait_all_tasks_blocked()
    assert one.handler.received == [(2, DATA, 10, b"a")]
    assert one.handler.events[1] == ("down", 2, "enough")
    with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
        await stream.send_all(HEADER.pack(1, 10) + b"b")


async def test_a_handler_may_close_a_link_while_it_comes_up(village: Village, autojump_clock: MockClock) -> None:
    one, two = village.make(1), village.make(2)
    one.handler.on_up = lambda peer: one.links.close_peer(peer, "not now") if len(one.handler.events) == 1 else None
    await village.run(1, 2)
    await trio.sleep(1)
    assert one.handler.names() == ["up 2", "down 2", "up 2"]
    assert two.handler.names() == ["up 1", "down 1", "up 1"]


async def test_a_bad_frame_closes_its_link_only(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2, 3)
    one = village.nodes[1]
    one.handler.raises = BadFrame("no such kind")
    village.nodes[2].links.send(1, CONTROL, 99, b"")
    await wait_all_tasks_blocked()
    assert one.handler.events[-1] == ("down", 2, "bad frame on the control connection: no such kind")
    assert one.links.connected() == {3}
    assert one.links.counters.closes["bad_frame"] == 1
    assert one.bugs == []


async def test_a_frame_that_is_too_long_closes_its_link(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2, max_frame=1000)
    one = village.nodes[1]
    await village.dialled(DATA).send_all(HEADER.pack(1001, 10))
    await wait_all_tasks_blocked()
    assert one.handler.events[-1] == ("down", 2, "on the data connection: a frame of 1001 bytes, 1000 are allowed")
    assert one.links.counters.closes["bad_frame"] == 1


async def test_a_bug_in_handling_frames_closes_its_link_only(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2, 3)
    one = village.nodes[1]
    one.handler.raises = error = ZeroDivisionError("oh")
    village.nodes[2].links.send(1, CONTROL, 1, b"")
    await wait_all_tasks_blocked()
    assert one.bugs == [("1 frames from node 2 on the control connection, kinds [1]", error)]
    assert one.links.counters.bugs == 1
    assert one.links.counters.closes["bug"] == 1
    assert one.links.connected() == {3}
    one.handler.raises = None
    await trio.sleep(1)
    assert one.links.connected() == {2, 3}


async def test_bugs_in_the_other_calls_end_no_node(village: Village, autojump_clock: MockClock) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("oh")

    one = village.make(1)
    village.make(2)
    one.handler.on_up = fail
    await village.run(1, 2)
    assert [context for context, _ in one.bugs] == ["link to node 2 up"]
    assert one.handler.names() == ["up 2", "down 2"]
    one.handler.on_up = None
    await trio.sleep(3)
    for name, context in (
        ("hello", "hello for a handshake"),
        ("check", "check of node 2"),
        ("link_down", "link to node 2 down: again"),
    ):
        assert one.links.connected() == {2}
        one.bugs.clear()
        setattr(one.handler, name, fail)
        one.links.close_peer(2, "again")
        await trio.sleep(3)
        assert {found for found, _ in one.bugs} == {context}
        delattr(one.handler, name)
        await trio.sleep(3)
    assert one.links.connected() == {2}


async def test_a_report_that_fails_itself_ends_nothing(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    one = village.nodes[1]
    one.handler.raises = ZeroDivisionError("first")
    one.report_raises = ZeroDivisionError("second")
    with capture_logs() as logged:
        village.nodes[2].links.send(1, CONTROL, 1, b"")
        await wait_all_tasks_blocked()
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["bug behind a cluster link"] * 2


async def test_a_node_that_stops_tells_the_end_of_each_link(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2, 3)
    village.nodes[2].scope.cancel()
    await wait_all_tasks_blocked()
    assert sorted(village.nodes[2].handler.names()) == ["down 1", "down 3", "up 1", "up 3"]
    assert village.nodes[2].links.counters.closes["stopped"] == 2
    assert village.nodes[1].links.connected() == {3}
    assert village.nodes[1].handler.events[-1][2].startswith("the peer closed the ")
