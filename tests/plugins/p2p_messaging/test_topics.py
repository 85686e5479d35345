"""Topics that name a client, the keys of the plugin, and what its handlers leave of a message."""

import pytest
from pydantic import ValidationError
from rmq_plugins.p2p_messaging import P2pMessagingPlugin
from rmq_plugins.p2p_messaging.config import Mode, P2pMessagingConfig
from rmq_plugins.p2p_messaging.topics import addressee

from rmq.hooks import chains
from rmq.plugin_api import FROM_ADMIN, FROM_CLIENT, FROM_WILL, AddressedMessage, Message
from tests.support.plugin_keys import explains_every_key, has_every_key
from tests.support.plugins import PluginBench


@pytest.mark.parametrize(
    ("topic", "prefix", "suffix", "both"),
    [
        ("p2p/dev/sensor/temp", ("dev", "sensor/temp"), None, ("dev", "sensor/temp")),
        ("sensor/temp/p2p/dev", None, ("dev", "sensor/temp"), ("dev", "sensor/temp")),
        ("p2p/a/t/p2p/b", ("a", "t/p2p/b"), ("b", "p2p/a/t"), ("a", "t/p2p/b")),
        ("p2p/dev/", None, None, None),
        ("p2p/dev", None, None, None),
        ("p2p//t", None, None, None),
        ("p2p/dev//t", ("dev", "/t"), None, ("dev", "/t")),
        ("/p2p/dev", None, None, None),
        ("t/p2p/", None, None, None),
        ("t/p2p/dev/x", None, None, None),
        ("x/p2p2/dev", None, None, None),
        ("p2p/dev/$SYS/broker/version", None, None, None),
        ("p2p/dev/$delayed/1/t", None, None, None),
        ("$SYS/x/p2p/dev", None, None, None),
        ("P2P/dev/t", None, None, None),
        ("p2p/p2p/p2p", ("p2p", "p2p"), ("p2p", "p2p"), ("p2p", "p2p")),
    ],
)
def test_whom_a_topic_names(
    topic: str, prefix: tuple[str, str] | None, suffix: tuple[str, str] | None, both: tuple[str, str] | None
) -> None:
    assert addressee(topic, "prefix") == prefix
    assert addressee(topic, "suffix") == suffix
    assert addressee(topic, "both") == both


def test_the_shipped_file_has_every_key_with_its_default_and_explains_it() -> None:
    has_every_key("rmq-p2p-messaging", P2pMessagingConfig)
    explains_every_key("rmq-p2p-messaging")


@pytest.mark.parametrize(("keys", "said"), [({"mode": "infix"}, "'both'"), ({"modes": "both"}, "modes")])
def test_a_wrong_value_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        P2pMessagingConfig.model_validate(keys)
    assert said in str(caught.value)


def config(mode: Mode) -> P2pMessagingConfig:
    return P2pMessagingConfig(mode=mode)


async def test_a_message_keeps_all_but_its_topic_and_is_never_retained(plugin_bench: PluginBench) -> None:
    plugin = P2pMessagingPlugin(config("prefix"), plugin_bench.host("rmq-p2p-messaging"))
    await plugin.start()
    for origin in (FROM_CLIENT, FROM_ADMIN):
        message = Message("p2p/dev/t", b"x", 2, True, "p", b"p", 9.0, 8.0, origin)
        found = chains.message_publish(plugin_bench.chains, None, message)
        assert isinstance(found, AddressedMessage)
        assert (found.client_id, found.topic, found.payload, found.qos, found.retain) == ("dev", "t", b"x", 2, False)
        assert (found.publisher, found.properties, found.expires_at, found.created_at) == ("p", b"p", 9.0, 8.0)
        assert found.origin == origin
    will = Message("p2p/dev/t", b"x", 2, True, "p", b"p", 9.0, 8.0, FROM_WILL)
    assert chains.message_publish(plugin_bench.chains, None, will) is will
    await plugin.reload(config("suffix"))
    assert chains.message_publish(plugin_bench.chains, None, message) is message
    assert plugin.attrs() == {"mode": "suffix", "addressed": 2}


async def test_handlers_of_others_see_what_was_published_and_may_change_it(plugin_bench: PluginBench) -> None:
    await P2pMessagingPlugin(config("prefix"), plugin_bench.host("rmq-p2p-messaging")).start()
    seen: list[str] = []

    def rewrite(client: object, message: Message) -> Message:
        seen.append(message.topic)
        return Message(f"p2p/{message.topic}", message.payload, message.qos, False, message.publisher)

    plugin_bench.host("other").on("message_publish", rewrite, priority=-1000)
    found = chains.message_publish(plugin_bench.chains, None, Message("dev/t", b"x", 0, False, "p"))
    assert isinstance(found, AddressedMessage) and (found.client_id, found.topic) == ("dev", "t")
    assert seen == ["dev/t"]
