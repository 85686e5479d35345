"""Acknowledgements under `quorum_fsync`: whose disks count, and up to where."""

from __future__ import annotations

from rmq.session.receipts import Receipt
from rmq.storage.cluster_records import Barrier
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member


class OnDisks(Receipt):
    """Told when a majority of disks has it."""

    def __init__(self) -> None:
        super().__init__(synced_only=True)
        self.told = False

    def applied(self) -> None:
        self.told = True

    def give_up(self) -> None:
        raise AssertionError("given up")


def proposed(group: Group, member: Member) -> OnDisks:
    receipt = OnDisks()
    member.port.propose(Barrier(), receipt)
    group.settle()
    return receipt


def test_a_majority_of_disks_has_it(group: Group, three: Three) -> None:
    first, second, _ = three
    first.holds_syncing = second.holds_syncing = True
    receipt = proposed(group, first)
    assert not receipt.told
    first.port.own_synced(first.port.applied_index)
    assert receipt.told


def test_a_disk_that_is_out_of_reach_does_not_count(group: Group, three: Three) -> None:
    """It may come back with less than it had."""
    first, second, third = three
    first.holds_syncing = second.holds_syncing = True
    receipt = proposed(group, first)
    group.cut_off(third)
    second.holds_syncing = False
    group.settle()
    assert not receipt.told
    first.port.own_synced(first.port.applied_index)
    assert receipt.told
    group.heal(third)


def test_a_disk_that_comes_back_empty_counts_from_the_beginning(group: Group, three: Three) -> None:
    first, second, third = three
    first.holds_syncing = second.holds_syncing = True
    receipt = proposed(group, first)
    group.cut_off(third)
    third.holds_syncing = True
    third.synced = 0
    group.heal(third)
    first.port.own_synced(first.port.applied_index)
    assert not receipt.told
    first.port.peer_status(3, first.port.applied_index, first.port.applied_index)
    assert receipt.told


def test_what_is_gone_of_the_own_log_does_not_count(group: Group, three: Three) -> None:
    """A leader has replaced its end: those entries were synced, and their successors aren't."""
    first, second, third = three
    first.holds_syncing = second.holds_syncing = third.holds_syncing = True
    first.port.own_synced(first.port.applied_index + 10)
    first.port.own_synced(first.port.applied_index)
    receipt = proposed(group, first)
    second.holds_syncing = False
    group.settle()
    assert not receipt.told
    first.port.own_synced(first.port.applied_index)
    assert receipt.told
