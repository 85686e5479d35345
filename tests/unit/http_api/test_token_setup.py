"""What [jwt] may say, and what is made of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from rmq_http_api.config import HttpApiConfig, JwtRules
from rmq_http_api.token_setup import TokenSetup

from rmq.config.secrets import MASK, masked
from tests.support.signed_tokens import EC, RSA, SECRET, private_pem, public_pem, signed
from tests.unit.http_api.api import Api, problem


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": ["HS512"]}, "algorithms"),
        ({"algorithms": ["HS256"]}, "HS256 and a secret"),
        ({"secret": SECRET}, "HS256 and a secret"),
        ({"algorithms": ["RS256"], "secret": SECRET}, "HS256 and a secret"),
        ({"algorithms": ["HS256", "HS256"], "secret": SECRET}, "twice"),
        ({"algorithms": ["HS256"], "secret": SECRET, "secret_file": "f"}, "one of the two"),
        ({"algorithms": ["RS256"]}, "public keys"),
        ({"jwks_url": "https://issuer"}, "public keys"),
        ({"algorithms": ["ES256"], "public_key_file": "f", "jwks_url": "https://issuer"}, "one of the two"),
        ({"algorithms": ["RS256"], "jwks_url": "http://issuer/keys"}, "must be https"),
        ({"algorithms": ["RS256"], "jwks_url": "http://127.0.0.1.example.org/keys"}, "must be https"),
        ({"algorithms": ["RS256"], "jwks_url": "file:///etc/passwd"}, "https address"),
        ({"algorithms": ["RS256"], "jwks_url": "https://"}, "https address"),
        ({"algorithms": ["RS256"], "jwks_url": "https://issuer:x"}, "https address"),
        ({"algorithms": ["RS256"], "jwks_url": "https://issuer:0"}, "https address"),
        ({"algorithms": ["RS256"], "public_key_file": "f", "jwks_ca": "f"}, "jwks_ca"),
        ({"jwks_refresh": "1s"}, "jwks_refresh"),
        ({"jwks_timeout": "0s"}, "jwks_timeout"),
        ({"leeway": "1h"}, "leeway"),
        ({"default_role": "administrator"}, "default_role"),
        ({"roles": {"x": "root"}}, "roles"),
        ({"name_claim": ""}, "name_claim"),
        ({"audience": [""]}, "audience"),
        ({"alg": "RS256"}, "alg"),
    ],
)
def test_what_it_may_not_say(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        JwtRules(**keys)


@pytest.mark.parametrize("url", ["https://issuer.example.org/keys", "http://localhost:8080/k", "http://[::1]/k"])
def test_where_keys_may_come_from(url: str) -> None:
    rules = JwtRules(algorithms=["RS256", "ES256"], jwks_url=url)
    assert TokenSetup(rules).published is not None


async def test_a_secret_of_a_file_and_a_public_key(tmp_path: Path) -> None:
    secret, public = tmp_path / "secret", tmp_path / "public.pem"
    secret.write_text(f"{SECRET}\n")
    public.write_bytes(public_pem(RSA))
    rules = JwtRules(algorithms=["HS256", "RS256"], secret_file=str(secret), public_key_file=str(public))
    setup = TokenSetup(rules)
    assert setup.published is None
    assert (await setup.tokens.identify(signed())).name == "anna"
    assert (await setup.tokens.identify(signed(RSA, "RS256"))).name == "anna"


@pytest.mark.parametrize(
    ("algorithm", "key", "content", "reason"),
    [
        ("HS256", "secret_file", b"short", "jwt.secret_file: a secret has at least 32 bytes"),
        ("HS256", "secret_file", public_pem(RSA), "jwt.secret_file: is a public key"),
        ("HS256", "secret_file", None, "jwt.secret_file: .* No such file"),
        ("RS256", "public_key_file", None, "jwt.public_key_file: .* No such file"),
        ("RS256", "public_key_file", private_pem(RSA), "jwt.public_key_file: is a private key"),
        ("RS256", "public_key_file", public_pem(EC), "jwt.public_key_file: is a key of ES256"),
        ("RS256", "public_key_file", b"", "jwt.public_key_file: is no public RSA key"),
    ],
)
def test_what_files_may_not_have(tmp_path: Path, algorithm: str, key: str, content: bytes | None, reason: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    rules = JwtRules.model_validate({"algorithms": [algorithm], key: str(path)})
    with pytest.raises(ValueError, match=reason) as refused:
        TokenSetup(rules)
    assert "short" not in str(refused.value)


def test_a_short_secret_is_refused_and_not_told() -> None:
    with pytest.raises(ValueError, match=r"jwt\.secret: a secret has at least 32 bytes") as refused:
        TokenSetup(JwtRules(algorithms=["HS256"], secret="tooshort"))
    assert "tooshort" not in str(refused.value)


@pytest.mark.parametrize("content", [None, b"no certificates"])
def test_certificates_that_cant_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"jwt\.jwks_ca: "):
        TokenSetup(JwtRules(algorithms=["RS256"], jwks_url="https://issuer", jwks_ca=str(path)))


async def test_tokens_close_the_loopback() -> None:
    config = HttpApiConfig(jwt=JwtRules(algorithms=["HS256"], secret=SECRET))
    assert problem(await Api(config=config).ask("GET", "/api/v1/brokers"))[0] == 401


def test_secrets_are_masked_when_they_are_shown() -> None:
    rules = JwtRules(algorithms=["HS256"], secret=SECRET, issuer="https://user:word@issuer")
    shown: Any = masked("rmq-http-api", HttpApiConfig(http_bearer_token="s3cret", jwt=rules).model_dump())
    assert shown["jwt"]["secret"] == shown["http_bearer_token"] == MASK
    assert "word@" not in repr(shown) and SECRET not in repr(shown)
    assert shown["jwt"]["secret_file"] == "" and shown["jwt"]["algorithms"] == ["HS256"]


def test_a_node_without_tokens_loads_nothing_for_them() -> None:
    """Cryptography and an HTTP client are much for what most nodes don't use."""
    code = "import sys, rmq_http_api.plugin; print({'jwt', 'cryptography', 'httpx'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout == "set()\n"
