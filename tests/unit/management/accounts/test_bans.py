"""Bans through management: how they are written, found, and refused."""

from __future__ import annotations

import pytest

from rmq.engine.bans import Ban, write_ban
from rmq.management.accounts.bans import MAX_BANS, BanQuery
from rmq.management.errors import AccountExists, AccountNotFound, BadQuery, TooManyBans
from rmq.storage.accounts import MAX_ACCOUNTS, Account
from tests.unit.management.world import World


async def test_from_banning_to_letting_in(world: World) -> None:
    bans = world.service.bans
    made = await bans.create("clientid", "c1", by="me", reason="noisy", until=world.engine.time + 5)
    await bans.create("username", "eve")
    assert bans.all() == [made, *bans.all(BanQuery(kind="username"))]
    assert (made.by, made.reason, made.at, made.until) == ("me", "noisy", world.engine.time, world.engine.time + 5)
    assert [ban.who for ban in bans.all(BanQuery(who_contains="v"))] == ["eve"]
    assert bans.all(BanQuery("clientid", who="c")) == []
    with pytest.raises(AccountExists, match="ban 'clientid:c1'"):
        await bans.create("clientid", "c1")
    await bans.delete("clientid", "c1")
    with pytest.raises(AccountNotFound):
        await bans.delete("clientid", "c1")


async def test_addresses_are_kept_in_one_writing(world: World) -> None:
    bans = world.service.bans
    await bans.create("peerhost", "::ffff:10.0.0.1")
    await bans.create("peerhost", "2001:DB8::0001")
    await bans.create("peerhost_net", "10.1.2.3/8")
    assert [ban.who for ban in bans.all()] == ["10.0.0.1", "2001:db8::1", "10.0.0.0/8"]
    await bans.delete("peerhost", "10.0.0.1")
    await bans.delete("peerhost_net", "10.9.9.9/8")


@pytest.mark.parametrize(
    ("kind", "who", "what"),
    [
        ("clientid", "", "who"),
        ("clientid", "c" * 5000, "who"),
        ("clientid", "\ud800", "who"),
        ("peerhost", "localhost", "who: isn't an IP address"),
        ("peerhost_net", "10.0.0.0/99", "who: isn't a network"),
        ("clientid_re", "^c", "as: clientid_re: this broker runs no regular expressions"),
        ("username_re", ".*", "no regular expressions"),
        ("name", "x", "as: must be one of clientid, username, peerhost, peerhost_net"),
    ],
)
async def test_what_cant_be_banned(world: World, kind: str, who: str, what: str) -> None:
    with pytest.raises(BadQuery, match=what):
        await world.service.bans.create(kind, who)


async def test_a_ban_that_is_over_can_be_made_anew(world: World) -> None:
    bans = world.service.bans
    with pytest.raises(BadQuery, match="until: is over already"):
        await bans.create("clientid", "c", until=world.engine.time)
    await bans.create("clientid", "c", until=world.engine.time + 1)
    world.engine.time += 1
    assert bans.all() == []
    await bans.create("clientid", "c", reason="again")
    assert [ban.reason for ban in bans.all()] == ["again"]


async def test_everybody_is_let_in(world: World) -> None:
    bans = world.service.bans
    for number in range(300):
        await bans.create("clientid", f"c{number}")
    await world.local.accounts.create("user", "u", b"")
    assert await bans.clear() == 300 and bans.all() == []
    assert world.local.accounts.find("user", "u") is not None


async def test_there_is_room_left_for_others(world: World) -> None:
    for number in range(MAX_BANS):
        ban = Ban("clientid", f"c{number}", "", "", 0.0, None)
        world.broker.state.accounts.enter(Account("ban", f"clientid:c{number}", write_ban(ban), number + 1))
    with pytest.raises(TooManyBans):
        await world.service.bans.create("clientid", "more")
    with pytest.raises(AccountExists):
        await world.service.bans.create("clientid", "c1")
    await world.local.accounts.create("user", "u", b"")
    assert MAX_BANS < MAX_ACCOUNTS
