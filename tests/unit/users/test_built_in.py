"""The users and access rules that all nodes keep, as clients meet them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.management.accounts.access_rules import KIND as RULES_KIND
from rmq.management.accounts.access_rules import AccessRule
from rmq.management.accounts.mqtt_users import KIND
from rmq.session.client_info import ClientInfo
from rmq.users import BuiltInRules, BuiltInUsers, LoginCheck
from tests.support import wire
from tests.support.engine import Client
from tests.support.users import cheap_hash
from tests.support.wire_parser import Connack
from tests.unit.management.world import World

OPEN = "tcp.external"
BAD_LOGIN = 0x86
NOT_AUTHORIZED = 0x87
SERVER_BUSY = 0x89


@pytest.fixture
async def node(nursery: trio.Nursery) -> AsyncIterator[World]:
    """A node whose handlers may wait."""
    world = World()
    world.engine.start(nursery.start_soon)
    yield world
    nursery.cancel_scope.cancel()


def take_part(world: World, *, open_listeners: tuple[str, ...] = (), is_last: bool = True) -> None:
    check = LoginCheck(world.engine.counters, lambda: world.engine.time, 2, 10, 60.0)
    BuiltInUsers(world.broker, world.engine.hooks, check, open_listeners, is_last=is_last)
    BuiltInRules(world.broker, world.engine.hooks)
    world.broker.account_watch.look()


async def add(world: World, name: str, password: str, *, superuser: bool = False) -> None:
    value = json.dumps({"superuser": superuser, "password_hash": cheap_hash(password)}).encode()
    await world.local.accounts.create(KIND, name, value)


class Connacks:
    """Sends CONNECTs, and waits until so many of them are answered."""

    def __init__(self, world: World, count: int = 1) -> None:
        self._left = count
        self._done = trio.Event()
        self._world = world
        self._handle = world.engine.hooks.register("client_connack", self._answered, "test")

    def _answered(self, client: ClientInfo, code: int) -> None:
        self._left -= 1
        if not self._left:
            self._done.set()

    def send(self, client_id: str, name: str | None, password: bytes | None) -> Client:
        client = self._world.engine.open()
        client.send(wire.connect(client_id, 5, True, 0, [], None, name, password))
        return client

    async def wait(self) -> None:
        with trio.fail_after(10):
            await self._done.wait()
        await wait_all_tasks_blocked()
        self._world.engine.hooks.unregister(self._handle)


async def login(world: World, name: str | None, password: bytes | None = None) -> tuple[int, Client]:
    connacks = Connacks(world)
    client = connacks.send("c", name, password)
    await connacks.wait()
    return client.take(Connack).code, client


async def test_users_get_in_with_their_passwords_only(node: World) -> None:
    take_part(node)
    await add(node, "ann", "right")
    for name, password, code in (
        ("ann", b"right", 0),
        ("ann", b"wrong", BAD_LOGIN),
        ("ann", None, BAD_LOGIN),
        ("bob", b"right", BAD_LOGIN),
        ("", b"right", BAD_LOGIN),
    ):
        assert (await login(node, name, password))[0] == code, (name, password)
    counters = node.engine.counters
    assert (counters.logins_failed, counters.logins_from_cache) == (4, 0)
    assert (await login(node, "ann", b"right"))[0] == 0 and counters.logins_from_cache == 1


async def test_a_change_counts_at_once_also_for_what_is_remembered(node: World) -> None:
    take_part(node)
    await add(node, "ann", "right")
    assert (await login(node, "ann", b"right"))[0] == 0
    changed = json.dumps({"superuser": False, "password_hash": cheap_hash("other")}).encode()
    await node.local.accounts.change(KIND, "ann", lambda before: changed)
    assert (await login(node, "ann", b"right"))[0] == BAD_LOGIN
    assert (await login(node, "ann", b"other"))[0] == 0
    await add(node, "bob", "x")
    await node.service.mqtt_users.delete("ann")
    assert (await login(node, "ann", b"other"))[0] == BAD_LOGIN


async def test_without_users_nobody_is_asked(node: World) -> None:
    take_part(node)
    assert not node.engine.chains.client_authenticate.handlers
    assert (await login(node, None))[0] == 0
    await add(node, "ann", "right")
    assert len(node.engine.chains.client_authenticate.handlers) == 1
    await node.service.mqtt_users.delete("ann")
    assert not node.engine.chains.client_authenticate.handlers


@pytest.mark.parametrize(("open_listeners", "code"), [((), NOT_AUTHORIZED), ((OPEN,), 0)])
async def test_without_a_name_the_listener_must_say_so(node: World, open_listeners: tuple[str, ...], code: int) -> None:
    take_part(node, open_listeners=open_listeners)
    await add(node, "ann", "right")
    assert (await login(node, None))[0] == code


async def test_who_isnt_known_is_left_to_who_is_asked_next(node: World) -> None:
    take_part(node, is_last=False)
    await add(node, "ann", "right")
    assert (await login(node, "bob", b"x"))[0] == 0, "nobody is: the listener takes anybody"
    assert (await login(node, "ann", b"x"))[0] == BAD_LOGIN


async def test_superusers_are_asked_nothing(node: World) -> None:
    take_part(node)
    await add(node, "root", "x", superuser=True)
    await node.service.access_rules.put("all", "", [AccessRule("deny", "all", "#")])
    _, client = await login(node, "root", b"x")
    assert client.subscribe(("t", 0)) == [0]


async def test_a_restart_knows_them_before_anybody_comes(node: World) -> None:
    await add(node, "ann", "right")
    await node.service.access_rules.put("all", "", [AccessRule("deny", "all", "#")])
    take_part(node)
    assert (await login(node, None))[0] == NOT_AUTHORIZED
    _, client = await login(node, "ann", b"right")
    assert client.subscribe(("t", 0)) == [NOT_AUTHORIZED]


async def test_what_cant_be_read_lets_nobody_in_and_denies(node: World) -> None:
    take_part(node)
    await add(node, "ann", "right")
    await node.local.accounts.create(KIND, "odd", b"{}")
    await node.local.accounts.create(RULES_KIND, "username:ann", b'{"rules": [{"topic": 1}]}')
    assert (await login(node, "odd", b""))[0] == BAD_LOGIN
    _, client = await login(node, "ann", b"right")
    assert client.subscribe(("t", 0)) == [NOT_AUTHORIZED]


# Rules


def allow(topic: str, action: str = "all", **keys: object) -> AccessRule:
    return AccessRule("allow", action, topic, **keys)  # type: ignore[arg-type]  # words of the rule, given as text


def deny(topic: str, action: str = "all", **keys: object) -> AccessRule:
    return AccessRule("deny", action, topic, **keys)  # type: ignore[arg-type]  # words of the rule, given as text


def test_the_client_comes_first_then_its_user_then_all() -> None:
    world = World()
    take_part(world)

    async def main() -> None:
        rules = world.service.access_rules
        await rules.put("all", "", [deny("a"), deny("b"), deny("c")])
        await rules.put("username", "ann", [allow("a"), allow("b")])
        await rules.put("clientid", "dev", [deny("a")])

    trio.run(main)
    dev = world.engine.connect("dev", username="ann")
    assert dev.subscribe(("a", 0), ("b", 0), ("c", 0), ("d", 0)) == [NOT_AUTHORIZED, 0, NOT_AUTHORIZED, 0]
    other = world.engine.connect("other", username="ann")
    assert other.subscribe(("a", 0)) == [0]
    nobody = world.engine.connect("nobody")
    assert nobody.subscribe(("a", 0), ("d", 0)) == [NOT_AUTHORIZED, 0]


def with_rules(*rules: AccessRule) -> World:
    world = World()
    take_part(world)
    trio.run(world.service.access_rules.put, "all", "", rules)
    return world


def test_action_qos_and_retain() -> None:
    world = with_rules(
        deny("sub", "subscribe"),
        deny("pub", "publish"),
        deny("q", qos=(1,)),
        deny("r", "publish", retain=True),
    )
    client = world.engine.connect("c")
    assert client.subscribe(("sub", 0), ("pub", 0), ("q", 0), ("q", 1)) == [NOT_AUTHORIZED, 0, 0, NOT_AUTHORIZED]
    assert client.publish("sub", b"", 2) < 0x80 and client.publish("pub", b"", 2) == NOT_AUTHORIZED
    assert client.publish("q", b"", 1) == NOT_AUTHORIZED and client.publish("q", b"", 2) < 0x80
    assert client.publish("r", b"x", 1, retain=True) == NOT_AUTHORIZED and client.publish("r", b"x", 1) < 0x80


def test_filters_cover_and_touch() -> None:
    world = with_rules(deny("eq #"), deny("secret/#"), allow("open/#"), allow("$share-like"), deny("+/x"))
    client = world.engine.connect("c")
    asked = [("#", 0), ("secret/+", 0), ("+/#", 0), ("open/+/x", 0), ("$share/g/secret/a", 0), ("a/x", 0), ("a/y", 0)]
    no = NOT_AUTHORIZED
    assert client.subscribe(*asked) == [no, no, no, 0, no, no, 0]


def test_placeholders_are_for_exactly_one_client() -> None:
    world = with_rules(allow("c/${clientid}/#"), allow("u/${username}/${clientid}"), deny("#"))
    dev = world.engine.connect("dev", username="ann")
    assert dev.subscribe(("c/dev/x", 0), ("c/other/x", 0), ("u/ann/dev", 0)) == [0, NOT_AUTHORIZED, 0]
    for client_id in ("+", "#", "a/b"):
        client = world.engine.connect(client_id)
        assert client.subscribe(("c/+/x", 0), (f"c/{client_id}", 0), ("u/a/b", 0)) == [NOT_AUTHORIZED] * 3


def test_other_rules_count_for_connections_that_are_there() -> None:
    world = with_rules(allow("t"))
    client = world.engine.connect("c")
    assert client.publish("t", b"", 1) < 0x80
    trio.run(world.service.access_rules.put, "clientid", "c", [deny("t")])
    world.engine.advance(0.2)
    assert client.publish("t", b"", 1) == NOT_AUTHORIZED
    trio.run(world.service.access_rules.delete_all)
    world.engine.advance(0.2)
    assert client.publish("t", b"", 1) < 0x80
    assert not world.engine.chains.message_publish_check_acl.handlers


async def test_logins_wait_for_each_other_in_bounds(node: World) -> None:
    check = LoginCheck(node.engine.counters, lambda: node.engine.time, 1, 0, 60.0)
    BuiltInUsers(node.broker, node.engine.hooks, check, (), is_last=True)
    node.broker.account_watch.look()
    await add(node, "ann", "right")
    connacks = Connacks(node, 2)
    clients = [connacks.send(f"c{number}", "ann", b"right") for number in range(2)]
    await connacks.wait()
    assert sorted(client.take(Connack).code for client in clients) == [0, SERVER_BUSY]
