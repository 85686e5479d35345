"""rmq-acl goes over to other rules while clients are connected."""

from __future__ import annotations

import pytest
from rmq_plugins.acl import AclPlugin
from rmq_plugins.acl.config import AclConfig

from rmq.hooks import chains
from rmq.mqtt.codes import SUCCESS
from rmq.mqtt.packets import Connect
from rmq.plugin_api import ALLOW, DENY, DENY_AND_DISCONNECT, UNDECIDED, ClientInfo
from tests.plugins.acl.clients import client
from tests.support.plugins import PluginBench

Rules = list[list[object]]

ALL: Rules = [["allow", "all"]]
NOBODY: Rules = [["deny", "all"]]


def config(rules: Rules, **keys: object) -> AclConfig:
    return AclConfig.model_validate({"rules": rules, **keys})


async def started(bench: PluginBench, rules: Rules, **keys: object) -> AclPlugin:
    plugin = AclPlugin(config(rules, **keys), bench.host("rmq-acl"))
    await plugin.start()
    return plugin


def publishes(bench: PluginBench, info: ClientInfo) -> int:
    return chains.message_publish_check_acl(bench.chains, info, "t", 0, False)


def connects(bench: PluginBench, info: ClientInfo, password: bytes) -> None:
    connect = Connect(5, info.client_id, True, 0)
    connect.password = password
    chains.client_connect(bench.chains, info, connect)
    chains.client_connack(bench.chains, info, SUCCESS)


async def test_the_new_rules_hold_from_now_on(plugin_bench: PluginBench) -> None:
    plugin = await started(plugin_bench, ALL)
    assert publishes(plugin_bench, client()) == ALLOW
    await plugin.reload(config(NOBODY, disconnect_if_pub_rejected=False))
    assert publishes(plugin_bench, client()) == DENY
    assert chains.client_subscribe_check_acl(plugin_bench.chains, client(), "t", 0) == DENY
    assert plugin.attrs()["rules"] == 1
    assert len(plugin_bench.chains.message_publish_check_acl.handlers) == 1


async def test_hooks_come_and_go_with_the_rules_that_need_them(plugin_bench: PluginBench) -> None:
    hooks = plugin_bench.chains
    plugin = await started(plugin_bench, ALL)
    await plugin.reload(config([["deny", {"user": "u", "password": "secret"}, "connect"], *ALL]))
    points = (hooks.client_connect, hooks.client_connack, hooks.client_disconnected, hooks.client_connect_check_acl)
    assert [len(point.handlers) for point in points] == [1, 1, 1, 1]
    await plugin.reload(config(ALL))
    assert [len(point.handlers) for point in points] == [0, 0, 0, 0]


@pytest.mark.parametrize(("priority", "verdict"), [(1, DENY), (100, ALLOW)])
async def test_the_priority_is_the_new_one(plugin_bench: PluginBench, priority: int, verdict: int) -> None:
    plugin_bench.host("other").on("message_publish_check_acl", lambda client, topic, qos, retain: DENY, 50)
    plugin = await started(plugin_bench, ALL, priority=50)
    await plugin.reload(config(ALL, priority=priority))
    assert publishes(plugin_bench, client()) == verdict


async def test_a_password_that_was_shown_still_counts_where_the_rules_have_it(plugin_bench: PluginBench) -> None:
    old: Rules = [["allow", {"password": password}, "pubsub", ["t"]] for password in ("one", "two")]
    plugin = await started(plugin_bench, old)
    knows, guesses = client("a"), client("b")
    connects(plugin_bench, knows, b"two")
    connects(plugin_bench, guesses, b"three")
    new: Rules = [["allow", {"password": password}, "pubsub", ["t"]] for password in ("three", "two", "two")]
    await plugin.reload(config(new))
    assert publishes(plugin_bench, knows) == ALLOW
    assert publishes(plugin_bench, guesses) == DENY_AND_DISCONNECT, "nobody knows that it would have shown this one"
    await plugin.reload(config(old[:1]))
    assert publishes(plugin_bench, knows) == DENY_AND_DISCONNECT


async def test_who_may_not_connect_any_more_is_kept_out_from_now_on(plugin_bench: PluginBench) -> None:
    plugin = await started(plugin_bench, ALL)
    await plugin.reload(config([["deny", {"clientid": "banned"}, "connect"], *ALL]))
    (check,) = plugin_bench.chains.client_connect_check_acl.handlers
    assert [check(client("banned")), check(client("other"))] == [DENY, UNDECIDED]
