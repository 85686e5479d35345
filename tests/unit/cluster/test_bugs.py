"""Exceptions that should not have been, in a cluster that runs: told, counted, and no node ends by them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import pytest
import trio
from rmq_cluster.bugs import REST_S, Bugs
from rmq_cluster.links.direct import socket_of
from trio.testing import MockClock

from tests.unit.cluster.starting import three
from tests.unit.cluster.world import World


def fail() -> None:
    """Meet a bug."""
    raise KeyError("bug")


async def test_a_part_that_fails_in_every_turn_ends_nothing_and_fills_no_log(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await three(world)
    monkeypatch.setattr(leader.cluster.duties, "look", fail)
    begun = leader.cluster.bugs.count
    await trio.sleep(10)
    await leader.port.commit("meanwhile")
    await world.same()
    assert not leader.ended.is_set()
    assert leader.is_leader
    assert 10 <= leader.cluster.bugs.count - begun <= 22
    monkeypatch.undo()
    await trio.sleep(2 * REST_S)
    told = leader.cluster.bugs.count
    await trio.sleep(2)
    assert leader.cluster.bugs.count == told


async def test_what_was_to_be_done_later_ends_nothing(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    done: list[str] = []
    leader.cluster.after(0.5, fail)
    leader.cluster.later(fail)
    leader.cluster.later(lambda: done.append("the next one"))
    await trio.sleep(1)
    assert done == ["the next one"]
    assert leader.cluster.bugs.count == 2
    await leader.port.commit("afterwards")


async def test_a_node_steps_out_when_a_bug_ends_its_part_in_the_group(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await three(world)
    raft: Any = leader.cluster.replication.raft
    monkeypatch.setattr(raft._core, "tick_library", fail)
    await world.until(lambda: leader.port.stepped_out != "")
    monkeypatch.undo()
    assert "a bug" in leader.port.stepped_out
    assert not leader.ended.is_set()
    others = [node for node in world.nodes.values() if node is not leader]
    await world.until(lambda: any(node.is_leader for node in others))
    await others[0].port.commit("without it")
    await world.same(*(node.node_id for node in others))


async def test_a_thread_that_cant_be_started_ends_no_node_that_sends_a_snapshot(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await three(world)
    peer = next(node_id for node_id in world.nodes if node_id != leader.node_id)

    def submit(job: Callable[[], object], done: Callable[[object, Exception | None], None]) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(leader.disks["rmq-transfer"], "submit", submit)
    leader.cluster.snapshot_needed(peer)
    await trio.sleep(5)
    monkeypatch.undo()
    assert leader.cluster.bugs.count == 1
    assert not leader.ended.is_set()
    await leader.port.commit("afterwards")


def test_bugs_far_apart_have_nothing_rest() -> None:
    now = 100.0
    bugs = Bugs(lambda: now)
    done: list[float] = []
    bugs.in_turn("looking", fail)
    bugs.in_turn("looking", lambda: done.append(now))
    now += REST_S
    bugs.in_turn("looking", fail)
    bugs.in_turn("looking", lambda: done.append(now))
    assert done == [100.0, 100.0 + REST_S]
    bugs.in_turn("looking", fail)
    bugs.in_turn("looking", lambda: done.append(now))
    assert done == [100.0, 100.0 + REST_S]
    bugs.in_turn("another part", lambda: done.append(0.0))
    now += REST_S
    bugs.in_turn("looking", lambda: done.append(now))
    assert done == [100.0, 100.0 + REST_S, 0.0, 100.0 + 2 * REST_S]


async def test_a_link_does_without_a_second_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)

    def fromfd(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    with other:
        async with trio.SocketStream(trio.socket.from_stdlib_socket(one)) as stream:
            monkeypatch.setattr(socket, "fromfd", fromfd)
            assert socket_of(stream) is None
