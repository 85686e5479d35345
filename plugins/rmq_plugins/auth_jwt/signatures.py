"""Keys, and whether a token was signed with one of them. The only file of this plugin that knows jwt (PyJWT).

Which algorithms count is configured and never the token's to say (RFC 8725, 3.1), and a key goes with the algorithms
of its own kind only, so that a public RSA key is never the secret of an HMAC.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

# RFC 7518: 3.2 for a secret in bytes, which has at least the length of the hash; 3.3 for the modulus of an RSA key.
HMAC_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
MIN_RSA_BITS: Final = 2048
RSA: Final = ("RS256", "RS384", "RS512")
CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
EDWARDS: Final = "EdDSA"
MAX_KEYS: Final = 64
# Longer than any token of sense; what is longer isn't even looked at.
MAX_TOKEN: Final = 16_384


class BadKey(ValueError):
    """A key that can't be one; the text says why and has nothing of it."""


class BadSignature(Exception):
    """A token that nobody with a key has signed, or that can't be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """What signatures are checked with: by these algorithms, and no other. ``key_id`` is "" for one without a name."""

    algorithms: tuple[str, ...]
    key_id: str
    material: Any


@dataclass(frozen=True, slots=True)
class Header:
    """What a token says of its signature. It is the token's word: nothing of it is proved."""

    algorithm: str
    key_id: str


def is_token(text: str) -> bool:
    """Whether the text has the form of a signed token: what hasn't may be an ordinary password."""
    parts = text.split(".")
    if len(parts) != 3 or not parts[0].startswith("eyJ") or len(text) > MAX_TOKEN:
        return False
    return text.isascii() and all(part.replace("-", "").replace("_", "").isalnum() for part in parts[:2])


def read_header(token: str, counting: Sequence[str]) -> Header:
    """What it says of its signature; raises ``BadSignature`` for what doesn't count here."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise BadSignature("it can't be read") from None
    algorithm, key_id = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or algorithm not in counting:
        raise BadSignature("its algorithm doesn't count here")
    if "crit" in header:
        raise BadSignature("it demands what isn't known here")  # RFC 7515, 4.1.11
    if not isinstance(key_id, str):
        raise BadSignature("it can't be read")
    return Header(algorithm, key_id)


def fitting(keys: Sequence[Key], header: Header) -> Key | None:
    """The key that a token names; it may name none where there is one key only that goes with its algorithm.

    A key without a name, one of a file, goes with every token of its algorithms that no other key is named by.
    """
    candidates = [key for key in keys if header.algorithm in key.algorithms]
    named = next((key for key in candidates if key.key_id and key.key_id == header.key_id), None)
    if named is not None:
        return named
    nameless = [key for key in candidates if not key.key_id]
    if nameless:
        return nameless[0]
    return candidates[0] if len(candidates) == 1 and not header.key_id else None


def signed_claims(token: str, header: Header, key: Key) -> Mapping[str, object]:
    """The claims, once the signature is checked and nothing else; raises ``BadSignature``."""
    unchecked = ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
    options: Any = {f"verify_{name}": False for name in unchecked}
    try:
        claims: Mapping[str, object] = jwt.decode(token, key.material, algorithms=[header.algorithm], options=options)
    except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
        raise BadSignature("its signature or contents are wrong") from None
    return claims


def secret_key(secret: str, *, is_base64: bool) -> Key:
    """The key of a shared secret; raises ``BadKey``."""
    content = secret.encode()
    if is_base64:
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error:
            raise BadKey("isn't base64") from None
    algorithms = tuple(name for name, least in HMAC_BYTES.items() if len(content) >= least)
    if not algorithms:
        raise BadKey(f"a secret has at least {HMAC_BYTES['HS256']} bytes")
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(content)
    except jwt.InvalidKeyError:
        raise BadKey("is a public key and no secret") from None
    return Key(algorithms, "", content)


def public_key(pem: bytes) -> Key:
    """The key of a PEM file: RSA, EC or Ed25519; raises ``BadKey``."""
    if b"PRIVATE" in pem:
        raise BadKey("is a private key: only the public one belongs here")
    for algorithm in ("RS256", "ES256", "ES384", "ES512", EDWARDS):
        try:
            material = jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        return Key(_algorithms(material), "", material)
    raise BadKey("is no public key in PEM: RSA, EC or Ed25519")


def keys_of_set(body: bytes) -> tuple[Key, ...]:
    """The keys of a JWK Set (RFC 7517) that signatures can be checked with; raises ``BadKey`` when there are none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadKey("the set of keys isn't JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("keys"), list) or len(value["keys"]) > MAX_KEYS:
        raise BadKey(f"the set of keys isn't an object with up to {MAX_KEYS} of them")
    found = [_published_key(each) for each in value["keys"]]
    keys = tuple(key for key in found if key is not None)
    if not keys:
        raise BadKey("the set of keys has none that can be used")
    return keys


def _published_key(value: object) -> Key | None:
    """None for one that is of no use here: RFC 7517, 5 has such ones left out."""
    # A symmetric key that is published is no secret.
    if not isinstance(value, dict) or value.get("kty") == "oct" or value.get("use", "sig") != "sig":
        return None
    try:
        found = jwt.PyJWK.from_dict(value)
        algorithms = _algorithms(found.key)
    except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError, KeyError, AttributeError):
        return None
    named = value.get("alg")
    if named is not None:
        algorithms = (named,) if named in algorithms else ()
    return Key(algorithms, found.key_id or "", found.key) if algorithms else None


def _algorithms(material: Any) -> tuple[str, ...]:
    """The algorithms that go with a public key, by what it is; raises ``BadKey``."""
    if hasattr(material, "private_bytes"):
        raise BadKey("is a private key: only the public one belongs here")
    curve = getattr(material, "curve", None)
    if curve is not None:
        if curve.name not in CURVES:
            raise BadKey(f"is an EC key of a curve that no algorithm has: {curve.name}")
        return (CURVES[curve.name],)
    bits = getattr(material, "key_size", None)
    if bits is None:
        return (EDWARDS,)  # Ed25519 and Ed448, which have no sizes to choose from
    if bits < MIN_RSA_BITS:
        raise BadKey(f"an RSA key has at least {MIN_RSA_BITS} bits")
    return RSA
