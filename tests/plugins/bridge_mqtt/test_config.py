"""The keys of both bridges: the shipped files, what they say of the keys, and what is said about wrong values."""

import pytest
from pydantic import BaseModel, ValidationError
from rmq_plugins.bridge_mqtt.config import Server
from rmq_plugins.bridge_mqtt.egress import EgressBridgeConfig, EgressConfig, EgressPlugin
from rmq_plugins.bridge_mqtt.ingress import IngressBridgeConfig, IngressConfig, IngressPlugin
from rmq_plugins.bridges.entries import entry_key

from tests.support.plugin_keys import names_every_key
from tests.support.plugins import PluginBench

OUT = {"name": "b", "server": "tcp://h:1", "entries": [{"local": {"topic_filter": "a"}}]}
IN = {"name": "b", "server": "tcp://h:1", "entries": [{"remote": {"topic": "a"}}]}
FILES = [("egress", EgressConfig), ("ingress", IngressConfig)]


@pytest.mark.parametrize(("direction", "config"), FILES)
def test_the_shipped_file_names_every_key(direction: str, config: type[BaseModel]) -> None:
    names_every_key(f"rmq-bridge-{direction}-mqtt", config)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"server": "http://h:1"}, "tcp://host:port or tls://host:port"),
        ({"server": "tcp://h:0"}, "tcp://host:port"),
        ({"server": "tcp://u@h:1"}, "tcp://host:port"),
        ({"server": "tcp://h:99999"}, "not an address"),
        ({"name": "a b"}, "a name has up to 64"),
        ({"client_cert": "c.pem"}, "belong together"),
        ({"password": "${ENV:RMQ_NO_SUCH_NAME}"}, "the environment has no RMQ_NO_SUCH_NAME"),
        ({"message_channel_capacity": 100_000}, "less than or equal to 60000"),
        ({"reconnect_interval": "0"}, "more than 0"),
        ({"mqtt_ver": "v3"}, "'v4' or 'v5'"),
        ({"v4": {"last_will": {"topic": "a/#"}}}, "isn't a topic name"),
        ({"v5": {"last_will": {"topic": "a", "message": "?", "encoding": "base64"}}}, "isn't base64"),
        ({"entries": None}, "valid tuple"),
        ({"entries": [{"local": {"topic_filter": "$share/g/a"}}]}, "isn't a topic filter"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"topic": "x/${clientid}"}}]}, "only placeholder"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"topic": "x/#"}}]}, "makes no topic name"),
        ({"entries": [{"local": {"topic_filter": "a"}}] * 2}, "stands there twice"),
        ({"enabled": True}, "enabled"),
    ],
)
def test_a_wrong_key_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        EgressConfig.model_validate({"bridges": [{**OUT, **keys}]})
    assert said in str(caught.value)


def test_a_session_there_keeps_its_name_where_no_levels_are_left_out() -> None:
    keys = []
    for local in ({}, {"skip_levels": 0}, {"skip_levels": 1}, {"skip_levels": 2}):
        bridge = IngressBridgeConfig.model_validate({**IN, "entries": [{"remote": {"topic": "a"}, "local": local}]})
        keys.append(bridge.entries[0].key)
    assert keys[0] == keys[1] == entry_key("a", "${remote.topic}")
    assert len(set(keys)) == 3


def test_two_bridges_have_two_names() -> None:
    for config, bridge in ((EgressConfig, OUT), (IngressConfig, IN)):
        with pytest.raises(ValidationError, match="b stands there twice"):
            config.model_validate({"bridges": [bridge, bridge]})


def test_a_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMQ_BRIDGE_PASSWORD", "very")
    bridge = EgressBridgeConfig.model_validate({**OUT, "password": "${ENV:RMQ_BRIDGE_PASSWORD} secret"})
    assert bridge.password == "very secret"


@pytest.mark.parametrize(
    ("text", "shown", "tls"),
    [("tcp://h", "h:1883", False), ("tls://h", "h:8883", True), ("tcp://[::1]:7", "[::1]:7", False)],
)
def test_a_server(text: str, shown: str, tls: bool) -> None:
    server = Server(text)
    assert (str(server), server.is_tls) == (shown, tls)


def test_an_entry_keeps_its_key_when_its_place_changes() -> None:
    first = EgressBridgeConfig.model_validate(OUT).entries[0]
    other = {"local": {"topic_filter": "b"}}
    moved = EgressBridgeConfig.model_validate({**OUT, "entries": [other, *OUT["entries"]]})
    assert [entry.key == first.key for entry in moved.entries] == [False, True]


@pytest.mark.parametrize("direction", ["egress", "ingress"])
async def test_an_entry_goes_on_when_others_come_and_go(plugin_bench: PluginBench, direction: str) -> None:
    """What its connections depend on is the same as before: so they aren't made anew."""

    async def signs(**keys: object) -> list[str]:
        bridge = {**(OUT if direction == "egress" else IN), "enable": True, **keys}
        host = plugin_bench.host(f"rmq-bridge-{direction}-mqtt")
        if direction == "egress":
            out = EgressConfig.model_validate({"bridges": [bridge]})
            return [planned.sign for planned in await EgressPlugin(out, host).planned(out)]
        into = IngressConfig.model_validate({"bridges": [bridge]})
        return [planned.sign for planned in await IngressPlugin(into, host).planned(into)]

    entry = (OUT if direction == "egress" else IN)["entries"]
    other = [{"local": {"topic_filter": "b"}} if direction == "egress" else {"remote": {"topic": "b"}}]
    (before,) = await signs()
    assert (await signs(entries=[*other, *entry]))[1] == before
    assert before not in await signs(keepalive="5s") and before not in await signs(entries=other)
    assert await signs(entries=[]) == []
