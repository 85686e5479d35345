"""JSON Web Tokens: which are good, who they say asks, and every way in which one isn't."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rmq_http_api.bearers import Bearer, KeysNotThere, TokenRefused
from rmq_http_api.calls import ROLES
from rmq_http_api.tokens import (
    BadKey,
    Key,
    TokenRules,
    Tokens,
    keys_of_set,
    public_key,
    secret_key,
)

from tests.support.signed_tokens import (
    EC,
    OTHER_RSA,
    RSA,
    SECRET,
    by_hand,
    claims,
    jwk,
    part,
    private_pem,
    public_pem,
    signed,
)
from tests.unit.http_api.api import Api, problem

RULES: Final = TokenRules(
    algorithms=("HS256", "RS256", "ES256"),
    audiences=(),
    issuer="",
    leeway_s=30,
    name_claim="sub",
    role_claim="role",
    roles={role: role for role in ROLES},
    default_role="",
)
HMAC: Final = secret_key(SECRET.encode())


def judge(*keys: Key, **rules: Any) -> Tokens:
    return Tokens(replace(RULES, **rules), keys or (HMAC, public_key(public_pem(RSA)), public_key(public_pem(EC))))


class Source:
    """Published keys as a test sets them; ``next`` are there after the next time that somebody asks."""

    def __init__(self, now: tuple[Key, ...] | None, later: tuple[Key, ...] | None = None) -> None:
        self.keys = now
        self.later = now if later is None else later
        self.asked = 0

    async def renew(self) -> None:
        self.asked += 1
        self.keys = self.later


async def refusal(tokens: Tokens, token: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        await tokens.identify(token)
    return str(refused.value)


@pytest.mark.parametrize(("key", "algorithm"), [(SECRET, "HS256"), (RSA, "RS256"), (EC, "ES256")])
async def test_a_good_token(key: Any, algorithm: str) -> None:
    assert await judge().identify(signed(key, algorithm)) == Bearer("anna", "viewer")
    token = signed(key, algorithm, role="administrator", sub="bert", nbf=time.time() - 5, iat=time.time())
    assert await judge().identify(token) == Bearer("bert", "administrator")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"exp": time.time() - 3600}, "its time is over"),
        ({"exp": None}, "it has no exp"),
        ({"nbf": time.time() + 3600}, "its time hasn't come"),
        ({"iat": time.time() + 3600}, "its time hasn't come"),
        ({"exp": "tomorrow"}, "contents are wrong"),
        ({"exp": float("inf")}, "contents are wrong"),
        ({"exp": [1]}, "contents are wrong"),
        ({"aud": "somebody"}, "it is for another audience"),
        ({"sub": None}, "its sub is no name"),
        ({"sub": ""}, "its sub is no name"),
        ({"sub": "a\nb"}, "its sub is no name"),
        ({"sub": "n" * 257}, "its sub is no name"),
        ({"role": None}, "its role gives it no role here"),
        ({"role": "root"}, "its role gives it no role here"),
        ({"role": ["root", 5, None]}, "its role gives it no role here"),
        ({"role": {"viewer": True}}, "its role gives it no role here"),
    ],
)
async def test_claims_that_arent_good(other: dict[str, object], reason: str) -> None:
    assert reason in await refusal(judge(), signed(**other))


async def test_clocks_may_differ_by_the_leeway() -> None:
    for other in ({"exp": time.time() - 20}, {"nbf": time.time() + 20}, {"iat": time.time() + 20}):
        await judge().identify(signed(**other))
        await refusal(judge(leeway_s=10), signed(**other))


async def test_audience_and_issuer() -> None:
    tokens = judge(audiences=("rmq", "mqtt"), issuer="https://issuer")
    good = {"aud": "mqtt", "iss": "https://issuer"}
    assert (await tokens.identify(signed(**good))).name == "anna"
    assert (await tokens.identify(signed(**good | {"aud": ["others", "rmq"]}))).name == "anna"
    for other, reason in (
        ({"aud": "others"}, "it is for another audience"),
        ({"aud": []}, "it has no aud"),
        ({"aud": None}, "it has no aud"),
        ({"iss": "https://issuer/"}, "it is of another issuer"),
        ({"iss": None}, "it has no iss"),
        ({"iss": ["https://issuer"]}, "it is of another issuer"),
    ):
        if other == {"iss": ["https://issuer"]}:  # the library makes none of these
            token = by_hand({"alg": "HS256"}, claims(**good | other), SECRET.encode())
        else:
            token = signed(**good | other)
        assert reason in await refusal(tokens, token), other


async def test_roles_as_an_issuer_has_them() -> None:
    roles = {"mqtt-admins": "administrator", "staff": "viewer"}
    for name, other in (
        ("groups", {"groups": ["staff"]}),
        ("realm_access.roles", {"realm_access": {"roles": ["x", "staff"]}}),
        ("https://example.org/roles", {"https://example.org/roles": "staff"}),
    ):
        tokens = judge(role_claim=name, roles=roles)
        assert (await tokens.identify(signed(role=None, **other))).role == "viewer"
        assert "gives it no role" in await refusal(tokens, signed(role="administrator"))
    both = judge(role_claim="groups", roles=roles)
    assert (await both.identify(signed(groups=["staff", "mqtt-admins"]))).role == "administrator"
    assert (await both.identify(signed(groups=["mqtt-admins", "staff"]))).role == "administrator"
    assert "gives it no role" in await refusal(both, signed(groups="viewer"))


async def test_a_role_for_those_that_have_none() -> None:
    tokens = judge(default_role="viewer")
    assert (await tokens.identify(signed(role=None))).role == "viewer"
    assert (await tokens.identify(signed(role="root"))).role == "viewer"
    assert (await tokens.identify(signed(role="administrator"))).role == "administrator"


async def test_the_name_in_another_claim() -> None:
    token = signed(preferred_username="Änna", sub="7f3a")
    assert (await judge(name_claim="preferred_username").identify(token)).name == "Änna"


async def test_a_token_of_nanomq() -> None:
    """Its documents have times in quotes, the file of the key for an issuer, and no name or role."""
    rules: dict[str, Any] = {"issuer": "nanomq.pub", "name_claim": "iss", "role_claim": "iss"}
    tokens = judge(**rules, roles={"nanomq.pub": "administrator"})
    now = int(time.time())
    written = {"iss": "nanomq.pub", "iat": str(now), "exp": str(now + 60), "bodyEncode": "0"}
    header = {"alg": "HS256", "typ": "JWT"}
    found = await tokens.identify(by_hand(header, written, SECRET.encode()))
    assert (found.name, found.role) == ("nanomq.pub", "administrator")
    over = by_hand(header, {**written, "exp": str(now - 60)}, SECRET.encode())
    assert "its time is over" in await refusal(tokens, over)


# Algorithms and keys


@pytest.mark.parametrize("name", ["none", "None", "NONE", "HS384", "RS512", "PS256", "", 5, None, ["HS256"]])
async def test_an_algorithm_that_doesnt_count(name: object) -> None:
    for secret in (b"", SECRET.encode()):
        found = await refusal(judge(), by_hand({"alg": name, "typ": "JWT"}, claims(), secret))
        assert "algorithm doesn't count" in found
    assert "algorithm doesn't count" in await refusal(judge(), by_hand({}, claims(), SECRET.encode()))


async def test_only_what_is_configured_counts() -> None:
    tokens = judge(algorithms=("RS256",))
    assert (await tokens.identify(signed(RSA, "RS256"))).name == "anna"
    assert "algorithm doesn't count" in await refusal(tokens, signed())
    assert "algorithm doesn't count" in await refusal(tokens, signed(EC, "ES256"))


@pytest.mark.parametrize("algorithms", [("RS256",), ("HS256", "RS256")])
async def test_a_public_key_is_no_secret(algorithms: tuple[str, ...]) -> None:
    """Who has the public key, which everybody may, must not sign with it (RFC 8725, 2.1)."""
    public = public_key(public_pem(RSA))
    keys = (public,) if len(algorithms) == 1 else (HMAC, public)
    tokens = judge(*keys, algorithms=algorithms)
    for stolen in (public_pem(RSA), public_pem(RSA).strip(), private_pem(RSA)):
        for header in ({"alg": "HS256", "typ": "JWT"}, {"alg": "HS256", "kid": "1"}):
            await refusal(tokens, by_hand(header, claims(role="administrator"), stolen))
    with pytest.raises(BadKey, match="is a public key"):
        secret_key(public_pem(RSA))


async def test_a_key_of_another_kind_is_not_tried() -> None:
    tokens = judge(public_key(public_pem(RSA)))
    for key, name in ((EC, "ES256"), (SECRET, "HS256")):
        assert "nobody here knows the key" in await refusal(tokens, signed(key, name))
    assert "signature" in await refusal(tokens, signed(OTHER_RSA, "RS256"))
    assert "signature" in await refusal(judge(), signed(SECRET + "."))


async def test_a_token_that_was_changed() -> None:
    for token in (signed(RSA, "RS256"), signed(), signed(EC, "ES256")):
        header, _, signature = token.split(".")
        await refusal(judge(), f"{header}.{part(claims(role='administrator'))}.{signature}")
        await refusal(judge(), f"{header}.{token.split('.')[1]}.")
        flipped = ("B" if signature[10] == "A" else "A").join((signature[:10], signature[11:]))
        await refusal(judge(), f"{header}.{token.split('.')[1]}.{flipped}")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b.c.d.e",
        "ü.ü.ü",
        "e30.e30.e30",
        part(b"[" * 3000) + ".e30.e30",
        part({"alg": "HS256", "kid": 5}) + ".e30.e30",
        part(b"\xff") + ".e30.e30",
        part(b'"HS256"') + ".e30.e30",
        part(b'{"alg":"HS256","x":' + b"9" * 5000 + b"}") + ".e30.e30",
        by_hand({"alg": "HS256"}, b"[]", SECRET.encode()),
        by_hand({"alg": "HS256"}, b"[" * 3000, SECRET.encode()),
        by_hand({"alg": "HS256"}, b'{"exp": 1e999}', SECRET.encode()),
    ],
)
async def test_what_is_no_token(token: str) -> None:
    assert await refusal(judge(), token)


async def test_demands_that_nobody_knows_are_refused() -> None:
    for crit in (["b64"], ["x"], [], "x"):
        await refusal(judge(), by_hand({"alg": "HS256", "crit": crit, "x": 1}, claims(), SECRET.encode()))
    await refusal(judge(), by_hand({"alg": "HS256", "b64": False, "crit": ["b64"]}, claims(), SECRET.encode()))


async def test_keys_in_the_token_itself_are_nothing() -> None:
    headers = {"jwk": jwk(OTHER_RSA, "x"), "jku": "https://evil.example.org", "x5u": "https://evil.example.org"}
    assert "signature" in await refusal(judge(), signed(OTHER_RSA, "RS256", headers))


# Keys that an issuer publishes


def of(*keys: dict[str, Any]) -> tuple[Key, ...]:
    return keys_of_set(json.dumps({"keys": list(keys)}).encode())


async def test_the_key_is_that_of_its_name() -> None:
    source = Source(of(jwk(RSA, "one"), jwk(OTHER_RSA, "two"), jwk(EC, "three")))
    tokens = Tokens(RULES, (), source)
    assert (await tokens.identify(signed(RSA, "RS256", {"kid": "one"}))).name == "anna"
    assert (await tokens.identify(signed(OTHER_RSA, "RS256", {"kid": "two"}))).name == "anna"
    assert (await tokens.identify(signed(EC, "ES256", {"kid": "three"}))).name == "anna"
    assert source.asked == 0
    assert "signature" in await refusal(tokens, signed(OTHER_RSA, "RS256", {"kid": "one"}))
    # There is one of ES256, so that it needs no name, and two of RS256.
    assert (await tokens.identify(signed(EC, "ES256"))).name == "anna"
    assert "nobody here knows the key" in await refusal(tokens, signed(RSA, "RS256"))
    assert "nobody here knows the key" in await refusal(tokens, signed(RSA, "RS256", {"kid": "three"}))


async def test_an_unknown_name_has_newer_keys_looked_for() -> None:
    source = Source(of(jwk(RSA, "one")), of(jwk(OTHER_RSA, "two")))
    tokens = Tokens(RULES, (), source)
    assert (await tokens.identify(signed(OTHER_RSA, "RS256", {"kid": "two"}))).name == "anna"
    assert source.asked == 1
    assert "nobody here knows the key" in await refusal(tokens, signed(RSA, "RS256", {"kid": "one"}))


async def test_as_long_as_there_are_no_keys_nobody_can_say() -> None:
    source = Source(None)
    tokens = Tokens(RULES, (), source)
    with pytest.raises(KeysNotThere):
        await tokens.identify(signed(RSA, "RS256", {"kid": "one"}))
    assert source.asked == 1
    assert "algorithm" in await refusal(tokens, by_hand({"alg": "none"}, claims()))
    assert "nobody here knows the key" in await refusal(tokens, signed())  # there is no secret, and won't be one
    assert source.asked == 1


def test_what_a_set_of_keys_may_have() -> None:
    """Keys that can't check a signature of ours are left out."""
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    secret = {"kty": "oct", "k": part(SECRET.encode()), "kid": "secret"}
    keys = of(
        jwk(RSA, "good", use="sig", alg="RS256"),
        jwk(RSA, "for encryption", use="enc"),
        jwk(RSA, "of another algorithm", alg="RS512"),
        jwk(small, "small"),
        {**jwk(EC, "named otherwise"), "alg": "HS256"},
        {"kty": "EC", "crv": "P-384", "kid": "curve", "x": "AA", "y": "AA"},
        jwk(EC, "also good"),
        secret,
        {"kty": "RSA", "n": "AQAB", "kid": "no exponent"},
        {"kid": "nothing"},
        {"kty": "none", "alg": "none"},
    )
    assert [(key.algorithm, key.key_id) for key in keys] == [("RS256", "good"), ("ES256", "also good")]
    with pytest.raises(BadKey, match="none that signatures"):
        of(secret)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"keys": []}', b'{"keys": 5}', b'{"keys": [5]}', b"\xff", b"[" * 100_000, b"<html>"],
)
def test_what_is_no_set_of_keys(body: bytes) -> None:
    with pytest.raises(BadKey, match="the set of keys"):
        keys_of_set(body)


