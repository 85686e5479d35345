"""Questions in threads: who gives up cuts them off, and a name that no database takes is nobody's."""

import threading
from collections.abc import Sequence

import pytest
import structlog
import trio
from rmq_plugins.auth_db.config import AuthDbConfig
from rmq_plugins.auth_db.hashes import Hashes
from rmq_plugins.auth_db.lookups import Lookups
from rmq_plugins.auth_db.placeholders import Values
from rmq_plugins.auth_db.rows import Row
from rmq_plugins.auth_db.store import Question

from rmq.node.passwords import ArgonPasswords
from rmq.plugin_api import NoAnswerError
from tests.plugins.acl.clients import client

pytestmark = pytest.mark.realtime


class SlowStore:
    """A database that answers when it is let, or when it is cut off."""

    name = "slow"

    def __init__(self) -> None:
        self.asked: list[Values] = []
        self.began = threading.Event()
        self.ended = threading.Event()
        self.answer = threading.Event()
        self.row: Row = {"password_hash": "h"}
        self.failing = ""
        self.is_closed = False
        self.can_be_cut = True

    def find_user(self, values: Values, question: Question) -> Row | None:
        self.asked.append(values)
        self.began.set()
        with question.cut_by(self.answer.set if self.can_be_cut else _nothing):
            assert self.answer.wait(10)
        self.ended.set()
        if self.failing:
            raise NoAnswerError(self.failing, "")
        return self.row

    def find_rules(self, values: Values, question: Question) -> Sequence[Row]:
        return [{"permission": "allow", "action": "all", "topic": "t"}] * 1001

    def close(self) -> None:
        self.is_closed = True


def _nothing() -> None:
    """A database that doesn't let go."""


def lookups_of(store: SlowStore, **keys: object) -> Lookups:
    config = AuthDbConfig.model_validate({"pool_size": 1, "retry": {"times": 0}, "breaker": {"failures": 2}} | keys)
    return Lookups(store, Hashes(ArgonPasswords()), config, 5.0, structlog.get_logger())


async def test_a_question_whose_client_has_gone_is_cut_off() -> None:
    store = SlowStore()
    lookups = lookups_of(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lookups.user, client("c", "u"))
        await trio.to_thread.run_sync(store.began.wait)
        assert lookups.busy == 1
        nursery.cancel_scope.cancel()
    assert await trio.to_thread.run_sync(store.ended.wait, 10)
    user = await lookups.user(client("c", "u"))  # the thread is free again
    assert user is not None and user.password_hash == "h" and lookups.busy == 0
    assert lookups.patience.failures == {}


async def test_a_question_that_takes_too_long_is_cut_off() -> None:
    store = SlowStore()
    lookups = lookups_of(store, timeout="50ms")
    with pytest.raises(NoAnswerError) as caught:
        await lookups.user(client("c", "u"))
    assert caught.value.kind == "timeout" and lookups.patience.failures == {"timeout": 1}
    assert await trio.to_thread.run_sync(store.ended.wait, 10)


async def test_who_waits_for_a_thread_is_in_time_or_has_no_answer() -> None:
    store = SlowStore()
    store.can_be_cut = False
    lookups = lookups_of(store, timeout="50ms", breaker={"failures": 0})
    kinds: list[str] = []

    async def ask() -> None:
        with pytest.raises(NoAnswerError) as caught:
            await lookups.user(client("c", "u"))
        kinds.append(caught.value.kind)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert kinds == ["timeout"] * 5 and len(store.asked) == 1 and lookups.busy == 1
    store.answer.set()
    assert await trio.to_thread.run_sync(store.ended.wait, 10)


async def test_what_a_client_calls_itself_opens_no_breaker() -> None:
    store = SlowStore()
    store.answer.set()
    lookups = lookups_of(store)
    store.failing = "query"
    for _ in range(5):
        with pytest.raises(NoAnswerError):
            await lookups.user(client("c", "strange"))
    store.failing, store.row = "", {"nothing": 1}
    for _ in range(5):
        with pytest.raises(NoAnswerError):
            await lookups.user(client("c", "strange"))
    store.row = {"password_hash": "h"}
    assert await lookups.user(client("c", "u")) is not None
    store.failing = "connection"
    for kind in ("connection", "connection", "breaker_open"):
        with pytest.raises(NoAnswerError) as caught:
            await lookups.user(client("c", "u"))
        assert caught.value.kind == kind


async def test_a_name_that_no_database_takes_is_nobody_and_nobody_is_asked() -> None:
    store = SlowStore()
    lookups = lookups_of(store)
    assert await lookups.user(client("c", "u\0")) is None
    assert await lookups.user(client("c\0", "u")) is None
    assert await lookups.user(client("c")) is None  # the query needs a user name
    assert await lookups.rules(client("c\0", "u")) == ()
    assert store.asked == []


async def test_too_many_rules_are_no_answer() -> None:
    lookups = lookups_of(SlowStore())
    with pytest.raises(NoAnswerError, match="more than 1000 rules"):
        await lookups.rules(client("c", "u"))


async def test_connections_are_closed_when_nobody_uses_them_any_more() -> None:
    store = SlowStore()
    lookups = lookups_of(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lookups.user, client("c", "u"))
        await trio.to_thread.run_sync(store.began.wait)
        nursery.start_soon(lookups.retire)
        await trio.testing.wait_all_tasks_blocked()
        assert not store.is_closed
        store.answer.set()
    assert store.is_closed
    with pytest.raises(NoAnswerError, match="stopping"):
        await lookups.user(client("c", "u"))
