"""The keys of rmq-retainer: the shipped file, RMQTT's, and what is said about wrong values."""

import tomllib

import pytest
from pydantic import ValidationError
from rmq_plugins.retainer.config import RetainerConfig

from rmq.management.messages.retaining import MOST, RetainRules
from tests.support.plugin_keys import has_every_key

RMQTTS = """
storage.type = "sled"
storage.sled.path = "/var/log/rmqtt/.cache/retain/{node}"
storage.sled.cache_capacity = "3G"
storage.redis.url = "redis://127.0.0.1:6379/"
storage.redis.prefix = "retain"
max_retained_messages = 1000
max_payload_size = "512KB"
retained_message_ttl = "0m"
batch_messages_limit = 100
backend_timeout = "2s"
"""


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    has_every_key("rmq-retainer", RetainerConfig)
    assert RetainerConfig().without_effect() == []


def test_rmqtts_file_is_understood_and_what_has_no_effect_is_named() -> None:
    config = RetainerConfig.model_validate(tomllib.loads(RMQTTS))
    assert config.rules() == RetainRules(1000, 512 * 1024, 0)
    assert config.without_effect() == [
        "batch_messages_limit",
        "backend_timeout",
        "storage.type",
        "storage.sled.path",
        "storage.sled.cache_capacity",
        "storage.redis.url",
        "storage.redis.prefix",
    ]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"max_retained_messages": -1}, "greater than or equal to 0"),
        ({"max_retained_messages": MOST + 1}, f"less than or equal to {MOST}"),
        ({"max_payload_size": "9GB"}, f"must be at most {MOST}"),
        ({"max_payload_size": "much"}, "write a size such as"),
        ({"retained_message_ttl": "1500ms"}, "must be whole seconds"),
        ({"storage": {"type": "rocksdb"}}, "'redis'"),
        ({"storage": {"sled": {"file": "x"}}}, "file"),
        ({"ttl": 1}, "ttl"),
    ],
)
def test_a_wrong_value_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RetainerConfig.model_validate(keys)
    assert said in str(caught.value)
