"""Tokens of tests, signed by hand where a library would refuse to make them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PrivateKey = RSAPrivateKey | ec.EllipticCurvePrivateKey

SECRET: Final = "a secret of tests that is long enough: 32 bytes"
RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC: Final = ec.generate_private_key(ec.SECP256R1())


def public_pem(key: PrivateKey) -> bytes:
    """The public key as a file has it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: PrivateKey) -> bytes:
    """The private one."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def claims(**other: object) -> dict[str, object]:
    """Those of a good token; None leaves one out."""
    found = {"sub": "anna", "role": "viewer", "exp": time.time() + 600, **other}
    return {name: value for name, value in found.items() if value is not None}


def signed(key: Any = SECRET, algorithm: Any = "HS256", headers: Any = None, **other: object) -> str:
    """A token as an issuer makes it; any claim may be given by its name."""
    return jwt.encode(claims(**other), key, algorithm, headers=headers)


def part(value: object) -> str:
    """Bytes, or JSON, as a part of a token."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def by_hand(header: object, payload: object, secret: bytes = b"") -> str:
    """A token with any header, signed by HMAC-SHA256 whatever the header says; without a secret not at all."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(hmac.digest(secret, text.encode(), hashlib.sha256)) if secret else ''}"


def jwk(key: PrivateKey, key_id: str | None, **other: object) -> dict[str, Any]:
    """A public key as a set has it."""
    name = "RS256" if isinstance(key, RSAPrivateKey) else "ES256"
    found: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(name).to_jwk(key.public_key()))
    found.pop("key_ops", None)
    return {**found, **({} if key_id is None else {"kid": key_id}), **other}