def test_a_set_has_so_many_keys_at_most() -> None:
    assert len(of(*[jwk(EC, str(number)) for number in range(64)])) == 64
    with pytest.raises(BadKey, match="up to 64"):
        of(*[jwk(EC, str(number)) for number in range(65)])


# Keys in files


def test_what_a_secret_must_be() -> None:
    with pytest.raises(BadKey, match="at least 32 bytes"):
        secret_key(b"x" * 31)
    assert secret_key(b"x" * 32).algorithm == "HS256"


def test_which_public_keys_there_are() -> None:
    assert public_key(public_pem(RSA)).algorithm == "RS256"
    assert public_key(public_pem(EC)).algorithm == "ES256"
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for pem, reason in (
        (private_pem(RSA), "is a private key"),
        (private_pem(EC), "is a private key"),
        (public_pem(small), "at least 2048 bits"),
        (public_pem(ec.generate_private_key(ec.SECP384R1())), "EC key of the curve P-256"),
        (b"", "no public RSA key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public RSA key"),
        (SECRET.encode(), "no public RSA key"),
    ):
        with pytest.raises(BadKey, match=reason):
            public_key(pem)


# Over HTTP


async def status(api: Api, token: str, method: str = "GET", path: str = "/api/v1/brokers") -> int:
    return (await api.ask(method, path, headers={"authorization": f"Bearer {token}"})).status_code


