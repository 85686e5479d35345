"""rmq-acl in the chains of a node: which hooks it takes, its verdicts, what it remembers and forgets."""

import pytest
from rmq_plugins.acl import AclPlugin
from rmq_plugins.acl import plugin as plugin_module
from rmq_plugins.acl.config import AclConfig

from rmq.hooks import chains
from rmq.hooks.chains import HookChains
from rmq.mqtt.codes import NOT_AUTHORIZED, SUCCESS
from rmq.plugin_api import ALLOW, DENY, DENY_AND_DISCONNECT, UNDECIDED, ClientInfo, Connect
from tests.plugins.acl.clients import client
from tests.support.plugins import PluginBench


class Acl:
    """A started plugin and the chains it is in."""

    def __init__(self, bench: PluginBench, plugin: AclPlugin) -> None:
        self.chains: HookChains = bench.chains
        self.plugin = plugin

    def connects(self, info: ClientInfo, password: bytes | None = None, reason_code: int = SUCCESS) -> bool:
        """Say CONNECT, be authenticated, and be answered; False when it is denied."""
        assert chains.client_connect(self.chains, info, connect_packet(info, password)) is None
        verdict = chains.client_connect_check_acl(self.chains, info)
        assert verdict in (UNDECIDED, DENY)
        chains.client_connack(self.chains, info, NOT_AUTHORIZED if verdict == DENY else reason_code)
        return verdict == UNDECIDED

    def publishes(self, info: ClientInfo, topic: str = "a") -> int:
        return chains.message_publish_check_acl(self.chains, info, topic, 0, False)

    def subscribes(self, info: ClientInfo, topic_filter: str = "a") -> int:
        return chains.client_subscribe_check_acl(self.chains, info, topic_filter, 0)


def connect_packet(info: ClientInfo, password: bytes | None, auth_method: str | None = None) -> Connect:
    packet = Connect(info.protocol_level, info.client_id, True, 60)
    packet.username, packet.password, packet.auth_method = info.username, password, auth_method
    return packet


async def started(bench: PluginBench, *rules: list[object], **keys: object) -> Acl:
    plugin = AclPlugin(AclConfig.model_validate({"rules": list(rules), **keys}), bench.host("rmq-acl"))
    await plugin.start()
    return Acl(bench, plugin)


async def test_verdicts(plugin_bench: PluginBench) -> None:
    acl = await started(plugin_bench, ["allow", "all", "publish", ["a"]], ["allow", "all", "subscribe", ["b"]])
    assert [acl.publishes(client(), topic) for topic in "ab"] == [ALLOW, DENY_AND_DISCONNECT]
    assert [acl.subscribes(client(), topic) for topic in "ab"] == [DENY, ALLOW]
    denied = {"connect": 0, "publish": 1, "subscribe": 1}
    assert acl.plugin.attrs() == {"rules": 2, "denied": denied, "subscriptions_ended": 0}


async def test_a_denied_publish_need_not_end_the_connection(plugin_bench: PluginBench) -> None:
    acl = await started(plugin_bench, disconnect_if_pub_rejected=False)
    assert acl.publishes(client()) == DENY


async def test_a_denied_client_may_not_connect_and_others_are_left_to_authentication(plugin_bench: PluginBench) -> None:
    acl = await started(plugin_bench, ["deny", {"ipaddr": "10.0.0.0/8"}, "connect"], ["allow", "all"])
    assert not acl.connects(client(host="10.0.0.1"))
    assert acl.connects(client(host="11.0.0.1"))
    assert acl.plugin.attrs()["denied"] == {"connect": 1, "publish": 0, "subscribe": 0}


async def test_hooks_that_no_rule_needs_are_left_alone(plugin_bench: PluginBench) -> None:
    await started(plugin_bench, ["allow", "all"])
    assert not plugin_bench.chains.client_connect.handlers
    assert not plugin_bench.chains.client_connect_check_acl.handlers
    assert not plugin_bench.chains.client_connack.handlers
    assert not plugin_bench.chains.client_disconnected.handlers


@pytest.mark.parametrize(("priority", "first"), [(1, DENY), (100, ALLOW)])
async def test_the_priority_is_the_configured_one(plugin_bench: PluginBench, priority: int, first: int) -> None:
    plugin_bench.host("other").on("message_publish_check_acl", lambda client, topic, qos, retain: DENY, 50)
    acl = await started(plugin_bench, ["allow", "all"], priority=priority)
    assert acl.publishes(client()) == first


PASSWORD_RULE: list[object] = ["allow", {"user": "u", "password": "secret"}, "pubsub"]


async def test_a_password_counts_for_the_connection_it_came_with(plugin_bench: PluginBench) -> None:
    acl = await started(plugin_bench, PASSWORD_RULE)
    knows, guesses = client("a", username="u"), client("a", username="u")
    assert acl.connects(knows, b"secret")
    assert acl.connects(guesses, b"Secret")
    assert [acl.publishes(knows), acl.subscribes(knows)] == [ALLOW, ALLOW]
    assert [acl.publishes(guesses), acl.subscribes(guesses)] == [DENY_AND_DISCONNECT, DENY]


async def test_the_will_of_a_client_that_is_still_connecting_is_judged_by_its_password(
    plugin_bench: PluginBench,
) -> None:
    acl = await started(plugin_bench, PASSWORD_RULE)
    info = client(username="u")
    assert chains.client_connect(plugin_bench.chains, info, connect_packet(info, b"secret")) is None
    assert acl.publishes(info) == ALLOW


async def test_a_password_beside_an_auth_exchange_fits_nobody(plugin_bench: PluginBench) -> None:
    acl = await started(plugin_bench, PASSWORD_RULE)
    info = client(username="u")
    chains.client_connect(plugin_bench.chains, info, connect_packet(info, b"secret", "SCRAM-SHA-256"))
    assert acl.publishes(info) == DENY_AND_DISCONNECT


async def test_connecting_is_judged_as_who_the_client_turned_out_to_be(plugin_bench: PluginBench) -> None:
    rules: list[list[object]] = [["allow", {"superuser": True}, "connect"], ["deny", {"user": "mallory"}, "connect"]]
    acl = await started(plugin_bench, *rules)
    info = client(username="alice")
    chains.client_connect(plugin_bench.chains, info, connect_packet(info, None, "SCRAM-SHA-256"))
    info.username = "mallory"
    assert chains.client_connect_check_acl(acl.chains, info) == DENY
    info.superuser = True
    assert chains.client_connect_check_acl(acl.chains, info) == UNDECIDED


@pytest.mark.parametrize("way", ["disconnected", "refused"])
async def test_what_a_client_showed_is_forgotten_with_its_connection(plugin_bench: PluginBench, way: str) -> None:
    acl = await started(plugin_bench, PASSWORD_RULE)
    info = client(username="u")
    if way == "refused":
        acl.connects(info, b"secret", NOT_AUTHORIZED)
    else:
        acl.connects(info, b"secret")
        chains.client_disconnected(plugin_bench.chains, info, 0, "")
    assert acl.publishes(info) == DENY_AND_DISCONNECT


async def test_connections_that_break_before_their_answer_use_no_memory(
    plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_module, "MAX_CONNECTING", 2)
    acl = await started(plugin_bench, PASSWORD_RULE)
    infos = [client(str(number), username="u") for number in range(3)]
    for info in infos:
        chains.client_connect(plugin_bench.chains, info, connect_packet(info, b"secret"))
    assert [acl.publishes(info) for info in infos] == [DENY_AND_DISCONNECT, ALLOW, ALLOW]
