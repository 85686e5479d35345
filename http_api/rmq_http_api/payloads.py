"""Texts of bodies as the bytes that a message has of them.

A text that can't be written in UTF-8 is no text of JSON that was read: half a surrogate pair is refused before.
"""

import base64
import binascii
from typing import Literal

from rmq_http_api.errors import ApiError

Encoding = Literal["plain", "base64"]


def payload_bytes(payload: str, encoding: Encoding) -> bytes:
    """The payload that is written so; ``ApiError`` 400."""
    return payload.encode() if encoding == "plain" else from_base64("payload", payload)


def from_base64(name: str, text: str) -> bytes:
    """What base64 says; ``ApiError`` 400 for what is none. ``name`` is what the text is of."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(400, "BAD_PARAMETER", f"{name}: isn't base64") from None
