"""Accounts: what applying decides, the same on every node; how they come through a snapshot and into the digest."""

from __future__ import annotations

from pathlib import Path

from rmq.storage.account_records import (
    ACCOUNT_LEVEL,
    ANY_REVISION,
    CHANGED,
    DONE,
    EXISTS,
    FULL,
    MISSING,
    NO_REVISION,
    DeleteAccount,
    PutAccount,
)
from rmq.storage.accounts import MAX_ACCOUNTS
from rmq.storage.digest import digest_of
from rmq.storage.records import StoreMessage
from rmq.storage.segments import Segments
from rmq.storage.state import State
from tests.unit.storage.strategies import new_state
from tests.unit.storage.whole_state import SnapshotRun, read_snapshot, take_snapshot, whole


def put(state: State, name: str, value: bytes = b"v", expected: int = NO_REVISION, kind: str = "api_key") -> PutAccount:
    operation = PutAccount(kind, name, value, expected)
    state.apply(operation)
    return operation


def delete(state: State, name: str, expected: int = ANY_REVISION) -> int:
    operation = DeleteAccount("api_key", name, expected)
    state.apply(operation)
    return operation.outcome


def test_the_first_one_has_the_name() -> None:
    state = new_state()
    assert put(state, "a", b"first").outcome == DONE
    assert put(state, "a", b"second").outcome == EXISTS
    found = state.accounts.find("api_key", "a")
    assert found is not None and found.value == b"first"
    assert put(state, "a", b"of another kind", kind="user").outcome == DONE
    assert state.accounts.count == 2


def test_a_change_is_made_of_what_it_was_made_of() -> None:
    state = new_state()
    first = put(state, "a", b"1").revision
    second = put(state, "a", b"2", first)
    assert second.outcome == DONE and second.revision > first
    assert put(state, "a", b"3", first).outcome == CHANGED
    assert put(state, "b", b"3", first).outcome == MISSING
    found = state.accounts.find("api_key", "a")
    assert found is not None and (found.value, found.revision) == (b"2", second.revision)


def test_a_name_that_is_given_again_has_another_revision() -> None:
    """A change of the account that was there before must not become one of the account that is there now."""
    state = new_state()
    first = put(state, "a").revision
    assert delete(state, "a") == DONE
    assert put(state, "a").revision > first
    assert put(state, "a", b"late", first).outcome == CHANGED


def test_deleting() -> None:
    state = new_state()
    first = put(state, "a").revision
    second = put(state, "a", b"2", first).revision
    assert delete(state, "b") == MISSING
    assert delete(state, "a", first) == CHANGED
    assert delete(state, "a", second) == DONE
    assert delete(state, "a") == MISSING
    assert state.accounts.count == 0 and state.accounts.all() == []


def test_there_is_a_limit() -> None:
    state = new_state()
    revision = put(state, "first").revision
    for number in range(MAX_ACCOUNTS - 1):
        assert put(state, str(number), kind="user").outcome == DONE
    assert put(state, "one more").outcome == FULL
    assert state.accounts.count == MAX_ACCOUNTS
    assert put(state, "first", b"changed", revision).outcome == DONE
    assert delete(state, "first") == DONE
    assert put(state, "one more").outcome == DONE


def test_two_nodes_find_the_same() -> None:
    operations = [("a", NO_REVISION), ("a", NO_REVISION), ("b", NO_REVISION), ("a", 1), ("a", 1), ("c", 7)]
    one, other = new_state(), new_state()
    outcomes = [[put(state, name, b"v", expected).outcome for name, expected in operations] for state in (one, other)]
    assert outcomes[0] == outcomes[1] == [DONE, EXISTS, DONE, DONE, CHANGED, MISSING]
    assert whole(one) == whole(other) and digest_of(one) == digest_of(other)


def test_a_digest_tells_accounts_apart() -> None:
    digests = set()
    for value in (b"1", b"2"):
        for name in ("a", "b"):
            state = new_state()
            put(state, name, value)
            digests.add(digest_of(state))
    state = new_state()
    before = digest_of(state)
    put(state, "a", b"1")
    delete(state, "a")
    digests.add(digest_of(state))
    assert len(digests | {before}) == 6


def test_a_digest_is_of_the_accounts_and_not_of_the_way_to_them() -> None:
    one, other = new_state(), new_state()
    for name in ("a", "b"):
        put(one, name)
    put(other, "a")
    put(other, "b")
    put(one, "b", b"2", 2)
    put(other, "b", b"2", 2)
    assert digest_of(one) == digest_of(other)
    assert one.accounts.checksum != 0


def test_accounts_come_through_a_snapshot(tmp_path: Path) -> None:
    state = new_state()
    for number in range(250):
        put(state, f"name {number}", b"%d" % number)
    delete(state, "name 7")
    take_snapshot(tmp_path, state)
    found, _ = read_snapshot(tmp_path)
    assert whole(found) == whole(state)
    assert digest_of(found) == digest_of(state)
    assert put(found, "new").revision == put(state, "new").revision


def test_the_last_revision_comes_through_a_snapshot_of_no_accounts(tmp_path: Path) -> None:
    state = new_state()
    put(state, "a")
    delete(state, "a")
    take_snapshot(tmp_path, state)
    found, _ = read_snapshot(tmp_path)
    assert found.accounts.last_revision == 1 and digest_of(found) == digest_of(state)


def test_a_snapshot_has_them_as_they_were_when_it_began(tmp_path: Path) -> None:
    state = new_state()
    put(state, "a", b"before")
    put(state, "b")
    run = SnapshotRun(tmp_path, state, Segments(tmp_path, 1))
    put(state, "a", b"after", 1)
    delete(state, "b")
    put(state, "c")
    run.finish()
    found, _ = read_snapshot(tmp_path)
    assert {account.name: account.value for account in found.accounts.all()} == {"a": b"before", "b": b"v"}
    assert found.accounts.last_revision == 2


def test_without_accounts_a_snapshot_is_what_it_was(tmp_path: Path) -> None:
    """So that a program that doesn't know them can read it."""
    state = new_state()
    state.apply(StoreMessage(None, None, "", 0))
    take_snapshot(tmp_path, state)
    assert b"accounts" not in (tmp_path / "snapshot-0000000001.snap").read_bytes()
    put(state, "a")
    take_snapshot(tmp_path, state, 2)
    assert b"accounts" in (tmp_path / "snapshot-0000000002.snap").read_bytes()


def test_a_state_that_is_cleared_has_none() -> None:
    state = new_state()
    put(state, "a")
    state.clear()
    assert digest_of(state) == digest_of(new_state())


def test_the_level_of_a_seed_comes_through_its_snapshot(tmp_path: Path) -> None:
    """A node alone that has accounts founds a cluster: all members must know that theirs are of that level."""
    state = new_state()
    put(state, "a")
    state.cluster.level = ACCOUNT_LEVEL
    take_snapshot(tmp_path, state)
    found, _ = read_snapshot(tmp_path)
    assert found.cluster.level == ACCOUNT_LEVEL and not found.cluster.nodes
