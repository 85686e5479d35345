"""rmq-auth-http without a node: what a reload forgets, and what it keeps; with a real HTTP server."""

from collections.abc import Iterator

import orjson
import pytest
from rmq_plugins.auth_http import AuthHttpPlugin
from rmq_plugins.auth_http.config import AuthHttpConfig

from rmq.hooks.async_runner import AsyncRunner
from rmq.plugin_api import ALLOW, DENY, UNDECIDED, AuthRequest, ClientInfo, PluginError
from tests.plugins.acl.clients import client
from tests.support.http_server import HttpServer, Reply
from tests.support.plugins import PluginBench

pytestmark = pytest.mark.realtime


@pytest.fixture
def server() -> Iterator[HttpServer]:
    running = HttpServer()
    yield running
    running.stop()


def config(server: HttpServer, **keys: object) -> AuthHttpConfig:
    urls = {"http_auth_req": {"url": f"{server.url}/auth"}, "http_acl_req": {"url": f"{server.url}/acl"}}
    return AuthHttpConfig.model_validate(urls | {"disconnect_if_pub_rejected": False} | keys)


class World:
    def __init__(self, bench: PluginBench) -> None:
        self.runner = AsyncRunner(bench.chains, bench.registry)

    async def authenticate(self, info: ClientInfo) -> int:
        result = await self.runner.run_decide("client_authenticate", AuthRequest(info, b"x"))
        return UNDECIDED if result is None else result.verdict

    async def subscribe(self, info: ClientInfo, topic_filter: str) -> int:
        return await self.runner.run_decide("client_subscribe_check_acl", info, topic_filter, 0)


async def test_a_reload_forgets_answers_and_keeps_what_logins_gave(
    plugin_bench: PluginBench, server: HttpServer
) -> None:
    world = World(plugin_bench)
    rules = [{"permission": "allow", "action": "subscribe", "topic": "own"}]
    server.answer = lambda asked: Reply(
        body=orjson.dumps({"result": "allow", "acl": rules}) if asked.path == "/auth" else b"allow"
    )
    plugin = AuthHttpPlugin(config(server), plugin_bench.host("rmq-auth-http"))
    await plugin.start()
    info = client("me")
    assert await world.authenticate(info) == ALLOW
    assert [await world.subscribe(info, topic) for topic in ("a", "a", "own")] == [ALLOW] * 3
    assert len(server.asked) == 2
    server.answer = lambda asked: Reply(body=b"deny")
    await plugin.reload(config(server, acl_cache_ttl="1h"))
    assert [await world.subscribe(info, topic) for topic in ("a", "a", "own")] == [DENY, DENY, ALLOW]
    assert len(server.asked) == 3
    attrs = plugin.attrs()
    assert attrs["acl"] == {"allowed": 1, "denied": 1} and attrs["cache_hits"] == 2 and attrs["breaker"] == "closed"
    with pytest.raises(PluginError, match="http_ca_file"):
        await plugin.reload(config(server, http_ca_file="/nowhere.pem"))
    assert await world.subscribe(info, "b") == DENY
    await plugin.reload(AuthHttpConfig())
    assert await world.subscribe(info, "b") == UNDECIDED and await world.authenticate(client("other")) == UNDECIDED
    await plugin.stop()


async def test_each_client_has_answers_of_its_own_until_it_goes(plugin_bench: PluginBench, server: HttpServer) -> None:
    world = World(plugin_bench)
    server.answer = lambda asked: Reply(body=b"allow" if asked.params["clientid"] == "a" else b"deny")
    plugin = AuthHttpPlugin(config(server), plugin_bench.host("rmq-auth-http"))
    await plugin.start()
    one, other = client("a"), client("b")
    assert [await world.subscribe(info, "t") for info in (one, other, one, other)] == [ALLOW, DENY, ALLOW, DENY]
    assert plugin.attrs()["clients"] == 2
    for handler in plugin_bench.chains.client_disconnected.handlers:
        handler(one, 0, "")
    assert plugin.attrs()["clients"] == 1
    assert await world.subscribe(client("a"), "t") == ALLOW
    assert len(server.asked) == 3
    await plugin.stop()
