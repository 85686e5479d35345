"""What judges tokens, made from the configuration: rules, keys out of files, and who fetches the others."""

from collections.abc import Callable
from pathlib import Path

import structlog

from rmq.plugin_api.fetching import fetcher
from rmq.plugin_api.published_keys import PublishedKeys
from rmq_http_api.calls import ROLES
from rmq_http_api.config import JwtRules
from rmq_http_api.tokens import BadKey, Key, TokenRules, Tokens, keys_of_set, public_key, secret_key

log = structlog.get_logger("rmq.http")


class TokenSetup:
    """``tokens`` judges; ``published`` are keys that have to be fetched, if there are such: somebody must run them.

    Raises ``ValueError`` for what can't be read or used; the text names the key of the configuration.
    """

    def __init__(self, rules: JwtRules) -> None:
        fixed: list[Key] = []
        if rules.secret or rules.secret_file:
            name = "secret" if rules.secret else "secret_file"
            secret = rules.secret.encode() if rules.secret else _read("secret_file", rules.secret_file).strip()
            fixed.append(_made(name, secret_key, secret))
        if rules.public_key_file:
            pem = _read("public_key_file", rules.public_key_file)
            fixed.append(_made("public_key_file", public_key, pem))
        missing = [key.algorithm for key in fixed if key.algorithm not in rules.algorithms]
        if missing:
            raise ValueError(f"jwt.public_key_file: is a key of {missing[0]}, which isn't one of the algorithms")
        self.published = self._published(rules)
        self.tokens = Tokens(_rules(rules), tuple(fixed), self.published)

    @staticmethod
    def _published(rules: JwtRules) -> PublishedKeys[Key] | None:
        if not rules.jwks_url:
            return None
        try:
            fetch = fetcher(rules.jwks_url, rules.jwks_timeout, rules.jwks_ca)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"jwt.jwks_ca: {error.strerror or error}") from None
        return PublishedKeys(fetch, keys_of_set, rules.jwks_refresh, rules.jwks_timeout, log)


def _rules(rules: JwtRules) -> TokenRules:
    return TokenRules(
        algorithms=tuple(rules.algorithms),
        audiences=tuple(rules.audience),
        issuer=rules.issuer,
        leeway_s=rules.leeway,
        name_claim=rules.name_claim,
        role_claim=rules.role_claim,
        roles=dict(rules.roles) or {role: role for role in ROLES},
        default_role=rules.default_role,
    )


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"jwt.{name}: {path}: {error.strerror}") from None


def _made(name: str, make: Callable[[bytes], Key], content: bytes) -> Key:
    try:
        return make(content)
    except BadKey as error:
        raise ValueError(f"jwt.{name}: {error}") from None
