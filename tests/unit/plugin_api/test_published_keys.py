"""Published keys: fetched at once and again and again, not too often; old ones go on while no new ones come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
import trio
from rmq_http_api.tokens import Key, keys_of_set
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.plugin_api.fetching import FetchFailed
from rmq.plugin_api.published_keys import AT_MOST_EVERY_S, PublishedKeys
from tests.support.signed_tokens import RSA, jwk

REFRESH_S = 600.0


class Issuer:
    """What is published: a set of keys, something else, nothing; ``gate`` holds the answers back."""

    def __init__(self) -> None:
        self.fetched = 0
        self.gate: trio.Event | None = None
        self.publish("one")

    def publish(self, *names: str) -> None:
        self.body: bytes | None = json.dumps({"keys": [jwk(RSA, name) for name in names]}).encode()

    async def fetch(self) -> bytes:
        self.fetched += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.body is None:
            raise FetchFailed("nobody answers")
        return self.body


def names(keys: PublishedKeys[Key]) -> list[str] | None:
    return None if keys.keys is None else [key.key_id for key in keys.keys]


@asynccontextmanager
async def running(issuer: Issuer) -> AsyncIterator[PublishedKeys[Key]]:
    keys = PublishedKeys(issuer.fetch, keys_of_set, REFRESH_S, 5.0, structlog.get_logger())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keys.run)
        await wait_all_tasks_blocked()
        yield keys
        keys.stop()


async def test_they_are_fetched_at_once_and_every_so_often(mock_clock: MockClock) -> None:
    issuer = Issuer()
    async with running(issuer) as keys:
        assert names(keys) == ["one"]
        issuer.publish("two", "three")
        mock_clock.jump(REFRESH_S - 1)
        await wait_all_tasks_blocked()
        assert names(keys) == ["one"] and issuer.fetched == 1
        mock_clock.jump(1)
        await wait_all_tasks_blocked()
        assert names(keys) == ["two", "three"] and issuer.fetched == 2


async def test_whoever_asks_has_newer_ones_but_not_all_the_time(mock_clock: MockClock) -> None:
    issuer = Issuer()
    async with running(issuer) as keys:
        issuer.publish("two")
        await keys.renew()
        assert names(keys) == ["one"] and issuer.fetched == 1, "they came just now"
        mock_clock.jump(AT_MOST_EVERY_S)
        await keys.renew()
        assert names(keys) == ["two"] and issuer.fetched == 2
        for _ in range(100):
            await keys.renew()
        assert issuer.fetched == 2
        mock_clock.jump(REFRESH_S - 1)
        await wait_all_tasks_blocked()
        assert issuer.fetched == 2, "the time begins anew"


async def test_many_who_ask_wait_for_one_answer(mock_clock: MockClock) -> None:
    issuer = Issuer()
    async with running(issuer) as keys:
        mock_clock.jump(AT_MOST_EVERY_S)
        issuer.publish("two")
        issuer.gate = trio.Event()
        seen: list[list[str] | None] = []

        async def ask() -> None:
            await keys.renew()
            seen.append(names(keys))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            assert seen == [] and issuer.fetched == 2
            issuer.gate.set()
        assert seen == [["two"]] * 20 and issuer.fetched == 2


async def test_nobody_waits_for_ever(autojump_clock: MockClock) -> None:
    issuer = Issuer()
    async with running(issuer) as keys:
        await trio.sleep(AT_MOST_EVERY_S)
        issuer.gate = trio.Event()
        began = trio.current_time()
        await keys.renew()
        assert trio.current_time() - began == 5.0


def nothing(issuer: Issuer) -> None:
    issuer.body = None


def garbage(issuer: Issuer) -> None:
    issuer.body = b"<html>"


@pytest.mark.parametrize("spoil", [nothing, garbage])
async def test_old_keys_go_on_while_no_new_ones_come(mock_clock: MockClock, spoil: Callable[[Issuer], None]) -> None:
    issuer = Issuer()
    async with running(issuer) as keys:
        spoil(issuer)
        with capture_logs() as lines:
            mock_clock.jump(REFRESH_S)
            await wait_all_tasks_blocked()
            for _ in range(5):  # tried more often, and told once
                mock_clock.jump(AT_MOST_EVERY_S)
                await wait_all_tasks_blocked()
        assert names(keys) == ["one"]
        assert issuer.fetched == 7
        assert [line["log_level"] for line in lines] == ["warning"]
        issuer.publish("two")
        with capture_logs() as lines:
            mock_clock.jump(AT_MOST_EVERY_S)
            await wait_all_tasks_blocked()
        assert names(keys) == ["two"] and [line["log_level"] for line in lines] == ["info"]


async def test_as_long_as_none_came_there_are_none(mock_clock: MockClock) -> None:
    issuer = Issuer()
    issuer.body = None
    async with running(issuer) as keys:
        await keys.renew()
        assert names(keys) is None and issuer.fetched == 1
        issuer.publish("one")
        mock_clock.jump(AT_MOST_EVERY_S)
        await wait_all_tasks_blocked()
        assert names(keys) == ["one"]


async def test_a_reload_goes_on_with_the_keys_of_before(mock_clock: MockClock) -> None:
    issuer = Issuer()
    async with running(issuer) as old:
        new = PublishedKeys(issuer.fetch, keys_of_set, REFRESH_S, 5.0, structlog.get_logger())
        new.begin_with(old)
        assert names(new) == ["one"]
        await new.renew()
        assert issuer.fetched == 1
