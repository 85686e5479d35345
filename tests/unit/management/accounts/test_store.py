"""Accounts through management: what a change is answered, and when it can't be made."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.flow.context import STORAGE_FAILED
from rmq.management.accounts.store import MAX_VALUE, TRIES, AccountStore
from rmq.management.errors import (
    AccountExists,
    AccountNotFound,
    BadQuery,
    BusyAccount,
    NotKnownEverywhere,
    OutcomeUnknown,
    StorageUnavailable,
    TooManyAccounts,
)
from rmq.storage import accounts as stored
from rmq.storage.account_records import ACCOUNT_LEVEL, NO_REVISION, PutAccount
from tests.unit.management.world import LatePort, World

KIND = "user"


def store(world: World) -> AccountStore:
    return world.local.accounts


async def test_from_making_to_deleting(world: World) -> None:
    accounts = store(world)
    await accounts.create(KIND, "b", b"2")
    await accounts.create(KIND, "a", b"1")
    await accounts.create("other", "a", b"3")
    assert [(found.name, found.value) for found in accounts.all(KIND)] == [("a", b"1"), ("b", b"2")]
    assert await accounts.change(KIND, "a", lambda value: value + b"!") == b"1!"
    assert accounts.get(KIND, "a").value == b"1!"
    await accounts.delete(KIND, "a")
    assert accounts.find(KIND, "a") is None and accounts.find("other", "a") is not None


async def test_what_isnt_there(world: World) -> None:
    accounts = store(world)
    for attempt in (accounts.change(KIND, "a", lambda value: value), accounts.delete(KIND, "a")):
        with pytest.raises(AccountNotFound, match="there is no user 'a'"):
            await attempt
    with pytest.raises(AccountNotFound):
        accounts.get(KIND, "a")
    await accounts.create(KIND, "a", b"")
    with pytest.raises(AccountExists, match="user 'a' already"):
        await accounts.create(KIND, "a", b"")


async def test_what_cant_be_kept(world: World) -> None:
    accounts = store(world)
    for name, value, parameter in (("", b"", "name"), ("n" * 257, b"", "name"), ("a", bytes(MAX_VALUE + 1), "value")):
        with pytest.raises(BadQuery) as refused:
            await accounts.create(KIND, name, value)
        assert refused.value.parameter == parameter
    await accounts.create(KIND, "n" * 256, bytes(MAX_VALUE))


async def test_there_is_a_limit(world: World) -> None:
    accounts = store(world)
    for number in range(stored.MAX_ACCOUNTS):
        world.broker.state.accounts.enter(stored.Account(KIND, str(number), b"", number + 1))
    with pytest.raises(TooManyAccounts, match="10000"):
        await accounts.create("other", "a", b"")


async def test_a_change_is_made_anew_when_somebody_was_faster(world: World) -> None:
    accounts = store(world)
    await accounts.create(KIND, "a", b"0")
    seen: list[bytes] = []

    def edit(value: bytes) -> bytes:
        seen.append(value)
        if len(seen) == 1:
            world.broker.state.apply(PutAccount(KIND, "a", b"1", accounts.get(KIND, "a").revision))
        return value + b"+"

    assert await accounts.change(KIND, "a", edit) == b"1+"
    assert seen == [b"0", b"1"]


async def test_a_change_is_given_up_when_somebody_is_faster_all_the_time(world: World) -> None:
    accounts = store(world)
    await accounts.create(KIND, "a", b"0")
    seen: list[bytes] = []

    def edit(value: bytes) -> bytes:
        seen.append(value)
        world.broker.state.apply(PutAccount(KIND, "a", b"theirs", accounts.get(KIND, "a").revision))
        return b"ours"

    with pytest.raises(BusyAccount):
        await accounts.change(KIND, "a", edit)
    assert len(seen) == TRIES and accounts.get(KIND, "a").value == b"theirs"


async def test_an_answer_waits_until_it_is_kept(world: World) -> None:
    accounts, port = store(world), LatePort(world.engine)
    done = []

    async def create() -> None:
        await accounts.create(KIND, "a", b"")
        done.append("made")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(create)
        await wait_all_tasks_blocked()
        assert done == [] and accounts.find(KIND, "a") is None
        (_, receipt), *_ = port.waiting
        assert receipt is not None and receipt.everywhere and receipt.synced_only
        port.write()
    assert done == ["made"] and accounts.find(KIND, "a") is not None


async def test_nothing_is_said_of_what_nobody_knows(world: World, autojump_clock: MockClock) -> None:
    accounts, port = store(world), LatePort(world.engine)
    async with trio.open_nursery() as nursery:

        async def create() -> None:
            with pytest.raises(OutcomeUnknown):
                await accounts.create(KIND, "a", b"")

        nursery.start_soon(create)
        await wait_all_tasks_blocked()
        port.give_up()
    with pytest.raises(OutcomeUnknown):
        await accounts.create(KIND, "b", b"")  # no answer at all


async def test_a_receipt_without_a_decision_decides_nothing(world: World) -> None:
    """A node learns with another one's snapshot that its command was applied, and not what that found."""
    accounts, port = store(world), LatePort(world.engine)
    async with trio.open_nursery() as nursery:

        async def create() -> None:
            with pytest.raises(OutcomeUnknown):
                await accounts.create(KIND, "a", b"")

        nursery.start_soon(create)
        await wait_all_tasks_blocked()
        (_, receipt), *_ = port.waiting
        assert receipt is not None
        receipt.applied()


async def test_without_storage_nothing_is_changed(world: World) -> None:
    world.broker.ctx.storage = STORAGE_FAILED
    with pytest.raises(StorageUnavailable):
        await store(world).create(KIND, "a", b"")
    assert store(world).find(KIND, "a") is None


async def test_an_older_member_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def may_propose(level: int) -> bool:
        asked.append(level)
        return False

    port = LatePort(world.engine)
    monkeypatch.setattr(port, "may_propose", may_propose)
    with pytest.raises(NotKnownEverywhere):
        await store(world).create(KIND, "a", b"")
    assert asked == [ACCOUNT_LEVEL] and not port.waiting


async def test_a_snapshot_of_another_node_changes_what_is_read(world: World) -> None:
    accounts = store(world)
    await accounts.create(KIND, "a", b"")
    world.broker.state.accounts = stored.Accounts()
    world.broker.state.apply(PutAccount(KIND, "b", b"", NO_REVISION))
    assert [found.name for found in accounts.all(KIND)] == ["b"]
