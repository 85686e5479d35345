"""The keys of rmq-sys-topic: the shipped file, and what is said about wrong values."""

import pytest
from rmq_plugins.sys_topic.config import SysTopicConfig

from tests.support.plugin_keys import explains_every_key, has_every_key, said_of

NAME = "rmq-sys-topic"
pytestmark = pytest.mark.usefixtures("nothing_configured")


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    has_every_key(NAME, SysTopicConfig)


def test_every_key_of_the_shipped_file_is_explained() -> None:
    explains_every_key(NAME)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("publish_qos", "3"),
        ("publish_interval", "500ms"),
        ("message_expiry_interval", "-1s"),
        ("message_retain_available", "perhaps"),
        ("publish_intervall", "10s"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str) -> None:
    assert said_of(NAME, SysTopicConfig, key, value).startswith(f"--set: plugins.{NAME}.{key}: ")
