"""Configurations of plugins that APIs set: kept by all nodes, taken once, wherever they were set."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.management.errors import AccountNotFound, BadQuery, PluginNotFound, PluginRefused
from rmq.management.node.plugin_configs import KIND, PluginConfigs, Written
from rmq.storage.account_records import PutAccount
from tests.unit.management.world import FakePlugin, World


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


def doubled(written: Written) -> Written:
    """An edit: every number is twice what it was."""
    return {
        plugin: {key: value * 2 for key, value in values.items() if isinstance(value, int)}
        for plugin, values in written.items()
    }


@pytest.fixture
def written(world: World) -> World:
    """Files say something of both plugins."""
    world.plugins.written = {"rmq-a": {"x": 1, "of": "files"}, "rmq-b": {"y": 5}}
    world.plugins.known["rmq-b"] = FakePlugin("rmq-b")
    return world


async def test_an_edit_sees_what_is_written_and_what_was_set(written: World) -> None:
    configs = written.service.plugin_configs
    await configs.edit(["rmq-a", "rmq-b"], doubled)
    assert (configs.kept("rmq-a"), configs.kept("rmq-b")) == ({"x": 2}, {"y": 10})
    assert written.plugins.done == ["reload rmq-a", "reload rmq-b"]
    await configs.set("rmq-a", {"x": 2, "z": "set"})
    await configs.edit(["rmq-a"], doubled)
    assert configs.kept("rmq-a") == {"x": 4, "z": "set"}
    written.plugins.done.clear()
    await configs.edit(["rmq-a", "rmq-b"], lambda written: {"rmq-a": {"x": 4}, "rmq-b": {}})
    assert written.plugins.done == [], "nothing is to be changed"


async def test_an_edit_that_is_wrong_somewhere_changes_nothing(written: World) -> None:
    configs = written.service.plugin_configs
    with pytest.raises(BadQuery, match="no key wrong"):
        await configs.edit(["rmq-a", "rmq-b"], lambda written: {"rmq-a": {"x": 2}, "rmq-b": {"wrong": 1}})
    with pytest.raises(BadQuery, match="no more than 8192 bytes"):
        await configs.edit(["rmq-a", "rmq-b"], lambda written: {"rmq-a": {"x": 2}, "rmq-b": {"y": "x" * 9000}})
    assert written.local.accounts.all(KIND) == []
    assert written.plugins.done == ["reload rmq-a"] * 2, "there and back"


@pytest.mark.parametrize("before", [{}, {"x": 7}])
async def test_an_edit_that_one_plugin_refuses_is_put_back_in_all(
    written: World, monkeypatch: pytest.MonkeyPatch, before: Mapping[str, object]
) -> None:
    configs, take = written.service.plugin_configs, written.plugins.reload_config
    if before:
        await configs.set("rmq-a", before)

    async def refuse(name: str) -> None:
        await take(name)
        if configs.kept("rmq-b"):
            raise PluginRefused(name, "doesn't want it")

    monkeypatch.setattr(written.plugins, "reload_config", refuse)
    written.plugins.done.clear()
    with pytest.raises(PluginRefused, match="doesn't want it"):
        await configs.edit(["rmq-a", "rmq-b"], doubled)
    assert (configs.kept("rmq-a"), configs.kept("rmq-b")) == (before, {})
    assert written.plugins.done == ["reload rmq-a", "reload rmq-b", "reload rmq-b", "reload rmq-a"]


async def test_an_edit_is_asked_again_where_somebody_else_was_faster(written: World) -> None:
    configs, seen = written.service.plugin_configs, []

    def edit(found: Written) -> Written:
        seen.append(found["rmq-a"]["x"])
        if len(seen) == 2:  # what is proposed next is about a revision that is no more
            accounts = written.broker.state.accounts
            accounts.put(PutAccount(KIND, "rmq-a", b'{"x":50}', accounts.kinds[KIND]["rmq-a"].revision))
        return doubled(found)

    await configs.set("rmq-a", {"x": 3})
    await configs.edit(["rmq-a"], edit)
    assert (configs.kept("rmq-a"), seen) == ({"x": 100}, [3, 3, 50])
