"""Offsets are committed up to the first record that the node hasn't taken."""

from hypothesis import given
from hypothesis import strategies as st
from rmq_plugins.bridge_kafka.offsets import Offsets


def test_nothing_is_committed_before_what_came_first() -> None:
    offsets = Offsets()
    offsets.begin(0, 10, is_committed=True)
    assert [offsets.take(0, offset) for offset in (10, 11, 12)] == [True] * 3
    offsets.done(0, 11)
    offsets.done(0, 12)
    assert offsets.to_commit() == []
    offsets.done(0, 10)
    assert offsets.to_commit() == [(0, 13)]
    assert offsets.to_commit() == []


def test_offsets_that_never_come_hold_up_nothing() -> None:
    offsets = Offsets()
    offsets.begin(0, 0, is_committed=True)
    for offset in (3, 7):
        offsets.take(0, offset)
        offsets.done(0, offset)
    assert offsets.to_commit() == [(0, 8)]


def test_where_a_group_begins_is_committed_where_nothing_was() -> None:
    offsets = Offsets()
    offsets.begin(0, 5, is_committed=False)
    offsets.begin(1, 0, is_committed=False)
    offsets.begin(2, 5, is_committed=True)
    assert offsets.to_commit() == [(0, 5), (1, 0)]


def test_a_commit_that_failed_is_made_again() -> None:
    offsets = Offsets()
    offsets.begin(0, 5, is_committed=False)
    assert offsets.to_commit() == [(0, 5)]
    offsets.not_committed(0)
    offsets.not_committed(9)
    assert offsets.to_commit() == [(0, 5)]


def test_what_was_taken_away_is_forgotten() -> None:
    offsets = Offsets()
    for partition in (0, 1):
        offsets.begin(partition, 0, is_committed=True)
        offsets.take(partition, 0)
    assert (offsets.waiting, offsets.waiting_of(frozenset({0}))) == (2, 1)
    offsets.forget(0)
    assert offsets.waiting == 1
    offsets.done(0, 0)
    assert not offsets.take(0, 1)
    assert offsets.to_commit() == []
    assert offsets.waiting == 1


def test_only_some_partitions_are_committed() -> None:
    offsets = Offsets()
    for partition in (0, 1):
        offsets.begin(partition, 4, is_committed=False)
    assert offsets.to_commit(frozenset({1})) == [(1, 4)]
    assert offsets.to_commit() == [(0, 4)]


@given(st.permutations(range(20)), st.integers(0, 20))
def test_in_whatever_order_they_are_done(order: list[int], how_many: int) -> None:
    offsets = Offsets()
    offsets.begin(0, 0, is_committed=True)
    for offset in range(20):
        offsets.take(0, offset)
    done = order[:how_many]
    for offset in [*done, *done]:  # twice changes nothing
        offsets.done(0, offset)
    first = next((offset for offset in range(20) if offset not in done), 20)
    assert offsets.to_commit() == ([(0, first)] if first else [])
    assert offsets.waiting == 20 - how_many
