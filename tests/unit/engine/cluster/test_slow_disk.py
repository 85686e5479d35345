"""A member whose disk is slower than what the others have kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rmq.engine.broker import BrokerOptions
from rmq.engine.member_options import MemberOptions
from rmq.flow.context import STORAGE_HELD, STORAGE_READY
from tests.support import wire
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member

SIZE = 1000
COUNT = 200
JOURNAL = "rmq-journal"


def small_memory() -> BrokerOptions:
    options = BrokerOptions()
    options.memory_budget = 10 * SIZE
    return options


def three_with_small_memory(group: Group, pending_limit: int) -> list[Member]:
    def member_options() -> MemberOptions:
        options = MemberOptions()
        options.pending_limit = pending_limit
        return options

    return [group.start(number, small_memory(), member_options()) for number in (1, 2, 3)]


def test_what_waits_for_the_disk_is_written_once(group: Group, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However often more of it comes: else a disk that has fallen behind never catches up, and memory fills."""
    one, _, slow = three_with_small_memory(group, 10_000_000)
    subscriber = one.connect("s", expiry=1000)
    subscriber.subscribe(("t", 1))
    subscriber.disconnect()
    publisher = one.connect("p")
    disk = slow.disks[JOURNAL]
    disk.holds = True
    for number in range(COUNT):
        assert publisher.publish("t", b"%04d" % number + bytes(SIZE), 1) == 0
    assert len(disk.jobs) <= 2
    written = 0
    pwrite = os.pwrite

    def counting(fd: int, data: bytes, offset: int) -> int:
        nonlocal written
        written += len(data)
        return pwrite(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", counting)
    disk.holds = False
    group.settle()
    assert COUNT * SIZE * 0.9 < written < COUNT * SIZE * 1.3
    assert slow.port.unwritten == []
    assert slow.broker.ctx.queued_bytes <= 11 * SIZE


def test_publishers_at_a_node_whose_disk_is_behind_are_held(group: Group) -> None:
    one, two, slow = three_with_small_memory(group, 50 * SIZE)
    subscriber = one.connect("s", expiry=1000)
    subscriber.subscribe(("t", 1))
    subscriber.disconnect()
    publisher, held = one.connect("p"), slow.connect("q")
    slow.disks[JOURNAL].holds = True
    for _ in range(100):
        assert publisher.publish("t", bytes(SIZE), 1) == 0
    assert [member.broker.ctx.storage for member in (one, two, slow)] == [STORAGE_READY, STORAGE_READY, STORAGE_HELD]
    held.send(wire.publish("t", b"waits", 1, 9))
    assert held.read() == []
    slow.disks[JOURNAL].holds = False
    group.settle()
    assert slow.broker.ctx.storage == STORAGE_READY
    assert held.read()
