"""Configurations of plugins that APIs set: kept by all nodes, taken once, wherever they were set."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.management.errors import AccountNotFound, BadQuery, PluginNotFound, PluginRefused
from rmq.management.node.plugin_configs import KIND, PluginConfigs
from tests.unit.management.world import World


async def test_what_is_set_is_kept_and_taken(world: World) -> None:
    configs = world.service.plugin_configs
    assert configs.kept("rmq-a") == {}
    await configs.set("rmq-a", {"rules": [{"topic": "ü"}]})
    assert configs.kept("rmq-a") == {"rules": [{"topic": "ü"}]}
    assert world.plugins.done == ["reload rmq-a"]
    await configs.set("rmq-a", {"rules": []})
    assert configs.kept("rmq-a") == {"rules": []}
    await configs.take_all()
    assert world.plugins.done == ["reload rmq-a"] * 2, "once each"


async def test_a_plugin_that_doesnt_run_is_started(world: World) -> None:
    await world.service.plugin_configs.set("rmq-b", {"x": 1})
    assert world.plugins.done == ["load rmq-b"]


async def test_what_is_wrong_changes_nothing(world: World) -> None:
    configs = world.service.plugin_configs
    with pytest.raises(BadQuery, match="no key wrong"):
        await configs.set("rmq-a", {"wrong": 1})
    with pytest.raises(PluginNotFound):
        await configs.set("rmq-c", {})
    with pytest.raises(BadQuery, match="no more than 8192 bytes"):
        await configs.set("rmq-a", {"x": "x" * 9000})
    assert world.local.accounts.all(KIND) == [] and world.plugins.done == []


async def test_what_was_set_is_forgotten(world: World) -> None:
    configs = world.service.plugin_configs
    await configs.set("rmq-a", {"x": 1})
    await configs.forget("rmq-a")
    assert configs.kept("rmq-a") == {} and world.plugins.done == ["reload rmq-a"] * 2
    with pytest.raises(AccountNotFound):
        await configs.forget("rmq-a")


async def test_after_a_restart_it_is_taken_once_more(world: World) -> None:
    await world.service.plugin_configs.set("rmq-b", {"x": 1})
    restarted = PluginConfigs(world.local)
    assert restarted.kept("rmq-b") == {"x": 1}
    await restarted.take_all()
    assert world.plugins.done == ["load rmq-b"] * 2


async def test_what_another_node_sets_is_seen(world: World, nursery: trio.Nursery) -> None:
    elsewhere = PluginConfigs(world.local)  # as if it shared the state
    nursery.start_soon(world.service.plugin_configs.watch)
    await elsewhere.set("rmq-a", {"x": 1})
    await elsewhere.set("rmq-b", {"x": 1})
    await wait_all_tasks_blocked()
    assert sorted(world.plugins.done) == ["load rmq-b"] * 2 + ["reload rmq-a"] * 2, "here and there"
    world.plugins.done.clear()
    await elsewhere.forget("rmq-a")
    await wait_all_tasks_blocked()
    assert world.plugins.done == ["reload rmq-a"] * 2


async def test_one_that_cant_take_it_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await PluginConfigs(world.local).set("rmq-a", {"x": 1})
    await PluginConfigs(world.local).set("rmq-b", {"x": 1})
    world.plugins.done.clear()

    async def refuse(name: str) -> None:
        raise PluginRefused(name, "doesn't want it")

    monkeypatch.setattr(world.plugins, "reload_config", refuse)
    await world.service.plugin_configs.take_all()
    await world.service.plugin_configs.take_all()
    assert world.plugins.done == ["load rmq-b"]
