"""The client's side of SCRAM-SHA-256 (RFC 5802), written apart from the broker's, with knobs to do it wrong."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Final

METHOD: Final = "SCRAM-SHA-256"


class ScramClient:
    """One exchange: ``first`` goes out, ``final`` answers the server, ``signature`` is what it must end with."""

    def __init__(
        self,
        user: str,
        password: str,
        nonce: str = "rOprNGfwEbeRWgbNEkqO",
        gs2: str = "n,,",
        binding: str | None = None,
        extension: str = "",
    ) -> None:
        self.password = password
        self.nonce = nonce
        self._gs2 = gs2
        self._binding = gs2 if binding is None else binding
        self._bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}{extension}"
        self.salt = b""
        self.iterations = 0
        self.signature = b""

    @property
    def first(self) -> bytes:
        """The client-first-message."""
        return (self._gs2 + self._bare).encode()

    def final(self, challenge: bytes) -> bytes:
        """The client-final-message; the nonce must go on from ours."""
        text = challenge.decode()
        nonce, salt, iterations = (part[2:] for part in text.split(","))
        assert nonce.startswith(self.nonce) and len(nonce) > len(self.nonce) + 16, text
        self.salt, self.iterations = b64decode(salt), int(iterations)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, self.iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c={b64encode(self._binding.encode()).decode()},r={nonce}"
        message = f"{self._bare},{text},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.signature = b"v=" + b64encode(hmac.digest(server_key, message, "sha256"))
        return f"{without_proof},p={b64encode(proof).decode()}".encode()
