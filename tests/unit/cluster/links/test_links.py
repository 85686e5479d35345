"""Two and three nodes: links that stand, frames over both channels, and what is bounded."""

from __future__ import annotations

import pytest
import trio
from rmq_cluster.links import CONTROL, DATA, LinkError
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.unit.cluster.links.harness import SECRET, Village


async def test_every_pair_has_one_link(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2, 3)
    for node, made in village.nodes.items():
        others = {1, 2, 3} - {node}
        assert made.links.connected() == others
        assert sorted(made.handler.events) == [("up", other, [f"node-{other}"]) for other in sorted(others)]
        assert made.links.counters.links_up == 2
        assert made.links.port == 1900
    assert len(village.world.dialled) == 6  # three pairs, two connections each


async def test_the_higher_id_dials(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    assert {stream.remote for stream in village.world.dialled} == {"host-1"}


async def test_frames_come_on_their_channel_in_order(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    one, two = village.nodes[1], village.nodes[2]
    for number in range(100):
        assert one.links.send(2, DATA, 10, b"data %d" % number)
        assert one.links.send(2, CONTROL, 1, b"control %d" % number)
        assert two.links.send(1, CONTROL, 255, b"")
    await wait_all_tasks_blocked()
    for channel, kind, name in ((DATA, 10, b"data"), (CONTROL, 1, b"control")):
        assert [frame for frame in two.handler.received if frame[1] == channel] == [
            (1, channel, kind, b"%s %d" % (name, number)) for number in range(100)
        ]
    assert one.handler.received == [(2, CONTROL, 255, b"")] * 100
    assert one.links.counters.frames_sent == [100, 100]
    assert two.links.counters.frames_received == [100, 100]
    assert one.links.counters.bytes_sent == two.links.counters.bytes_received


async def test_what_waits_is_sent_and_handed_over_at_once(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    for number in range(500):
        village.nodes[1].links.send(2, DATA, 10, b"%d" % number)
    await wait_all_tasks_blocked()
    assert village.nodes[2].handler.calls == [500]


async def test_long_bodies_arrive_whole(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    bodies = [bytes([number]) * (1 << 20) for number in range(3)]
    for body in bodies:
        assert village.nodes[1].links.send(2, DATA, 14, body)
    await wait_all_tasks_blocked()
    assert [body for _, _, _, body in village.nodes[2].handler.received] == bodies
    assert all(type(body) is bytes for _, _, _, body in village.nodes[2].handler.received)


async def test_frames_can_be_sent_while_the_link_comes_up(village: Village, autojump_clock: MockClock) -> None:
    one, two = village.make(1), village.make(2)
    one.handler.on_up = lambda peer: one.links.send(peer, CONTROL, 1, b"first")
    two.handler.on_up = lambda peer: two.links.send(peer, CONTROL, 1, b"first")
    await village.run(1, 2)
    assert one.handler.received == [(2, CONTROL, 1, b"first")]
    assert two.handler.received == [(1, CONTROL, 1, b"first")]


async def test_what_is_not_sent_is_counted_by_reason(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2, max_frame=1000, control_buffer=1005, data_buffer=2010)
    links = village.nodes[1].links
    assert not links.send(7, DATA, 10, b"x")
    assert not links.send(2, DATA, 10, bytes(1001))
    assert links.send(2, DATA, 10, bytes(1000))
    assert links.send(2, DATA, 10, bytes(1000))
    assert links.pending(2, DATA) == 2010
    assert not links.send(2, DATA, 10, b"")
    assert links.send(2, CONTROL, 1, bytes(1000)), "the other connection has a buffer of its own"
    assert not links.send(2, CONTROL, 1, b"")
    assert links.counters.drops == {"no_link": 1, "too_large": 1, "data_full": 1, "control_full": 1, "link_lost": 0}
    await wait_all_tasks_blocked()
    assert links.pending(2, DATA) == links.pending(7, DATA) == 0
    assert links.send(2, DATA, 10, b"")


async def test_control_goes_on_beside_a_peer_that_takes_no_data(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2, stall_after=60.0, dead_after=60.0)
    one, two = village.nodes[1], village.nodes[2]
    village.dialled(DATA).outgoing.capacity = 0
    for _ in range(10):
        assert two.links.send(1, DATA, 10, bytes(1 << 20))
    with trio.move_on_after(30):
        while True:
            two.links.send(1, CONTROL, 2, b"")
            await wait_all_tasks_blocked()
            assert one.handler.received.pop() == (2, CONTROL, 2, b"")
            await trio.sleep(0.1)
    assert two.links.pending(1, DATA) == 10 * ((1 << 20) + 5)
    assert two.links.connected() == {1}


async def test_waiting_for_room(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    two = village.nodes[2]
    stream = village.dialled(DATA)
    stream.outgoing.capacity = 0
    two.links.send(1, DATA, 10, bytes(600_000))
    two.links.send(1, DATA, 10, bytes(600_000))
    done: list[tuple[int, bool]] = []

    async def wait(below: int) -> None:
        done.append((below, await two.links.wait_for_room(1, DATA, below)))

    async with trio.open_nursery() as nursery:
        for below in (2_000_000, 1_000_000, 0):
            nursery.start_soon(wait, below)
        await wait_all_tasks_blocked()
        assert done == [(2_000_000, True)]
        stream.outgoing.capacity = 262_144
        stream.outgoing.change()
    assert done == [(2_000_000, True), (1_000_000, True), (0, True)]
    assert not await two.links.wait_for_room(7, DATA, 0)


async def test_waiting_for_room_ends_with_the_link(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    two = village.nodes[2]
    village.dialled(DATA).outgoing.capacity = 0
    two.links.send(1, DATA, 10, bytes(600_000))
    two.links.send(1, DATA, 10, b"x")
    found: list[bool] = []

    async def wait() -> None:
        found.append(await two.links.wait_for_room(1, DATA, 0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        two.links.close_peer(1, "enough")
    assert found == [False]
    assert two.links.counters.drops["link_lost"] == 1  # the one being written may have arrived


async def test_a_port_in_use_is_an_error_that_names_it(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1)
    again = village.make(1)
    with pytest.raises(LinkError, match="can't listen on host-1:1900 for other nodes: Address already in use"):
        await again.links.run()


async def test_peers_without_a_secret_are_refused_as_a_whole(village: Village, autojump_clock: MockClock) -> None:
    node = village.make(3, host="127.0.0.3", secret=b"")
    node.links.set_peers({1: "127.0.0.1:1900"})
    with pytest.raises(LinkError, match="node 2 at host-2:1900 needs a cluster secret"):
        node.links.set_peers({2: "host-2:1900"})


async def test_nodes_of_one_machine_need_no_secret(village: Village, autojump_clock: MockClock) -> None:
    for number in (1, 2):
        village.make(number, host=f"127.0.0.{number}", secret=b"")
    await village.run(1, 2)
    assert village.nodes[1].links.connected() == {2}


async def test_the_secret_is_in_no_log_and_on_no_wire(village: Village, autojump_clock: MockClock) -> None:
    with capture_logs() as logged:
        await village.start(1, 2)
        await village.start(3, secret=b"mismatched words")
        village.nodes[2].links.close_peer(1, "enough")
        await trio.sleep(5)
    assert {line["event"] for line in logged} >= {"cluster link up", "cluster link down", "cluster handshake refused"}
    for secret in (SECRET, b"mismatched words"):
        assert secret.decode() not in repr(logged)
        assert all(secret not in stream.outgoing.sent + stream.incoming.sent for stream in village.world.dialled)
