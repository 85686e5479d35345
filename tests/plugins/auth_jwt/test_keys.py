"""Published keys: fetched at once, anew when a token names an unknown one, and kept whatever goes wrong."""

from __future__ import annotations

import json

import pytest
import structlog
import trio
import trio.lowlevel
from rmq_plugins.auth_jwt.keys import Keys, KeysNotThere
from rmq_plugins.auth_jwt.signatures import Header, keys_of_set
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.plugin_api.fetching import FetchFailed
from rmq.plugin_api.published_keys import AT_MOST_EVERY_S, PublishedKeys
from tests.support.signed_tokens import OTHER_RSA, RSA, PrivateKey, jwk

OLD, NEW = Header("RS256", "old"), Header("RS256", "new")


class Published:
    """What an issuer publishes at the moment; None: it can't be had."""

    def __init__(self, **keys: PrivateKey) -> None:
        self.keys: dict[str, PrivateKey] | None = keys
        self.asked = 0

    async def fetch(self) -> bytes:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if self.keys is None:
            raise FetchFailed("gone")
        return json.dumps({"keys": [jwk(key, name) for name, key in self.keys.items()]}).encode()


async def running(nursery: trio.Nursery, published: Published) -> Keys:
    keys = PublishedKeys(published.fetch, keys_of_set, 300.0, 4.0, structlog.get_logger())
    nursery.start_soon(keys.run)
    await wait_all_tasks_blocked()
    return Keys((), keys)


async def test_keys_are_rotated(nursery: trio.Nursery, mock_clock: MockClock) -> None:
    published = Published(old=RSA)
    keys = await running(nursery, published)
    assert keys.find(OLD) and not keys.find(NEW)
    published.keys = {"old": RSA, "new": OTHER_RSA}
    mock_clock.jump(AT_MOST_EVERY_S)
    assert await keys.look_for(NEW), "a token that names it has it fetched"
    published.keys = {"new": OTHER_RSA}
    mock_clock.jump(300)
    await wait_all_tasks_blocked()
    assert keys.find(NEW) and not keys.find(OLD), "a key that isn't published any more counts no more"
    assert published.asked == 3


async def test_nonsense_has_them_fetched_no_more_often(nursery: trio.Nursery, mock_clock: MockClock) -> None:
    published = Published(old=RSA)
    keys = await running(nursery, published)
    for _ in range(5):
        assert await keys.look_for(NEW) is None
    assert published.asked == 1


async def test_old_keys_count_while_newer_ones_cannot_be_had(nursery: trio.Nursery, mock_clock: MockClock) -> None:
    published = Published(old=RSA)
    keys = await running(nursery, published)
    published.keys = None
    mock_clock.jump(300)
    await wait_all_tasks_blocked()
    assert published.asked == 2 and keys.find(OLD)


async def test_without_any_keys_nobody_knows(nursery: trio.Nursery, mock_clock: MockClock) -> None:
    published = Published()
    published.keys = None
    keys = await running(nursery, published)
    with pytest.raises(KeysNotThere):
        await keys.look_for(OLD)
    published.keys = {"old": RSA}
    mock_clock.jump(AT_MOST_EVERY_S)
    await wait_all_tasks_blocked()
    assert keys.find(OLD)
