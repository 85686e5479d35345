"""JSON Web Tokens: whether one is good, and who it says asks. The only file that knows jwt (PyJWT).

Which algorithms count, and which key goes with each, is configured and never the token's to say (RFC 8725, 3.1): a key
is bound to one algorithm, so that a public RSA key is never the secret of an HMAC.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt

from rmq_http_api.bearers import Bearer, KeysNotThere, TokenOver, TokenRefused
from rmq_http_api.calls import ROLES

HS256: Final = "HS256"
PUBLIC: Final = ("RS256", "ES256")
# RFC 7518: 3.2 for a secret in bytes, 3.3 for the modulus of an RSA key in bits.
MIN_SECRET: Final = 32
MIN_RSA_BITS: Final = 2048
MAX_KEYS: Final = 64
MAX_NAME: Final = 256


class BadKey(ValueError):
    """A key that can't be one; the text says why and has nothing of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """What signatures of one algorithm are checked with; ``key_id`` as tokens name it, "" if it has no name."""

    algorithm: str
    key_id: str
    material: Any


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What makes a token good, and what it says.

    ``algorithms`` are all that count; ``audiences`` and ``issuer`` are demanded when they are there; ``leeway_s`` is by
    how much clocks may differ. ``roles`` has our role for each value of ``role_claim``; ``default_role`` is that of a
    token without any, "" refuses it.
    """

    algorithms: tuple[str, ...]
    audiences: tuple[str, ...]
    issuer: str
    leeway_s: float
    name_claim: str
    role_claim: str
    roles: Mapping[str, str]
    default_role: str


class KeySource(Protocol):
    """Keys that change while the node runs."""

    @property
    def keys(self) -> tuple[Key, ...] | None:
        """Those that count now; None as long as there never were any."""

    async def renew(self) -> None:
        """Look for newer ones, unless that was done just now."""


class Tokens:
    """Judges tokens by ``fixed`` keys and those of ``source``."""

    def __init__(self, rules: TokenRules, fixed: tuple[Key, ...], source: KeySource | None = None) -> None:
        self._rules = rules
        self._fixed = fixed
        self._source = source

    async def identify(self, token: str) -> Bearer:
        """Who it says asks. Raises ``TokenRefused``, ``KeysNotThere``."""
        algorithm, key_id = self._header(token)
        key = self._key(algorithm, key_id)
        if key is None and self._source is not None and algorithm in PUBLIC:
            await self._source.renew()
            key = self._key(algorithm, key_id)
            if key is None and self._source.keys is None:
                raise KeysNotThere("the keys that tokens are signed with couldn't be fetched yet")
        if key is None:
            raise TokenRefused("nobody here knows the key that it was signed with")
        return self._read(self._claims(token, key))

    def _header(self, token: str) -> tuple[str, str]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenRefused("it can't be read") from None
        algorithm, key_id = header.get("alg"), header.get("kid", "")
        if algorithm not in self._rules.algorithms:
            raise TokenRefused("its algorithm doesn't count here")
        if "crit" in header:
            raise TokenRefused("it demands what isn't known here")  # RFC 7515, 4.1.11
        if not isinstance(key_id, str):
            raise TokenRefused("it can't be read")
        return algorithm, key_id

    def _key(self, algorithm: str, key_id: str) -> Key | None:
        """The key with this name; a token may leave the name out where there is one key only."""
        for key in self._fixed:
            if key.algorithm == algorithm:
                return key  # has no name: it is the only one that was configured
        source = self._source
        fitting = [] if source is None else [key for key in source.keys or () if key.algorithm == algorithm]
        if not key_id:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.key_id == key_id), None)

    def _claims(self, token: str, key: Key) -> dict[str, Any]:
        rules = self._rules
        required = ["exp", *(["aud"] if rules.audiences else []), *(["iss"] if rules.issuer else [])]
        try:
            return jwt.decode(
                token,
                key.material,
                algorithms=[key.algorithm],
                audience=rules.audiences or None,
                issuer=rules.issuer or None,
                leeway=rules.leeway_s,
                options={"require": required},
            )
        except jwt.ExpiredSignatureError:
            raise TokenOver("its time is over") from None
        except (jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError):
            raise TokenRefused("its time hasn't come") from None
        except jwt.InvalidAudienceError:
            raise TokenRefused("it is for another audience") from None
        except jwt.InvalidIssuerError:
            raise TokenRefused("it is of another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise TokenRefused(f"it has no {error.claim}") from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
            raise TokenRefused("its signature or contents are wrong") from None

    def _read(self, claims: dict[str, Any]) -> Bearer:
        rules = self._rules
        name = _claim(claims, rules.name_claim)
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise TokenRefused(f"its {rules.name_claim} is no name")
        value = _claim(claims, rules.role_claim)
        given = value if isinstance(value, list) else [value]
        roles = [rules.roles[each] for each in given if isinstance(each, str) and each in rules.roles]
        if not roles and rules.default_role:
            roles.append(rules.default_role)
        if not roles:
            raise TokenRefused(f"its {rules.role_claim} gives it no role here")
        return Bearer(name, max(roles, key=ROLES.index))


def secret_key(secret: bytes) -> Key:
    """The key of HS256; raises ``BadKey``."""
    if len(secret) < MIN_SECRET:
        raise BadKey(f"a secret has at least {MIN_SECRET} bytes")
    try:
        jwt.get_algorithm_by_name(HS256).prepare_key(secret)
    except jwt.InvalidKeyError:
        raise BadKey("is a public key and no secret") from None
    return Key(HS256, "", secret)


def public_key(pem: bytes) -> Key:
    """The key of RS256 or ES256 that is in a PEM file; raises ``BadKey``."""
    if b"PRIVATE" in pem:
        raise BadKey("is a private key: only the public one belongs here")
    for algorithm in PUBLIC:
        try:
            material = jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
        except (jwt.InvalidKeyError, ValueError, TypeError):
            continue
        _check(algorithm, material)
        return Key(algorithm, "", material)
    raise BadKey("is no public RSA key or EC key of the curve P-256 in PEM")


def _published_key(value: object) -> jwt.PyJWK | None:
    """None for one that is of no use here: RFC 7517, 5 has such ones left out."""
    if not isinstance(value, dict):
        return None
    try:
        return jwt.PyJWK.from_dict(value)
    except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError, KeyError, AttributeError):
        return None


def keys_of_set(body: bytes) -> tuple[Key, ...]:
    """The keys of a JWK Set (RFC 7517) that signatures can be checked with; raises ``BadKey`` when there are none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadKey("the set of keys isn't JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("keys"), list) or len(value["keys"]) > MAX_KEYS:
        raise BadKey(f"the set of keys isn't an object with up to {MAX_KEYS} of them")
    keys: list[Key] = []
    for each in filter(None, map(_published_key, value["keys"])):
        # A symmetric key that is published is no secret.
        if each.algorithm_name not in PUBLIC or each.public_key_use not in (None, "sig"):
            continue
        try:
            _check(each.algorithm_name, each.key)
        except BadKey:
            continue
        keys.append(Key(each.algorithm_name, each.key_id or "", each))
    if not keys:
        raise BadKey("the set of keys has none that signatures by RS256 or ES256 can be checked with")
    return tuple(keys)


def _check(algorithm: str, material: Any) -> None:
    if algorithm == "RS256" and material.key_size < MIN_RSA_BITS:
        raise BadKey(f"an RSA key has at least {MIN_RSA_BITS} bits")
    if algorithm == "ES256" and material.curve.name != "secp256r1":
        raise BadKey("is no EC key of the curve P-256")
    if hasattr(material, "private_numbers"):
        raise BadKey("is a private key: only the public one belongs here")


def _claim(claims: dict[str, Any], name: str) -> object:
    """A claim by its name; where there is none with a dot in its name, the dots lead into objects."""
    if name in claims:
        return claims[name]
    found: object = claims
    for step in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(step)
    return found
