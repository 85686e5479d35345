"""Snapshots on their way from one node to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from rmq_cluster.kinds import FILE
from rmq_cluster.links import DATA
from rmq_cluster.options import ClusterOptions
from rmq_cluster.raft.log import RaftLog
from rmq_cluster.transfer import ACCEPTED, BadTransfer, Begin, End, Part, read_message
from trio.testing import MockClock

from rmq.storage.record_file import CorruptFile
from tests.unit.cluster.world import CountingPort, Node, World

MIB = 1024 * 1024


def small_window(_: CountingPort, options: ClusterOptions) -> None:
    options.transfer_window = 256 * 1024
    options.log_kept = 0


async def with_snapshot(world: World, padding: int) -> tuple[Node, int]:
    """Three nodes with a log that begins after a snapshot of about so many bytes; the leader and another node's id."""

    for node_id in (1, 2, 3):
        await world.start(node_id, change=small_window)
    await world.ready()
    leader = await world.leader()
    for number in range(5):
        await leader.port.commit(number)
    await world.same()
    for node in world.nodes.values():
        node.port.padding = padding
        node.port.take_snapshot()
    await world.until(lambda: all(node.port.snapshot_index > 0 for node in world.nodes.values()))
    # As the others will be when they come back: behind what the log still has.
    assert all(node.cluster.replication.log.base_index > 1 for node in world.nodes.values())
    return leader, next(node_id for node_id in (1, 2, 3) if node_id != leader.node_id)


async def test_a_node_with_an_empty_disk_gets_a_snapshot(world: World, autojump_clock: MockClock) -> None:
    leader, other = await with_snapshot(world, 3 * MIB)
    await world.kill(other)
    world.wipe(other)
    node = await world.start(other, change=small_window)
    await world.ready(other)
    await world.same()
    assert node.cluster.incoming.received == 1
    assert (node.port.folder / "padding").stat().st_size == 3 * MIB
    assert not list((leader.cluster.folder / "outgoing").iterdir())
    assert leader.cluster.outgoing.sent == 1
    await leader.port.commit("after")
    await world.same()


async def test_no_more_is_under_way_than_the_window_lets(world: World, autojump_clock: MockClock) -> None:
    leader, other = await with_snapshot(world, 4 * MIB)
    await world.kill(other)
    world.wipe(other)
    node = await world.start(other, change=small_window)
    node.disks["rmq-transfer"].delay_s = 0.01
    most = 0
    while not node.cluster.ready.is_set():
        most = max(most, leader.cluster.outgoing.bytes - node.cluster.incoming.bytes)
        await trio.sleep(0.001)
    assert 0 < most <= 256 * 1024 + 64 * 1024


async def test_a_transfer_that_breaks_begins_anew(world: World, autojump_clock: MockClock) -> None:
    leader, other = await with_snapshot(world, 8 * MIB)
    await world.kill(other)
    world.wipe(other)
    node = await world.start(other, change=small_window)
    await world.until(lambda: node.cluster.incoming.running and leader.cluster.outgoing.bytes > MIB)
    world.break_links(other)
    await world.ready(other)
    await world.same()
    assert leader.cluster.outgoing.failed == 1
    assert node.cluster.incoming.received == 1


async def test_one_that_comes_before_the_hello_of_its_sender_is_taken(world: World, autojump_clock: MockClock) -> None:
    """They come over different connections; unanswered, the sender would wait for its answer for as long as it may."""
    leader, other = await with_snapshot(world, 0)
    node = world.nodes[other]
    node.cluster.peers.peer(leader.node_id).started = False
    answers: list[int] = []
    leader.cluster.outgoing.answered = lambda _, ack: answers.append(ack.kind)  # type: ignore[method-assign, assignment]  # to see it
    begin = Begin(1, leader.port.applied_index + 100, 1, (1, 2, 3), (), (("x", 1),))
    leader.cluster.links.send(other, DATA, FILE, begin.packed())
    await world.until(lambda: bool(answers))
    assert answers == [ACCEPTED]


async def test_a_full_disk_refuses_it_and_the_cluster_goes_on(world: World, autojump_clock: MockClock) -> None:
    leader, other = await with_snapshot(world, MIB)
    await world.kill(other)
    world.wipe(other)
    node = await world.start(other, change=small_window)
    node.disks["rmq-transfer"].is_full = True
    await world.until(lambda: leader.cluster.outgoing.failed > 0)
    await leader.port.commit("goes on")
    node.disks["rmq-transfer"].is_full = False
    await world.ready(other)
    await world.same()


