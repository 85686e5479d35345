"""rmq-auto-subscription without a node: whom it subscribes to what, and that it never waits for itself."""

from collections.abc import Sequence

import pytest
import trio
from rmq_plugins.auto_subscription import AutoSubscriptionPlugin
from rmq_plugins.auto_subscription import plugin as module
from rmq_plugins.auto_subscription.config import AutoSubscriptionConfig
from rmq_plugins.auto_subscription.filters import filled
from trio.testing import wait_all_tasks_blocked

from rmq.hooks import chains
from rmq.plugin_api import ClientInfo, SubscriptionRequest
from tests.support.plugins import PluginBench


def client(client_id: str = "dev", username: str | None = None) -> ClientInfo:
    return ClientInfo(1, client_id, username, 5, "192.0.2.7", 50_000, "tcp.external", 1883)


def config(*filters: str) -> AutoSubscriptionConfig:
    return AutoSubscriptionConfig.model_validate({"subscribes": [{"topic_filter": f, "qos": 1} for f in filters]})


class Asked:
    """The node, where each subscribing waits until the test lets it."""

    def __init__(self, bench: PluginBench, codes: Sequence[int] = (1,)) -> None:
        self.host = bench.host("rmq-auto-subscription")
        self.host.subscribe = self._subscribe  # type: ignore[method-assign]  # the node's part, which no bench has
        self.done: list[tuple[str, list[str]]] = []
        self.let = trio.Event()
        self.codes = codes

    async def _subscribe(self, client_id: str, requests: Sequence[SubscriptionRequest]) -> Sequence[int]:
        await self.let.wait()
        self.done.append((client_id, [request.topic_filter for request in requests]))
        return self.codes


async def test_each_client_that_connects(plugin_bench: PluginBench) -> None:
    asked = Asked(plugin_bench, (1, 0x97))
    plugin = AutoSubscriptionPlugin(config("all", "c/${clientid}", "u/${username}"), asked.host)
    await plugin.start()
    asked.let.set()
    chains.client_connected(plugin_bench.chains, client("one"))
    chains.client_connected(plugin_bench.chains, client("two", "ann"))
    await wait_all_tasks_blocked()
    assert sorted(asked.done) == [("one", ["all", "c/one"]), ("two", ["all", "c/two", "u/ann"])]
    assert plugin.attrs() == {"subscribes": 3, "waiting": 0, "subscribed": 2, "refused": 2, "unfit": 1, "lost": 0}


async def test_who_comes_when_too_many_wait_gets_none(
    plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    asked = Asked(plugin_bench)
    plugin = AutoSubscriptionPlugin(config("all"), asked.host)
    await plugin.start()
    chains.client_connected(plugin_bench.chains, client("0"))
    await wait_all_tasks_blocked()
    for number in range(1, 4):
        chains.client_connected(plugin_bench.chains, client(f"{number}"))
    assert (plugin.attrs()["waiting"], plugin.attrs()["lost"]) == (2, 1)
    asked.let.set()
    await wait_all_tasks_blocked()
    assert [who for who, _ in asked.done] == ["0", "1", "2"]


async def test_a_reload_is_for_those_who_come(plugin_bench: PluginBench) -> None:
    asked = Asked(plugin_bench)
    asked.let.set()
    plugin = AutoSubscriptionPlugin(config(), asked.host)
    await plugin.start()
    assert not plugin_bench.chains.client_connected.handlers
    await plugin.reload(config("new"))
    chains.client_connected(plugin_bench.chains, client())
    await wait_all_tasks_blocked()
    assert asked.done == [("dev", ["new"])]
    await plugin.reload(config())
    assert not plugin_bench.chains.client_connected.handlers


@pytest.mark.parametrize("value", ["", "+", "#", "a/b", "x\0"])
def test_a_name_that_would_mean_more_fits_nothing(value: str) -> None:
    assert filled("u/${username}", client(username=value)) is None
    assert filled("c/${clientid}", client(value)) is None


def test_placeholders_are_literal() -> None:
    assert filled("${host}/${port}/${clientid}", client("${port}")) == "192.0.2.7/50000/${port}"
    assert filled("${clientid}/x", client("$SYS")) is None
    assert filled("x/${clientid}", client("$SYS")) == "x/$SYS"
    assert filled("u/${username}", client()) is None
