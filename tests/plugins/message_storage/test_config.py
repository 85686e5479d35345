"""The keys of rmq-message-storage: the shipped file, and what is said about wrong values."""

import pytest
from rmq_plugins.message_storage.config import MessageStorageConfig

from tests.support.plugin_keys import explains_every_key, has_every_key, said_of

NAME = "rmq-message-storage"
pytestmark = pytest.mark.usefixtures("nothing_configured")


def test_the_shipped_file_has_every_key_with_its_default_and_explains_it() -> None:
    has_every_key(NAME, MessageStorageConfig)
    explains_every_key(NAME)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("topic", "1", "unknown key"),
        ("topics", '["a/#/b"]', "isn't a topic filter"),
        ("topics", '["$share/g/a"]', "isn't a topic filter"),
        ("max_age", "0", "more than 0"),
        ("storage.type", "redis", "redis isn't there"),
        ("storage.type", "tape", "disk"),
        ("storage.disk.capacity", "1KB", "at least 1MB"),
        ("storage.ram.queue_max", "0", "1"),
        ("storage.redis-cluster.url", "x", "unknown key"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str, problem: str) -> None:
    said = said_of(NAME, MessageStorageConfig, key, value)
    assert said.startswith(f"--set: plugins.{NAME}.{key}") and problem in said, said
