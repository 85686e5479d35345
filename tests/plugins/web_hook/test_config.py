"""The keys of rmq-web-hook: the shipped file, and what is said about wrong values."""

import pytest
from rmq_plugins.web_hook.config import WebHookConfig

from tests.support.plugin_keys import explains_every_key, has_every_key, printed, said_of

NAME = "rmq-web-hook"
pytestmark = pytest.mark.usefixtures("nothing_configured")


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    has_every_key(NAME, WebHookConfig)


def test_every_key_of_the_shipped_file_is_explained() -> None:
    explains_every_key(NAME)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("queue_capcity", "1", "unknown key"),
        ("urls", '["ftp://host/"]', "http:// or https:// and a host, or with file:///"),
        ("urls", '["file://host/path"]', "file:///absolute/path"),
        ("urls", '["http://host:99999/"]', "not a URL"),
        ("retry_multiplier", "0.5", "1"),
        ("batch_max_events", "0", "1"),
        ("http_timeout", "0", "more than 0"),
        ("rule.client_conected", '[{action="x"}]', "client_conected"),
        ("rule.client_connected", '[{acton="x"}]', "unknown key"),
        ("rule.message_publish", '[{topics=["a/#/b"]}]', "isn't a topic filter"),
        ("rule.message_publish", '[{topics=["$share/g/a"]}]', "isn't a topic filter"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str, problem: str) -> None:
    said = said_of(NAME, WebHookConfig, key, value)
    assert said.startswith(f"--set: plugins.{NAME}.{key}") and problem in said


def test_secrets_are_not_shown() -> None:
    secret = "tell-nobody"
    keys = {
        "signature_secret": secret,
        "http_headers": f'{{authorization="{secret}"}}',
        "urls": f'["https://user:{secret}@host/"]',
    }
    assert secret not in printed(NAME, WebHookConfig, keys)
