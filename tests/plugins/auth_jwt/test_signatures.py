"""Keys and signatures: every algorithm with real keys, and what is no token, no key, or another's."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rmq_plugins.auth_jwt.config import HMAC, PUBLIC
from rmq_plugins.auth_jwt.signatures import (
    BadKey,
    BadSignature,
    Key,
    fitting,
    is_token,
    keys_of_set,
    public_key,
    read_header,
    secret_key,
    signed_claims,
)

from tests.support.signed_tokens import EC, OTHER_RSA, RSA, by_hand, jwk, private_pem, public_pem

ALL = (*HMAC, *PUBLIC)
SECRET = "0123456789abcdef" * 4
EDWARDS = ed25519.Ed25519PrivateKey.generate()
PRIVATE: dict[str, Any] = {
    "RS": RSA,
    "ES256": EC,
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": EDWARDS,
}


def pem(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found


def claims_of(token: str, *keys: Key) -> object:
    header = read_header(token, ALL)
    key = fitting(keys, header)
    if key is None:
        raise BadSignature("no key")
    return signed_claims(token, header, key)


@pytest.mark.parametrize("algorithm", HMAC)
def test_a_shared_secret(algorithm: str) -> None:
    token = jwt.encode({"a": 1}, SECRET, algorithm)
    assert claims_of(token, secret_key(SECRET, is_base64=False)) == {"a": 1}
    coded = base64.b64encode(SECRET.encode()).decode()
    assert claims_of(token, secret_key(coded, is_base64=True)) == {"a": 1}
    with pytest.raises(BadSignature):
        claims_of(token, secret_key("x" * 64, is_base64=False))


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_public_keys(algorithm: str) -> None:
    private = PRIVATE.get(algorithm, PRIVATE["RS"])
    token = jwt.encode({"a": 1}, private, algorithm)
    assert claims_of(token, public_key(pem(private))) == {"a": 1}
    changed = f"{token[:-8]}{'A' * 8 if token[-8:] != 'A' * 8 else 'B' * 8}"
    with pytest.raises(BadSignature):
        claims_of(changed, public_key(pem(private)))


def test_a_public_key_is_no_secret() -> None:
    forged = by_hand({"alg": "HS256", "typ": "JWT"}, {"a": 1}, public_pem(RSA))
    with pytest.raises(BadSignature):
        claims_of(forged, public_key(public_pem(RSA)))
    with pytest.raises(BadKey, match="is a public key"):
        secret_key(public_pem(RSA).decode(), is_base64=False)


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "HS256", "crit": ["b64"]}, {"alg": "HS256", "kid": 5}, {"alg": ["HS256"]}, {}, [], "x"],
)
def test_headers_that_do_not_count(header: object) -> None:
    with pytest.raises(BadSignature):
        claims_of(by_hand(header, {"a": 1}, SECRET.encode()), secret_key(SECRET, is_base64=False))


def test_an_algorithm_counts_only_where_it_is_configured() -> None:
    with pytest.raises(BadSignature, match="doesn't count"):
        read_header(jwt.encode({}, SECRET, "HS512"), ("HS256",))


def test_a_short_secret_is_for_short_hashes() -> None:
    assert secret_key("x" * 32, is_base64=False).algorithms == ("HS256",)
    assert secret_key("x" * 48, is_base64=False).algorithms == ("HS256", "HS384")
    with pytest.raises(BadKey, match="at least 32 bytes"):
        secret_key("x" * 31, is_base64=False)
    with pytest.raises(BadKey, match="base64"):
        secret_key("?" * 64, is_base64=True)


def test_what_is_no_public_key() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(BadKey, match="at least 2048"):
        public_key(pem(small))
    with pytest.raises(BadKey, match="private"):
        public_key(private_pem(RSA))
    with pytest.raises(BadKey, match=r"no public key|curve"):
        public_key(pem(ec.generate_private_key(ec.SECP256K1())))
    with pytest.raises(BadKey, match="no public key"):
        public_key(b"hello")


def test_a_set_of_keys() -> None:
    edwards = json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(EDWARDS.public_key()))
    keys = [
        jwk(RSA, "one"),
        jwk(OTHER_RSA, "two", alg="RS512"),
        jwk(EC, "three"),
        {**edwards, "kid": "four"},
        jwk(RSA, "for encryption", use="enc"),
        {"kty": "oct", "k": "eHh4", "kid": "a secret"},
        {"kty": "no such"},
        jwk(RSA, "wrong", alg="ES256"),
        "nonsense",
    ]
    found = keys_of_set(json.dumps({"keys": keys}).encode())
    assert [(key.key_id, key.algorithms) for key in found] == [
        ("one", ("RS256", "RS384", "RS512")),
        ("two", ("RS512",)),
        ("three", ("ES256",)),
        ("four", ("EdDSA",)),
    ]
    assert claims_of(jwt.encode({"a": 1}, RSA, "RS384", {"kid": "one"}), *found) == {"a": 1}
    assert claims_of(jwt.encode({"a": 1}, EDWARDS, "EdDSA"), *found) == {"a": 1}, "one key only is for this algorithm"
    for name in ("two", "five"):
        with pytest.raises(BadSignature):
            claims_of(jwt.encode({"a": 1}, RSA, "RS256", {"kid": name}), *found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[{"kty":"oct","k":"eA"}]}',
        b'{"keys":[{"kty":"none","alg":"none"}]}',
    ],
)
def test_what_is_no_set_of_keys(body: bytes) -> None:
    with pytest.raises(BadKey):
        keys_of_set(body)


def test_what_has_the_form_of_a_token() -> None:
    assert is_token(jwt.encode({"a": 1}, SECRET, "HS256"))
    for other in ("", "secret", "a.b.c", "eyJ.b", "eyJhbGciOiJIUzI1NiJ9.e30", "eyJ?.e30.x", "eyJa.e30." + "x" * 20_000):
        assert not is_token(other)
