"""rmq-topic-rewrite without a node: when it takes part, messages of the API, and other rules."""

from rmq_plugins.topic_rewrite import TopicRewritePlugin
from rmq_plugins.topic_rewrite.config import TopicRewriteConfig

from rmq.hooks import chains
from rmq.mqtt.message import FROM_WILL
from rmq.plugin_api import FROM_ADMIN, ClientInfo, Message, SubscriptionRequest
from tests.support.plugins import PluginBench


def config(*rules: tuple[str, str, str]) -> TopicRewriteConfig:
    keys = ("action", "source_topic_filter", "dest_topic")
    return TopicRewriteConfig.model_validate({"rules": [dict(zip(keys, rule, strict=True)) for rule in rules]})


async def started(bench: PluginBench, *rules: tuple[str, str, str]) -> TopicRewritePlugin:
    plugin = TopicRewritePlugin(config(*rules), bench.host("rmq-topic-rewrite"))
    await plugin.start()
    return plugin


def client() -> ClientInfo:
    return ClientInfo(1, "dev", None, 5, "192.0.2.7", 50_000, "tcp.external", 1883)


async def test_without_rules_no_message_is_looked_at(plugin_bench: PluginBench) -> None:
    hooks = plugin_bench.chains
    plugin = await started(plugin_bench)
    points = (hooks.client_publish, hooks.message_publish, hooks.client_subscribe, hooks.client_unsubscribe)
    assert [len(point.handlers) for point in points] == [0, 0, 0, 0]
    await plugin.reload(config(("subscribe", "a", "b")))
    assert [len(point.handlers) for point in points] == [0, 0, 1, 1]
    await plugin.reload(config(("publish", "a", "b")))
    assert [len(point.handlers) for point in points] == [1, 1, 0, 0]
    assert plugin.attrs()["rules"] == 1


async def test_what_the_api_publishes_is_rewritten_wills_were_before(plugin_bench: PluginBench) -> None:
    await started(plugin_bench, ("all", "a", "b"), ("all", "id", "of/${clientid}"))
    for origin, topic, publisher, becomes in (
        (FROM_ADMIN, "a", "", "b"),
        (FROM_ADMIN, "id", "web", "of/web"),
        (FROM_ADMIN, "id", "", "id"),
        (FROM_WILL, "a", "dev", "a"),
    ):
        message = Message(topic, b"x", 1, True, publisher, b"p", 9.0, 8.0, origin)
        found = chains.message_publish(plugin_bench.chains, None, message)
        assert found is not None
        assert (found.topic, found.payload, found.qos, found.retain) == (becomes, b"x", 1, True)
        assert (found.publisher, found.properties, found.expires_at, found.created_at) == (publisher, b"p", 9.0, 8.0)


async def test_what_isnt_rewritten_stays_the_same_object(plugin_bench: PluginBench) -> None:
    plugin = await started(plugin_bench, ("all", "a", "b"))
    request = SubscriptionRequest("other", 1, True, True, 2)
    assert chains.client_subscribe(plugin_bench.chains, client(), request) is request
    changed = chains.client_subscribe(plugin_bench.chains, client(), SubscriptionRequest("a", 1, True, True, 2))
    assert changed is not None
    assert (changed.topic_filter, changed.qos, changed.no_local) == ("b", 1, True)
    assert (changed.retain_as_published, changed.retain_handling) == (True, 2)
    assert chains.client_publish(plugin_bench.chains, client(), "a") == "b"
    assert plugin.attrs()["rewritten"] == {"publish": 1, "subscribe": 1}
