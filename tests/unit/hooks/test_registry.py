"""Registering: order, refusals, and what is left after unregistering."""

from collections.abc import Callable
from functools import partial

import pytest

from rmq.hooks import chains
from rmq.hooks.points import POINTS
from rmq.session.client_info import ClientInfo
from tests.unit.hooks.world import World, client


@pytest.fixture
def world() -> World:
    return World()


def noting(calls: list[str], name: str) -> Callable[[ClientInfo], None]:
    def handler(client: ClientInfo) -> None:
        calls.append(name)

    return handler


def test_the_chains_are_the_points() -> None:
    # Not __slots__: a compiled class has none, but the same attributes.
    assert {name for name in dir(chains.HookChains) if not name.startswith("_")} == set(POINTS)


def test_a_point_without_handlers_has_nothing_to_run(world: World) -> None:
    assert world.chains.client_connected.handlers == []
    assert not world.chains.client_connected.waits


def test_higher_priorities_come_first_and_equal_ones_in_order_of_registration(world: World) -> None:
    calls: list[str] = []
    for name, priority in [("a", 0), ("b", 10), ("c", 0), ("d", -5), ("e", 10)]:
        world.registry.register("client_connected", noting(calls, name), name, priority)
    chains.client_connected(world.chains, client())
    assert calls == ["b", "e", "a", "c", "d"]


def test_unregistering_takes_out_one_handler_of_several(world: World) -> None:
    calls: list[str] = []
    same = noting(calls, "same")
    first = world.registry.register("client_connected", same, "p")
    world.registry.register("client_connected", same, "p")
    assert world.registry.unregister(first)
    assert not world.registry.unregister(first)
    chains.client_connected(world.chains, client())
    assert calls == ["same"]


def test_a_plugin_leaves_nothing_behind_and_can_come_again(world: World) -> None:
    calls: list[str] = []
    world.registry.register("client_connected", noting(calls, "other"), "other")
    for _ in range(2):
        world.registry.register("client_connected", noting(calls, "p"), "p", 5)
        world.registry.register("client_keepalive", noting(calls, "alive"), "p")
        assert world.registry.unregister_plugin("p") == 2
    assert world.chains.client_keepalive.handlers == []
    world.registry.register("client_connected", noting(calls, "p"), "p", 5)
    chains.client_connected(world.chains, client())
    assert calls == ["p", "other"]


def test_a_handler_that_unregisters_itself_does_not_disturb_the_others(world: World) -> None:
    calls: list[str] = []

    def once(client: ClientInfo) -> None:
        calls.append("once")
        world.registry.unregister(handle)

    handle = world.registry.register("client_connected", once, "p", 1)
    world.registry.register("client_connected", noting(calls, "always"), "p")
    chains.client_connected(world.chains, client())
    chains.client_connected(world.chains, client())
    assert calls == ["once", "always", "always"]


def test_an_unknown_point_is_refused_with_plugin_and_point(world: World) -> None:
    with pytest.raises(ValueError, match=r"my-plugin: there is no hook point 'client_conected'"):
        world.registry.register("client_conected", noting([], ""), "my-plugin")


def test_an_asynchronous_handler_is_refused_where_the_engine_cannot_wait(world: World) -> None:
    async def late(client: ClientInfo, message: object) -> int:
        return 0

    with pytest.raises(ValueError, match="message_expiry_check must not be asynchronous"):
        world.registry.register("message_expiry_check", late, "p")
    assert world.chains.message_expiry_check.handlers == []


def test_a_handler_with_other_parameters_is_refused_when_it_is_registered(world: World) -> None:
    def wrong(client: ClientInfo) -> int:
        return 0

    with pytest.raises(ValueError, match=r"message_publish_check_acl must take \(client, topic, qos, retain\)"):
        world.registry.register("message_publish_check_acl", wrong, "p")


def test_what_cannot_be_called_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="can't be called"):
        world.registry.register("client_connected", "handler", "p")  # type: ignore[arg-type]


class Awaitable:
    """A handler in the form of an object."""

    async def __call__(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        return 1


async def _with_setting(setting: int, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
    return setting


def test_asynchronous_handlers_are_recognized_in_every_form(world: World) -> None:
    async def plain(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        return 1

    for handler in (plain, Awaitable(), Awaitable().__call__, partial(_with_setting, 1)):
        handle = world.registry.register("message_publish_check_acl", handler, "p")
        assert world.chains.message_publish_check_acl.waits
        world.registry.unregister(handle)
        assert not world.chains.message_publish_check_acl.waits


def test_a_chain_stops_waiting_when_its_last_asynchronous_handler_is_gone(world: World) -> None:
    async def late(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        return 1

    def prompt(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        return 2

    world.registry.register("message_publish_check_acl", late, "late")
    world.registry.register("message_publish_check_acl", prompt, "prompt")
    assert chains.message_publish_check_acl(world.chains, client(), "t", 0, False) == 3
    world.registry.unregister_plugin("late")
    assert chains.message_publish_check_acl(world.chains, client(), "t", 0, False) == 2
