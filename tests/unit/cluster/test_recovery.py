"""Backups, a rescue of one node, and nodes that are rebuilt from the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from rmq_cluster.identity import load_identity
from rmq_cluster.recover import prepare, rebuild, rescue
from trio.testing import MockClock

from rmq.management.errors import (
    BackupFailed,
    ClusterRefused,
    NotAMember,
)
from rmq.storage.record_file import CorruptFile
from tests.unit.cluster.starting import addresses, alone, three
from tests.unit.cluster.world import World


async def test_a_backup_founds_another_cluster(world: World, autojump_clock: MockClock, tmp_path: Path) -> None:
    leader = await three(world)
    await leader.port.commit("in the backup")
    target = tmp_path / "backup"
    view = await leader.cluster.control.backup(target)
    assert view.path == str(target)
    assert view.size > 0
    await leader.port.commit("later")
    with pytest.raises(BackupFailed, match="already"):
        await leader.cluster.control.backup(target)
    for node_id in (1, 2, 3):
        await world.kill(node_id)
        world.wipe(node_id)
    # A node that waits for the others of its new cluster.
    first = await world.start(1)
    await first.cluster.control.restore(target)
    await world.start(2)
    await world.start(3)
    await world.ready()
    await world.same()
    assert world.nodes[3].port.values == ["in the backup"]


async def test_a_damaged_backup_is_refused(world: World, autojump_clock: MockClock, tmp_path: Path) -> None:
    leader = await three(world)
    await leader.cluster.control.backup(tmp_path / "backup")
    path = next((tmp_path / "backup").glob("snapshot-*"))
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(bytes(data))
    node = await alone(world, 9)
    with pytest.raises(BackupFailed, match="damaged"):
        await node.cluster.control.restore(tmp_path / "backup")
    with pytest.raises(ClusterRefused):
        await leader.cluster.control.restore(tmp_path / "backup")
    with pytest.raises(BackupFailed, match="No such file"):
        await node.cluster.control.restore(tmp_path / "nothing")


async def test_rescue_goes_on_alone_and_refuses_the_others(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    await leader.port.commit("kept")
    await world.same()
    await world.kill(2)
    await world.kill(3)
    node = world.nodes[1]
    await world.until(lambda: not node.port.quorum)
    node.port.propose(["add", "waits"])
    warnings = await node.cluster.control.rescue_warnings()
    assert any("nodes 2, 3" in warning for warning in warnings)
    await node.cluster.control.rescue()
    await world.until(lambda: node.port.values == ["kept", "waits"])
    await node.port.commit("alone")
    # What comes back with the data of before is told why it may not.
    await world.start(2)
    await trio.sleep(5)
    assert not world.nodes[2].cluster.ready.is_set()
    reason = node.cluster.reception.check(2, world.nodes[2].cluster.reception.hello())
    assert reason is not None
    assert "left behind when the cluster was rescued" in reason
    await world.kill(2)
    # Rescued once more: nobody else, after a restart too.
    await world.kill(1)
    node = await world.start(1)
    await world.ready(1)
    assert node.port.values == ["kept", "waits", "alone"]
    # It comes back empty, by a person's wish.
    world.wipe(2)
    second = await alone(world, 2)
    await second.cluster.control.join(addresses(world, 1))
    await world.same(1, 2)


@pytest.mark.parametrize("rescued", [1, 3])
async def test_who_was_left_behind_by_a_rescue_comes_back_by_a_rebuild(
    world: World, autojump_clock: MockClock, rescued: int
) -> None:
    leader = await three(world)
    await leader.port.commit("kept")
    await world.same()
    others = [node_id for node_id in (1, 2, 3) if node_id != rescued]
    for node_id in others:
        await world.kill(node_id)
    node = world.nodes[rescued]
    await world.until(lambda: not node.port.quorum)
    await node.cluster.control.rescue()
    for node_id in others:
        rebuild(world.data(node_id), world.data(node_id) / "storage")
        await world.start(node_id)
    await world.ready()
    await world.until(lambda: all(node.voters == (1, 2, 3) for node in world.nodes.values()))
    await world.same()
    assert world.nodes[others[0]].port.values == ["kept"]


@pytest.mark.parametrize("rescued", [1, 2, 3])
async def test_those_left_behind_and_the_rescued_one_tell_of_each_other(
    world: World, autojump_clock: MockClock, rescued: int
) -> None:
    """They are the majority of what was: nothing but a person can stop them."""
    await three(world)
    others = [node_id for node_id in (1, 2, 3) if node_id != rescued]
    for node_id in others:
        await world.kill(node_id)
    node = world.nodes[rescued]
    await world.until(lambda: not node.port.quorum)
    await node.cluster.control.rescue()
    await node.port.commit("rescued")
    for node_id in others:
        await world.start(node_id)
    await world.ready(*others)
    await trio.sleep(3)
    alarms = (await node.cluster.control.status()).alarms
    for node_id in others:
        reason = (
            f"node {node_id} was left behind when the cluster was rescued with node {rescued}: rebuild node {node_id}"
        )
        theirs = (await world.nodes[node_id].cluster.control.status()).alarms
        assert any(reason in alarm for alarm in alarms), alarms
        assert any(reason in alarm for alarm in theirs), theirs
    # After a restart of the one, too; and no longer than they are there.
    await world.kill(rescued)
    node = await world.start(rescued)
    await trio.sleep(5)
    assert len((await node.cluster.control.status()).alarms) == 2
    for node_id in others:
        await world.kill(node_id)
    await trio.sleep(20)
    assert (await node.cluster.control.status()).alarms == ()
    # One is rebuilt; the other one never comes back, and isn't dialled any more when that is said.
    again, never = others
    rebuild(world.data(again), world.data(again) / "storage")
    await world.start(again)
    await world.ready(again)
    await world.same(rescued, again)
    identity = node.cluster.identity
    assert identity is not None and set(identity.left_behind) == {never}
    await node.cluster.control.remove(never)
    assert identity.left_behind == {}
    with pytest.raises(NotAMember):
        await node.cluster.control.remove(never)


async def test_rescue_of_a_node_that_does_not_run(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    await leader.port.commit("kept")
    await world.same()
    for node_id in (1, 2, 3):
        await world.kill(node_id)
    identity = rescue(world.data(1), 1, world.boot)
    assert identity.generation == 2
    node = await world.start(1)
    await world.ready(1)
    assert node.port.values == ["kept"]
    assert node.voters == (1,)


async def test_a_damaged_node_is_rebuilt_from_the_others(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    await leader.port.commit("kept")
    await world.same()
    other = next(node_id for node_id in (1, 2, 3) if node_id != leader.node_id)
    await world.kill(other)
    folder = world.data(other)
    for path in (folder / "raft").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(CorruptFile):
        await world.start(other)
    rebuild(folder, folder / "storage")
    await world.start(other)
    await world.ready(other)
    await world.same()


async def test_a_running_node_is_rebuilt_at_its_next_start(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    await leader.port.commit("kept")
    await world.same()
    await leader.cluster.control.rebuild()
    assert leader.port.stepped_out
    node_id = leader.node_id
    await world.kill(node_id)
    folder = world.data(node_id)
    prepare(folder, folder / "storage")
    identity = load_identity(folder)
    assert identity is not None
    assert not identity.rebuild
    assert not (folder / "storage").exists()
    await world.start(node_id)
    await world.ready(node_id)
    await world.same()
    assert world.nodes[node_id].port.values == ["kept"]
