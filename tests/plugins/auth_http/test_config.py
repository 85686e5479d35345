"""The keys of rmq-auth-http: the shipped file, and what is said about wrong values."""

import pytest
from rmq_plugins.auth_http.config import AuthHttpConfig

from tests.support.plugin_keys import explains_every_key, has_every_key, printed, said_of

NAME = "rmq-auth-http"
pytestmark = pytest.mark.usefixtures("nothing_configured")


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    has_every_key(NAME, AuthHttpConfig)


def test_every_key_of_the_shipped_file_is_explained() -> None:
    explains_every_key(NAME)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("priorty", "1"),
        ("http_timeout", "0"),
        ("http_retry.times", "-1"),
        ("http_retry.backoff", "0.5"),
        ("http_auth_req.url", "ftp://host/"),
        ("http_auth_req.url", "http:///path"),
        ("http_auth_req.method", "delete"),
        ("http_auth_req.headers.a b", "1"),
        ("http_acl_req.parms.a", "1"),
        ("http_max_answer", "1"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str) -> None:
    said = said_of(NAME, AuthHttpConfig, key, value)
    assert said.startswith(f"--set: plugins.{NAME}.{key.removesuffix('.a').removesuffix('.a b')}")


def test_what_a_request_is_authorized_with_is_not_shown() -> None:
    secret = "Bearer tell-nobody"
    headers = f'{{authorization="{secret}",x-api-key="{secret}"}}'
    assert secret not in printed(NAME, AuthHttpConfig, {"http_headers": headers})
