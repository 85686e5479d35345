"""The keys of both bridges to NATS: the shipped files, what these say of the keys, what is said about wrong values."""

import pytest
from pydantic import BaseModel, ValidationError
from rmq_plugins.bridge_nats.config import AuthConfig
from rmq_plugins.bridge_nats.egress import EgressBridgeConfig, EgressConfig
from rmq_plugins.bridge_nats.ingress import IngressConfig

from rmq.config.secrets import MASK, masked
from tests.support.plugin_keys import names_every_key

OUT = {"name": "b", "servers": "nats://h:1", "entries": [{"local": {"topic_filter": "a"}}]}
IN = {"name": "b", "servers": "nats://h:1", "entries": [{"remote": {"topic": "a"}}]}
FILES = [("egress", EgressConfig), ("ingress", IngressConfig)]


@pytest.mark.parametrize(("direction", "config"), FILES)
def test_the_shipped_file_names_every_key(direction: str, config: type[BaseModel]) -> None:
    names_every_key(f"rmq-bridge-{direction}-nats", config)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"servers": "http://h:1"}, "nats://host:port or tls://host:port"),
        ({"servers": "nats://h:1, h:2"}, "nats://host:port"),
        ({"servers": "nats://h:99999"}, "not an address"),
        ({"servers": "nats://me:secret@h:1"}, "auth.username"),
        ({"servers": ",".join(["nats://h:1"] * 17)}, "16 servers at most"),
        ({"client_cert": "c.pem"}, "belong together"),
        ({"sender_capacity": 2000}, "less than or equal to 1000"),
        ({"ping_interval": "0"}, "more than 0"),
        ({"producer_name_prefix": "a.b"}, "producer_name_prefix"),
        ({"auth": {"jwt": "x"}}, "jwt and jwt_seed belong together"),
        ({"auth": {"username": "x"}}, "username and password belong together"),
        ({"auth": {"nkey": "x", "token": "y"}}, "only one of"),
        ({"auth": {"token": "${ENV:RMQ_NO_SUCH_NAME}"}}, "the environment has no RMQ_NO_SUCH_NAME"),
        ({"entries": []}, "at least 1"),
        ({"entries": [{"local": {"topic_filter": "a/#/b"}}]}, "isn't a topic filter"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"topic": "x.>"}}]}, "makes no subject"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"topic": "${x}"}}]}, "only placeholder"),
        ({"entries": [{"local": {"topic_filter": "a"}, "remote": {"forward_all_from": True}}]}, "isn't known here"),
        ({"entries": [{"local": {"topic_filter": "a"}}] * 2}, "stands there twice"),
        ({"enabled": True}, "enabled"),
    ],
)
def test_a_wrong_key_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        EgressConfig.model_validate({"bridges": [{**OUT, **keys}]})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"entries": [{"remote": {"topic": "a..b"}}]}, "is no subject of NATS"),
        ({"entries": [{"remote": {"topic": "a", "stream": "S"}}]}, "needs jetstream = true"),
        ({"entries": [{"remote": {"topic": "a", "group": "a b"}}]}, "group"),
        ({"entries": [{"remote": {"topic": "a"}, "local": {"topic": "x/+"}}]}, "makes no topic name"),
    ],
)
def test_a_wrong_key_of_the_way_in(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        IngressConfig.model_validate({"bridges": [{**IN, **keys}]})
    assert said in str(caught.value)


def test_secrets_are_masked_where_the_configuration_is_shown() -> None:
    for key in AuthConfig.model_fields:
        assert masked("auth", {key: "very"}) == {key: "very" if key == "username" else MASK}


def test_a_server_has_one_name_however_it_is_written() -> None:
    one = EgressBridgeConfig.model_validate({**OUT, "servers": "nats://b, tls://a:7"})
    other = EgressBridgeConfig.model_validate({**OUT, "servers": "tls://a:7,nats://b:4222"})
    assert one.server == other.server == "a:7,b:4222"
