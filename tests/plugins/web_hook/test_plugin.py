"""rmq-web-hook without a node: start, reload and stop, with a real HTTP server."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from rmq_plugins.web_hook import WebHookPlugin
from rmq_plugins.web_hook.config import WebHookConfig

from rmq.hooks import chains
from rmq.plugin_api import DENY, AuthResult, Connect, PluginError
from tests.plugins.acl.clients import client
from tests.support.http_server import Asked, HttpServer, Reply
from tests.support.plugins import PluginBench

pytestmark = pytest.mark.realtime


def config(**keys: object) -> WebHookConfig:
    rules: dict[str, object] = {"client_connected": [{}]}
    return WebHookConfig.model_validate({"rule": rules, "retry_interval": "20ms", "retry_max_interval": "50ms"} | keys)


async def started(bench: PluginBench, folder: Path, **keys: object) -> WebHookPlugin:
    bench.services.data_path = folder
    plugin = WebHookPlugin(config(**keys), bench.host("rmq-web-hook"))
    await plugin.start()
    return plugin


def connect(bench: PluginBench, name: str) -> None:
    chains.client_connected(bench.chains, client(name))


async def told(server: HttpServer, condition: Callable[[list[str]], bool]) -> list[str]:
    def names(asked: list[Asked]) -> list[str]:
        return [one.json["clientid"] for one in asked if one.path != "/dead"]

    asked = await trio.to_thread.run_sync(server.wait_for, lambda asked: condition(names(asked)))
    return names(asked)


async def test_a_reload_goes_over_to_other_urls_and_loses_nothing(
    plugin_bench: PluginBench, server: HttpServer, tmp_path: Path
) -> None:
    server.answer = lambda asked: Reply(503 if asked.path == "/dead" else 200)
    plugin = await started(plugin_bench, tmp_path, urls=[f"{server.url}/dead", f"{server.url}/a"])
    connect(plugin_bench, "one")
    assert await told(server, lambda names: len(names) == 1) == ["one"]
    await plugin.reload(config(urls=[f"{server.url}/a", f"{server.url}/b"]))
    connect(plugin_bench, "two")
    assert await told(server, lambda names: len(names) == 3) == ["one", "two", "two"]
    server.answer = lambda asked: Reply()
    before = len(server.asked)
    await plugin.reload(config(urls=[f"{server.url}/dead"]))  # what waited for it has waited
    asked = await trio.to_thread.run_sync(server.wait_for, lambda asked: len(asked) > before)
    assert [one.json["clientid"] for one in asked[before:]] == ["one"]
    await plugin.stop()


async def test_a_reload_that_fails_changes_nothing(
    plugin_bench: PluginBench, server: HttpServer, tmp_path: Path
) -> None:
    plugin = await started(plugin_bench, tmp_path, urls=[server.url])
    with pytest.raises(PluginError, match="http_ca_file"):
        await plugin.reload(config(urls=[server.url], http_ca_file="/nowhere.pem"))
    connect(plugin_bench, "one")
    assert await told(server, lambda names: len(names) == 1) == ["one"]
    await plugin.stop()


async def test_without_a_url_it_listens_to_nothing_until_it_has_one(
    plugin_bench: PluginBench, server: HttpServer, tmp_path: Path
) -> None:
    plugin = await started(plugin_bench, tmp_path)
    assert plugin_bench.registry.handles_of("rmq-web-hook") == []
    assert plugin.attrs()["urls"] == {}
    await plugin.reload(config(urls=[server.url]))
    connect(plugin_bench, "one")
    assert await told(server, lambda names: len(names) == 1) == ["one"]
    await plugin.reload(config())
    assert plugin_bench.registry.handles_of("rmq-web-hook") == []
    await plugin.stop()


async def test_what_nobody_took_is_there_after_a_restart(
    plugin_bench: PluginBench, server: HttpServer, tmp_path: Path
) -> None:
    server.answer = lambda asked: Reply(500)
    plugin = await started(plugin_bench, tmp_path, urls=[server.url])
    for number in range(20):
        connect(plugin_bench, str(number))
    await plugin.stop()
    assert plugin_bench.registry.handles_of("rmq-web-hook") == []
    tried = len(server.asked)
    server.answer = lambda asked: Reply()
    again = await started(plugin_bench, tmp_path, urls=[server.url])
    names = await told(server, lambda names: len(names) >= tried + 20)
    assert names[tried:] == [str(number) for number in range(20)]
    await again.stop()


async def test_a_slow_endpoint_is_given_up_and_shown(
    plugin_bench: PluginBench, server: HttpServer, tmp_path: Path
) -> None:
    never = threading.Event()
    server.answer = lambda asked: Reply(wait=never)
    secret_url = server.url.replace("http://", "http://user:tell-nobody@") + "/x?token=tell-nobody"
    plugin = await started(plugin_bench, tmp_path, urls=[secret_url], http_timeout="50ms")
    try:
        connect(plugin_bench, "one")
        await trio.to_thread.run_sync(server.wait_for, lambda asked: len(asked) >= 2)
        attrs = plugin.attrs()
        assert attrs["queued"] == 1 and attrs["sent"] == 0 and attrs["dropped"] == 0
        assert isinstance(attrs["failed"], int) and attrs["failed"] >= 1
        assert "tell-nobody" not in str(attrs) and f"{server.url}/x" in str(attrs)
    finally:
        never.set()
        await plugin.stop()


async def test_a_node_that_keeps_nothing_has_a_queue_for_as_long_as_it_runs(
    plugin_bench: PluginBench, server: HttpServer
) -> None:
    plugin = WebHookPlugin(config(urls=[server.url]), plugin_bench.host("rmq-web-hook"))
    await plugin.start()
    connect(plugin_bench, "one")
    assert await told(server, lambda names: len(names) == 1) == ["one"]
    await plugin.stop()


async def test_a_client_that_another_plugin_refuses_is_told_of(
    plugin_bench: PluginBench, server: HttpServer, tmp_path: Path
) -> None:
    plugin_bench.registry.register("client_connect", lambda client, connect: AuthResult(DENY), "other", 500)
    plugin = await started(plugin_bench, tmp_path, urls=[server.url], rule={"client_connect": [{}]})
    refused = chains.client_connect(plugin_bench.chains, client("one"), Connect(5, "one", True, 60))
    assert refused is not None and refused.verdict == DENY
    assert await told(server, lambda names: len(names) == 1) == ["one"]
    await plugin.stop()
