"""SCRAM-SHA-256 from the server's side: two messages in, two out, and nothing else known (RFC 5802, RFC 7677).

No channel binding is offered: ``n`` and ``y`` are welcome (what ``y`` says about this server is true), ``p=…`` is not.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import pbkdf2_hmac, sha256
from typing import Final

from rmq.users.saslprep import SaslprepError, prepared_query

MECHANISM: Final = "SCRAM-SHA-256"
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
LEAST_ITERATIONS: Final = 4096  # RFC 7677, section 4
MOST_ITERATIONS: Final = 10_000_000
# RFC 7677 calls it a tenth of a second of a computer of its time, and the reasonable number.
DEFAULT_ITERATIONS: Final = 15_000
LONGEST_MESSAGE: Final = 4096
LONGEST_NONCE: Final = 256

# RFC 5802, section 7: printable ASCII but the comma.
_NONCE: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]+")
_BAD_EQUALS: Final = re.compile(r"=(?!2C|3D)")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z]=[^\0]+")


class ScramError(Exception):
    """The client's message can't be right: malformed, or asking for what isn't offered."""


class Verifier:
    """What a server keeps of a password: enough to check a proof, not enough to make one."""

    __slots__ = ("iterations", "salt", "server_key", "stored_key")

    def __init__(self, iterations: int, salt: bytes, stored_key: bytes, server_key: bytes) -> None:
        self.iterations = iterations
        self.salt = salt
        self.stored_key = stored_key
        self.server_key = server_key


def verifier(password: str, salt: bytes, iterations: int) -> Verifier:
    """The verifier of a password that SASLprep has prepared."""
    salted = pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = sha256(_hmac(salted, b"Client Key")).digest()
    return Verifier(iterations, salt, stored_key, _hmac(salted, b"Server Key"))


def fake_verifier(secret: bytes, name: str, iterations: int) -> Verifier:
    """The verifier that an unknown user has: the same salt each time it is asked for, and a key nobody can prove."""
    return Verifier(
        iterations,
        _hmac(secret, b"salt\0" + name.encode())[:SALT_BYTES],
        _hmac(secret, b"stored key\0" + name.encode()),
        _hmac(secret, b"server key\0" + name.encode()),
    )


class Exchange:
    """One exchange. ``username`` is who the client says it is, known after ``first``, proved after ``final``.

    ``verifier`` is what the proof is held against.
    """

    __slots__ = ("_auth_message", "_gs2_header", "_nonce", "username", "verifier")

    def __init__(self) -> None:
        self.username = ""
        self._auth_message = b""
        self._gs2_header = b""
        self._nonce = ""
        self.verifier: Verifier | None = None

    def first(self, data: bytes, verifier_of: Callable[[str], Verifier], server_nonce: str) -> bytes:
        """The client's first message; returns the server's, with salt and iterations. Raises ``ScramError``."""
        text = _text(data)
        flag, _, rest = text.partition(",")
        authzid, comma, bare = rest.partition(",")
        if not comma:
            raise ScramError("not a client-first-message")
        if flag not in ("n", "y"):
            raise ScramError("channel binding is not supported" if flag.startswith("p=") else "bad channel binding")
        name, nonce = _name_and_nonce(bare)
        if authzid and (not authzid.startswith("a=") or _unescaped(authzid[2:]) != name):
            raise ScramError("to act for another user is not supported")
        self.username = name
        self.verifier = known = verifier_of(name)
        self._gs2_header = f"{flag},{authzid},".encode()
        self._nonce = nonce + server_nonce
        reply = f"r={self._nonce},s={b64encode(known.salt).decode()},i={known.iterations}"
        self._auth_message = f"{bare},{reply},".encode()
        return reply.encode()

    def final(self, data: bytes) -> bytes | None:
        """The client's proof; returns the server's signature, None when the proof is wrong. Raises ``ScramError``."""
        known = self.verifier
        if known is None:
            raise ScramError("no first message")
        without_proof, comma, proof = _text(data).rpartition(",p=")
        attributes = without_proof.split(",")
        if not comma or len(attributes) < 2 or not all(_ATTRIBUTE.fullmatch(item) for item in attributes):
            raise ScramError("not a client-final-message")
        binding, nonce = attributes[0], attributes[1]
        if binding != "c=" + b64encode(self._gs2_header).decode():
            raise ScramError("the channel binding has changed")
        if nonce != "r=" + self._nonce:
            raise ScramError("the nonce has changed")
        message = self._auth_message + without_proof.encode()
        signature = _hmac(known.stored_key, message)
        client_key = bytes(ours ^ theirs for ours, theirs in zip(signature, _proof(proof), strict=True))
        if not hmac.compare_digest(sha256(client_key).digest(), known.stored_key):
            return None
        return b"v=" + b64encode(_hmac(known.server_key, message))


def _text(data: bytes) -> str:
    if len(data) > LONGEST_MESSAGE:
        raise ScramError(f"a message of more than {LONGEST_MESSAGE} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ScramError("a message that is not UTF-8 text") from None


def _name_and_nonce(bare: str) -> tuple[str, str]:
    attributes = bare.split(",")
    if attributes[0].startswith("m="):
        raise ScramError("mandatory extensions are not supported")  # RFC 5802, 5.1: unknown ones end the exchange
    if len(attributes) < 2 or not attributes[0].startswith("n=") or not attributes[1].startswith("r="):
        raise ScramError("not a client-first-message")
    nonce = attributes[1][2:]
    if len(nonce) > LONGEST_NONCE or _NONCE.fullmatch(nonce) is None:
        raise ScramError("not a nonce")
    if not all(_ATTRIBUTE.fullmatch(item) for item in attributes[2:]):
        raise ScramError("not a client-first-message")
    return _unescaped(attributes[0][2:]), nonce


def _unescaped(text: str) -> str:
    """A ``saslname`` (RFC 5802, section 7) as the name it stands for."""
    if not text or "\0" in text or _BAD_EQUALS.search(text) is not None:
        raise ScramError("not a user name")
    try:
        name = prepared_query(text.replace("=2C", ",").replace("=3D", "="))
    except SaslprepError as error:
        raise ScramError(f"user name: {error}") from None
    if not name:
        raise ScramError("not a user name")
    return name


def _proof(text: str) -> bytes:
    try:
        proof = b64decode(text, validate=True)
    except ValueError:
        raise ScramError("a proof that isn't base64") from None
    if len(proof) != KEY_BYTES:
        raise ScramError(f"a proof has {KEY_BYTES} bytes")
    return proof


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
