"""The keys of both bridges: the shipped files, what they say of the keys, and what is said about wrong values."""

import pytest
from pydantic import BaseModel, ValidationError
from rmq_plugins.bridge_kafka.egress import EgressBridgeConfig, EgressConfig
from rmq_plugins.bridge_kafka.ingress import IngressBridgeConfig, IngressConfig
from rmq_plugins.bridge_kafka.ingress import RemoteConfig as RemoteIn

from tests.support.plugin_keys import names_every_key

FAR = {"topic": "t", "group_id": "g"}
OUT = {"name": "b", "servers": "h:1", "entries": [{"local": {"topic_filter": "a"}}]}
IN = {"name": "b", "servers": "h:1", "entries": [{"remote": FAR, "local": {"topic": "a"}}]}
FILES = [("egress", EgressConfig), ("ingress", IngressConfig)]


def remote_in(**keys: object) -> dict[str, object]:
    return {"entries": [{"remote": FAR | keys, "local": {"topic": "a"}}]}


@pytest.mark.parametrize(("direction", "config"), FILES)
def test_the_shipped_file_names_every_key(direction: str, config: type[BaseModel]) -> None:
    names_every_key(f"rmq-bridge-{direction}-kafka", config)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"servers": "h"}, "host:port"),
        ({"servers": "h:1,h:99999"}, "host:port"),
        ({"servers": "kafka://h:1"}, "host:port"),
        ({"name": "a b"}, "a name has up to 64"),
        ({"tls": True, "client_cert": "c.pem"}, "belong together"),
        ({"root_cert": "ca.pem"}, "certificates are for tls = true"),
        ({"sasl_mechanism": "PLAIN"}, "needs username and password"),
        ({"username": "u", "password": "p"}, "need a sasl_mechanism"),
        ({"sasl_mechanism": "GSSAPI"}, "'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'"),
        ({"properties": {"a": "${ENV:RMQ_NO_SUCH_NAME}"}}, "the environment has no RMQ_NO_SUCH_NAME"),
        ({"properties": {"bootstrap.servers": "h:2"}}, "that is servers"),
        ({"properties": {"acks": "1"}}, "acks is all: with '1' messages could be lost"),
        ({"properties": {"linger.ms": 20}}, "valid string"),
        ({"entries": []}, "at least 1"),
        ({"entries": [{"local": {"topic_filter": "$share/g/a"}}]}, "isn't a topic filter"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"topic": "${clientid}"}}]}, "placeholders are"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"topic": "a b"}}]}, "makes no topic of Kafka"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"topic": "x" * 250}}]}, "makes no topic of Kafka"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"key": "${"}}]}, "placeholders are"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"partition": -1}}]}, "greater than or equal to 0"),
        ({"entries": [{"local": {"topic_filter": "a"}}] * 2}, "stands there twice"),
        ({"enabled": True}, "enabled"),
    ],
)
def test_a_wrong_key_of_egress_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        EgressConfig.model_validate({"bridges": [{**OUT, **keys}]})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (remote_in(offset="now"), 'an offset is "beginning", "end", "stored"'),
        (remote_in(offset=1.5), 'an offset is "beginning", "end", "stored"'),
        (remote_in(topic="a/b"), "is no topic of Kafka"),
        (remote_in(group_id=""), "at least 1 character"),
        (remote_in(stop_partition=3), "needs a start_partition"),
        (remote_in(start_partition=4, stop_partition=3), "1 to 10000 partitions"),
        ({"entries": [{"remote": FAR, "local": {}}]}, "Field required"),
        ({"entries": [{"remote": FAR, "local": {"topic": "a/+"}}]}, "makes no topic name"),
        ({"entries": [{"remote": FAR, "local": {"topic": "${remote.topic}"}}]}, "placeholders are"),
        ({"entries": [{"remote": FAR, "local": {"topic": "a", "qos": 3}}]}, "less than or equal to 2"),
        ({"properties": {"enable.auto.commit": "true"}}, "enable.auto.commit is false"),
        ({"properties": {"group.id": "g"}}, "that is remote.group_id"),
        ({"properties": {"auto.offset.reset": "error"}}, "auto.offset.reset can't be 'error'"),
        ({"commit_interval": "0"}, "more than 0"),
    ],
)
def test_a_wrong_key_of_ingress_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        IngressConfig.model_validate({"bridges": [{**IN, **keys}]})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [({}, None), ({"start_partition": 2}, [2]), ({"start_partition": 2, "stop_partition": 4}, [2, 3, 4])],
)
def test_partitions_are_shared_out_or_given(keys: dict[str, object], wanted: list[int] | None) -> None:
    found = RemoteIn.model_validate(FAR | keys).partitions
    assert (found if found is None else list(found)) == wanted


@pytest.mark.parametrize(
    ("offset", "properties", "start"),
    [
        ("stored", {}, "end"),
        ("stored", {"auto.offset.reset": "earliest"}, "beginning"),
        ("Beginning", {"auto.offset.reset": "latest"}, "beginning"),
        (7, {}, "7"),
        ("-7", {}, "-7"),
    ],
)
def test_where_a_new_group_begins(offset: object, properties: dict[str, str], start: str) -> None:
    bridge = IngressBridgeConfig.model_validate({**IN, **remote_in(offset=offset), "properties": properties})
    assert bridge.start_of(bridge.entries[0]) == start


def test_properties_are_secured_and_say_who_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMQ_KAFKA_PASSWORD", "very secret")
    keys = {
        "tls": True,
        "root_cert": "/ca.pem",
        "sasl_mechanism": "SCRAM-SHA-512",
        "username": "u",
        "password": "${ENV:RMQ_KAFKA_PASSWORD}",
        "reconnect_interval": "50ms",
        "properties": {"linger.ms": "20", "reconnect.backoff.max.ms": "70"},
    }
    found = EgressBridgeConfig.model_validate({**OUT, **keys}).library_properties("me")
    assert found == {
        "bootstrap.servers": "h:1",
        "client.id": "me",
        "linger.ms": "20",
        "reconnect.backoff.max.ms": "70",
        "reconnect.backoff.ms": "50",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.password": "very secret",
        "sasl.username": "u",
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": "/ca.pem",
    }


def test_two_bridges_have_two_names() -> None:
    for config, bridge in ((EgressConfig, OUT), (IngressConfig, IN)):
        with pytest.raises(ValidationError, match="b stands there twice"):
            config.model_validate({"bridges": [bridge, bridge]})