async def test_a_token_over_http() -> None:
    api = Api(is_loopback=False, address="10.0.0.9", tokens=judge())
    assert await status(api, signed()) == 200
    assert await status(api, signed(), "DELETE", "/api/v1/clients/a") == 403
    assert await status(api, signed(role="administrator"), "DELETE", "/api/v1/clients/a") == 404
    assert await status(api, signed(role="administrator"), path="/api/v1/api_keys") == 200, "a token is a login"
    answer = await api.ask("GET", "/api/v1/brokers", headers={"authorization": f"Bearer {signed(exp=1)}"})
    assert problem(answer) == (401, "UNAUTHORIZED")
    assert answer.json()["message"] == "this token isn't good: its time is over"
    assert "Bearer" in answer.headers["www-authenticate"]


async def test_bad_tokens_are_counted_as_failures() -> None:
    api = Api(is_loopback=False, address="10.0.0.9", tokens=judge())
    for _ in range(10):
        assert await status(api, by_hand({"alg": "none"}, claims())) == 401
    assert await status(api, signed()) == 429


async def test_keys_that_arent_there_are_nobodys_failure() -> None:
    api = Api(is_loopback=False, address="10.0.0.9", tokens=Tokens(RULES, (HMAC,), Source(None)))
    for _ in range(11):
        token = signed(RSA, "RS256", {"kid": "one"})
        answer = await api.ask("GET", "/api/v1/brokers", headers={"authorization": f"Bearer {token}"})
        assert problem(answer) == (503, "KEYS_UNAVAILABLE") and answer.headers["retry-after"]
    assert await status(api, signed()) == 200


async def test_a_token_that_is_too_long_is_not_looked_at() -> None:
    api = Api(is_loopback=False, tokens=judge())
    assert await status(api, signed(more="x" * 4000)) == 200
    assert await status(api, signed(more="x" * 8000)) == 401
