"""The keys of rmq-session-storage: the shipped file, and what is said about wrong values."""

import pytest
from rmq_plugins.session_storage.config import SessionStorageConfig

from tests.support.plugin_keys import explains_every_key, has_every_key, said_of

NAME = "rmq-session-storage"
pytestmark = pytest.mark.usefixtures("nothing_configured")


def test_the_shipped_file_has_every_key_with_its_default_and_explains_it() -> None:
    has_every_key(NAME, SessionStorageConfig)
    explains_every_key(NAME)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("storage.sled.paht", "x", "unknown key"),
        ("storage.type", "redis-cluster", "redis-cluster isn't there"),
        ("storage.type", "ram", "engine"),
        ("update_interval", "0", "more than 0"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str, problem: str) -> None:
    said = said_of(NAME, SessionStorageConfig, key, value)
    assert said.startswith(f"--set: plugins.{NAME}.{key}") and problem in said, said
