"""rmq-auth-db without a node, with SQLite: who gets in, how long rules count, and what a reload does."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from rmq_plugins.auth_db import AuthDbPlugin
from rmq_plugins.auth_db.config import AuthDbConfig

from rmq.hooks.async_runner import AsyncRunner
from rmq.plugin_api import ALLOW, DENY, DENY_AND_DISCONNECT, DENY_ONCE, UNDECIDED, AuthRequest, ClientInfo, PluginError
from tests.plugins.acl.clients import client
from tests.plugins.auth_db.filling import InSqlite
from tests.support.plugins import PluginBench
from tests.support.users import cheap_hash

pytestmark = pytest.mark.realtime

BAD_LOGIN = 0x86
UNAVAILABLE = 0x88
BUSY = 0x89


class World:
    """A running plugin and its file."""

    def __init__(self, bench: PluginBench, folder: Path) -> None:
        self.bench = bench
        self.filled = InSqlite(folder)
        self.runner = AsyncRunner(bench.chains, bench.registry)
        self.plugin = AuthDbPlugin(self.config(), bench.host("rmq-auth-db"))

    def config(self, **keys: object) -> AuthDbConfig:
        base: dict[str, Any] = {**self.filled.options, "disconnect_if_pub_rejected": False, "retry": {"times": 0}}
        return AuthDbConfig.model_validate(base | keys)

    async def reload(self, **keys: object) -> None:
        await self.plugin.reload(self.config(**keys))

    async def login(
        self, name: str | None, password: bytes | None = b"pw", certificate_name: str | None = None
    ) -> tuple[int, int]:
        """Verdict and reason code; superusers have a reason code of -1."""
        request = AuthRequest(client("c", name), password, certificate_name=certificate_name)
        result = await self.runner.run_decide("client_authenticate", request)
        if result is None:
            return UNDECIDED, 0
        if result.verdict == ALLOW:
            return ALLOW, -1 if result.superuser else 0
        return result.verdict, result.reason_code

    async def publish(self, info: ClientInfo, topic: str, qos: int = 0) -> int:
        return await self.runner.run_decide("message_publish_check_acl", info, topic, qos, False)

    async def subscribe(self, info: ClientInfo, topic_filter: str) -> int:
        return await self.runner.run_decide("client_subscribe_check_acl", info, topic_filter, 0)

    @property
    def auth(self) -> dict[str, int]:
        return {what: count for what, count in self._counted("auth").items() if count}

    @property
    def acl(self) -> dict[str, int]:
        return {what: count for what, count in self._counted("acl").items() if count}

    def _counted(self, what: str) -> dict[str, int]:
        counted = self.plugin.attrs()[what]
        assert isinstance(counted, dict)
        return counted


@pytest.fixture
async def world(plugin_bench: PluginBench, tmp_path: Path) -> AsyncIterator[World]:
    made = World(plugin_bench, tmp_path)
    await made.plugin.start()
    yield made
    await made.plugin.stop()


async def test_who_gets_in(world: World) -> None:
    world.filled.add_user("bob", "pw")
    world.filled.add_user("root", "pw", superuser=True)
    world.filled.add_user("none", "", written=" ")
    world.filled.run("UPDATE mqtt_user SET password_hash = '' WHERE username = %s", ("none",))
    assert await world.login("bob") == (ALLOW, 0)
    assert await world.login("root") == (ALLOW, -1)
    for name, password in (
        ("bob", b"px"),
        ("bob", None),
        ("bob", b""),
        ("none", b""),
        ("nobody", b"pw"),
        (None, b"pw"),
    ):
        assert await world.login(name, password) == (DENY, BAD_LOGIN), name
    assert world.auth == {"allowed": 2, "denied": 4, "unknown": 2}


async def test_a_right_password_is_remembered_and_the_table_is_asked_all_the_same(world: World) -> None:
    world.filled.add_user("bob", "pw")
    for hits in (0, 1, 2):
        assert await world.login("bob") == (ALLOW, 0)
        assert await world.login("bob", b"wrong") == (DENY, BAD_LOGIN)
        assert world.plugin.attrs()["passwords_remembered"] == hits
    world.filled.run("UPDATE mqtt_user SET password_hash = %s", (cheap_hash("new"),))
    assert await world.login("bob") == (DENY, BAD_LOGIN) and await world.login("bob", b"new") == (ALLOW, 0)
    world.filled.run("DELETE FROM mqtt_user", ())
    assert await world.login("bob", b"new") == (DENY, BAD_LOGIN)


async def test_whose_name_is_in_a_certificate_needs_no_password(world: World) -> None:
    world.filled.add_user("root", "pw", superuser=True)
    assert await world.login("root", None, "root") == (ALLOW, -1)
    assert await world.login("nobody", None, "nobody") == (DENY, BAD_LOGIN)


async def test_who_is_not_known_may_be_left_to_others(world: World) -> None:
    world.filled.add_user("bob", "pw")
    await world.reload(unknown_user="ignore")
    assert [await world.login(name) for name in ("nobody", None)] == [(UNDECIDED, 0)] * 2
    assert await world.login("bob", b"wrong") == (DENY, BAD_LOGIN)


async def test_weak_hashes_count_where_the_configuration_says_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.filled.add_user("emqx", "", written=hashlib.sha256(b"slatpw").hexdigest(), salt="slat")
    assert await world.login("emqx") == (DENY, BAD_LOGIN)  # it doesn't say how it was made
    assert world.plugin.attrs()["weak_hashes"] is False
    await world.reload(password_hash_algorithm={"name": "sha256", "salt_position": "prefix"})
    assert await world.login("emqx") == (ALLOW, 0)
    assert await world.login("nobody") == (DENY, BAD_LOGIN)
    assert world.plugin.attrs()["weak_hashes"] is True


async def test_rules_decide_in_their_order_and_where_none_fits_the_configuration_does(world: World) -> None:
    world.filled.add_rule("bob", "deny", "publish", "up/${username}/secret")
    world.filled.add_rule("bob", "allow", "publish", "up/${username}/#", "0,1")
    world.filled.add_rule("bob", "allow", "subscribe", "down/+")
    bob = client("c", "bob")
    assert [await world.publish(bob, topic) for topic in ("up/bob/secret", "up/bob/x", "up/ann/x")] == [
        DENY,
        ALLOW,
        UNDECIDED,
    ]
    assert await world.publish(bob, "up/bob/x", 2) == UNDECIDED
    assert [await world.subscribe(bob, topic) for topic in ("down/+", "down/#")] == [ALLOW, UNDECIDED]
    assert world.acl == {"read": 1}
    for word, verdict in (("deny", DENY), ("allow", ALLOW), ("ignore", UNDECIDED)):
        await world.reload(no_match=word)
        assert await world.publish(bob, "else") == verdict and await world.subscribe(bob, "else") == verdict
    await world.reload(no_match="deny", disconnect_if_pub_rejected=True)
    assert await world.publish(bob, "else") == DENY_AND_DISCONNECT and await world.subscribe(bob, "else") == DENY


async def test_rules_are_read_again_when_their_time_is_over_and_at_a_reload(world: World) -> None:
    await world.reload(acl_cache_ttl="1m")
    world.filled.add_rule("bob", "allow", "all", "t")
    bob = client("c", "bob")
    assert [await world.publish(bob, "t") for _ in range(3)] == [ALLOW] * 3 and world.acl == {"read": 1}
    world.filled.drop_rules("bob")
    assert await world.publish(bob, "t") == ALLOW
    world.bench.now += 61
    assert await world.publish(bob, "t") == UNDECIDED and world.acl == {"read": 2}
    world.filled.add_rule("bob", "deny", "all", "t")
    await world.reload(acl_cache_ttl=0)
    assert await world.publish(bob, "t") == DENY and world.acl == {"read": 3}
    world.filled.drop_rules("bob")
    world.bench.now += 1e9
    assert await world.publish(bob, "t") == DENY


async def test_the_node_is_told_when_rules_are_to_be_read_again(
    plugin_bench: PluginBench, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    told: list[str] = []
    plugin_bench.services.drop_access_cache_of = told.append
    world = World(plugin_bench, tmp_path)
    await world.plugin.start()
    await world.publish(client("c-1", "bob"), "t")
    await trio.sleep(2)
    assert told == []
    plugin_bench.now += 301
    await trio.sleep(2)
    assert told == ["c-1"]
    await world.plugin.stop()


async def test_while_the_database_is_away_what_was_read_counts_on(world: World) -> None:
    world.filled.add_user("bob", "pw")
    world.filled.add_rule("bob", "allow", "all", "t")
    bob, ann = client("c", "bob"), client("d", "ann")
    assert await world.publish(bob, "t") == ALLOW
    world.bench.now += 1000
    hidden = world.filled.path.rename(world.filled.path.with_name("hidden"))
    assert await world.publish(bob, "t") == ALLOW
    assert await world.publish(ann, "t") == DENY_ONCE and await world.subscribe(ann, "t") == DENY_ONCE
    assert await world.login("bob") == (DENY, UNAVAILABLE)
    assert world.acl == {"read": 1, "stale": 1, "failed": 2} and world.auth == {"failed": 1}
    assert not world.filled.path.exists()
    hidden.rename(world.filled.path)
    assert await world.login("bob") == (ALLOW, 0) and await world.publish(ann, "t") == UNDECIDED
    world.filled.drop_rules("bob")
    assert await world.publish(bob, "t") == ALLOW
    world.bench.now += 11
    assert await world.publish(bob, "t") == UNDECIDED


async def test_by_configuration_no_answer_is_no_opinion(world: World) -> None:
    await world.reload(deny_if_error=False)
    world.filled.path.unlink()
    assert await world.login("bob") == (UNDECIDED, 0)
    assert await world.publish(client("c", "bob"), "t") == UNDECIDED


async def test_what_is_not_asked_is_nobodys_business(world: World) -> None:
    await world.reload(auth_query="")
    assert await world.login("bob") == (UNDECIDED, 0)
    await world.reload(auth_query="default", acl_query="", no_match="deny")
    assert await world.login("bob") == (DENY, BAD_LOGIN)
    assert await world.publish(client("c", "bob"), "t") == UNDECIDED


async def test_more_logins_than_may_wait_are_told_to_come_back(world: World) -> None:
    world.filled.add_user("bob", "pw")
    await world.reload(max_waiting=2)
    found: list[tuple[int, int]] = []

    async def login() -> None:
        found.append(await world.login("bob"))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(login)
    assert sorted(found) == sorted([(ALLOW, 0)] * 2 + [(DENY, BUSY)] * 3)
    assert world.plugin.attrs()["logins_waiting"] == 0 and await world.login("bob") == (ALLOW, 0)


async def test_a_reload_that_can_not_be_leaves_all_as_it_was(world: World) -> None:
    world.filled.add_user("bob", "pw")
    for keys, says in (
        ({"auth_query": "SELECT nothing FROM mqtt_user"}, "auth_query: .*nothing"),
        ({"database": "/nowhere/at/all/x.db", "create_tables": False}, "there is no such file"),
        ({"database": "/dev/null/x.db"}, "database: /dev/null/x.db"),
        ({"database": "users.db"}, "give the whole path"),
        ({"backend": "mysql", "database": "m", "password_file": "/nowhere"}, "password_file: /nowhere"),
    ):
        with pytest.raises(PluginError, match=says):
            await world.reload(**keys)
        assert await world.login("bob") == (ALLOW, 0)


async def test_a_server_that_is_away_at_the_start_is_waited_for(world: World) -> None:
    """The node starts without it: MQTT clients are told to come back."""
    await world.reload(backend="redis", server="127.0.0.1:1", database="")
    assert await world.login("bob") == (DENY, UNAVAILABLE)
    failures = world.plugin.attrs()["failures"]
    assert failures == {"connection": 1}
