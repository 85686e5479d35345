"""The keys of rmq-auth-jwt: the shipped file, and what is said about wrong values."""

import re
import tomllib
from pathlib import Path

import pytest
from rmq_plugins.auth_jwt.config import AuthJwtConfig

from rmq.config import ConfigError, Override, effective_toml, load

NAME = "rmq-auth-jwt"
SHIPPED = Path(__file__).resolve().parents[3] / "etc" / "plugins" / f"{NAME}.toml"
NAMES = [field.alias or name for name, field in AuthJwtConfig.model_fields.items()]


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    written = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    assert AuthJwtConfig.model_validate(written) == AuthJwtConfig.model_validate({})
    assert list(written) == NAMES
    assert list(written["validate_claims"]) == ["exp", "nbf"]


def test_every_key_of_the_shipped_file_is_explained() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    top = lines[: lines.index("[validate_claims]") + 1]
    places = [number for number, line in enumerate(top) if re.match(r"[a-z_0-9]+ = |\[", line)]
    assert len(places) == len(NAMES)
    assert all(lines[place - 1].startswith("# ") for place in places)


def test_a_configuration_is_printed_as_it_is_written_but_for_its_secret() -> None:
    values = [
        Override("--set", f"plugins.{NAME}.{key}", value)
        for key, value in (("from", "username"), ("hmac_secret", "tell nobody" * 4), ("validate_claims.iss", "me"))
    ]
    settings = load(overrides=values)
    printed = effective_toml(settings, {NAME: settings.plugin_settings(NAME, AuthJwtConfig)})
    assert "tell nobody" not in printed
    written = tomllib.loads(printed)["plugins"][NAME]
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
    settings = load(overrides=[Override("--set", f"plugins.{NAME}.{key}", value)])
    with pytest.raises(ConfigError) as refused:
        settings.plugin_settings(NAME, AuthJwtConfig)
    assert problem in str(refused.value)