async def test_the_process_ends_after_the_snapshot_is_in_place_and_before_the_log(
    world: World, autojump_clock: MockClock
) -> None:
    _, other = await with_snapshot(world, 0)
    await world.kill(other)
    world.wipe(other)
    node = await world.start(other, change=small_window)
    await world.until(lambda: node.cluster.replication.raft is not None)

    def dies(*_: object) -> None:
        raise OSError(5, "the process ends here")

    node.cluster.replication.installed = dies  # type: ignore[method-assign, assignment]  # where it ends
    await world.until(lambda: node.port.snapshot_index > 0)
    await world.kill(other)
    node = await world.start(other, change=small_window)
    await world.ready(other)
    await world.same()
    assert node.cluster.incoming.received == 0
    assert node.cluster.identity is not None
    assert node.cluster.identity.installing is None


async def test_a_log_that_lost_its_tail_goes_on_after_the_snapshot(world: World, autojump_clock: MockClock) -> None:
    _, other = await with_snapshot(world, 0)
    await world.kill(other)
    # The snapshot was synced, the log wasn't, and the power went.
    log_folder = world.data(other) / "raft"
    raft_log = RaftLog(log_folder, world.boot)
    raft_log.reset(1, 1, raft_log.members)
    raft_log.close(clean=False)
    await world.start(other, change=small_window)
    await world.ready(other)
    await world.same()


async def test_a_snapshot_that_is_missing_is_told_at_the_start(world: World, autojump_clock: MockClock) -> None:
    _, other = await with_snapshot(world, 0)
    await world.kill(other)
    raft_log = RaftLog(world.data(other) / "raft", world.boot)
    raft_log.reset(raft_log.last_index, 1, raft_log.members)
    raft_log.close(clean=True)
    for path in (world.data(other) / "storage").iterdir():
        path.unlink()
    with pytest.raises(CorruptFile, match="no snapshot goes as far"):
        await world.start(other)


@pytest.mark.parametrize(
    "body",
    [
        Begin(1, 5, 1, (1,), (), (("../x", 1),)).packed(),
        Begin(1, 5, 1, (1,), (), (("a/b", 1),)).packed(),
        Begin(1, 5, 1, (1,), (), ((".hidden", 1),)).packed(),
        Begin(1, 5, 1, (1,), (), (("x", 1), ("x", 1))).packed(),
        Begin(1, 5, 1, (1,), (), ()).packed(),
        Part(1, 0, 0, b"x" * 100_000).packed(),
        End(1, (-1,)).packed(),
        b"",
        b"\x93\x09\x01\x01",
        b"\xc1",
    ],
)
def test_what_no_sound_peer_sends_is_refused(body: bytes) -> None:
    with pytest.raises(BadTransfer):
        read_message(body)


def test_messages_come_back_as_they_were() -> None:
    for message in (
        Begin(7, 5, 2, (1, 2), (3,), (("a", 1), ("b", 0))),
        Part(7, 1, 10, b"data"),
        End(7, (1, 2)),
    ):
        assert read_message(message.packed()) == message


async def test_while_one_is_put_in_place_no_other_one_is_taken(world: World, autojump_clock: MockClock) -> None:
    """And nothing is applied, links may break, and it is in place all the same."""
    leader, other = await with_snapshot(world, MIB)
    await world.kill(other)
    world.wipe(other)
    node = await world.start(other, change=small_window)
    load = node.port.load_snapshot
    late: list[Callable[[], None]] = []

    def later(folder: Path, index: int, term: int, done: Callable[[Exception | None], None]) -> None:
        late.append(lambda: load(folder, index, term, done))

    node.port.load_snapshot = later  # type: ignore[method-assign]  # what takes a while
    await world.until(lambda: bool(late))
    begin = Begin(99, leader.port.applied_index, 1, (1, 2, 3), (), (("x", 1),))
    node.cluster.incoming.take(leader.node_id, begin)
    world.break_links(other)
    await leader.port.commit("meanwhile")
    raft = node.cluster.replication.raft
    assert raft is not None
    await world.until(lambda: raft.commit_index > raft.applied_index or bool(node.cluster.links.connected()))
    await trio.sleep(5)
    assert node.port.applied_index == 0 and len(late) == 1
    late[0]()
    await world.ready(other)
    await world.same()
    assert node.cluster.incoming.received == 1
