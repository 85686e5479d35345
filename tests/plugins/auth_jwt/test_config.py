"""The keys of rmq-auth-jwt: the shipped file, and what is said about wrong values."""

import tomllib

import pytest
from rmq_plugins.auth_jwt.config import AuthJwtConfig

from tests.support.plugin_keys import explains_every_key, has_every_key, printed, problems_of

NAME = "rmq-auth-jwt"
pytestmark = pytest.mark.usefixtures("nothing_configured")


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    written = has_every_key(NAME, AuthJwtConfig)
    assert list(written) == [field.alias or name for name, field in AuthJwtConfig.model_fields.items()]
    assert list(written["validate_claims"]) == ["exp", "nbf"]


def test_every_key_of_the_shipped_file_is_explained() -> None:
    explains_every_key(NAME)


def test_a_configuration_is_printed_as_it_is_written_but_for_its_secret() -> None:
    keys = {"from": "username", "hmac_secret": "tell nobody" * 4, "validate_claims.iss": "me"}
    shown = printed(NAME, AuthJwtConfig, keys)
    assert "tell nobody" not in shown
    written = tomllib.loads(shown)["plugins"][NAME]
    assert (written["from"], written["validate_claims"]["iss"]) == ("username", "me")
    assert "from_" not in written


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("from", "cookie", 'must be one of "password" or "username"'),
        ("encrypt", "none", 'must be one of "hmac-based" or "public-key"'),
        ("algorithms", '["none"]', "must be one of"),
        ("algorithms", '["RS256"]', "RS256 isn't one of hmac-based"),
        ("public_key", "key.pem", 'for encrypt = "public-key"'),
        ("jwks_url", "ftp://x/y", "a URL begins with http"),
        ("jwks_refresh", "0s", "must be more than 0"),
        ("validate_claims.sub", "${user}", "${user} is no placeholder"),
        ("validate_claims.aud", "[]", "an empty list lets nobody in"),
        ("hmac_sekret", "x", "unknown key"),
    ],
)
def test_wrong_values_are_named(key: str, value: str, problem: str) -> None:
    assert any(problem in said for said in problems_of(NAME, AuthJwtConfig, key, value))
