"""Which values are secret, and how they are shown."""

import re

MASK = "********"

_SECRET_WORDS = frozenset(
    {"password", "passwd", "passphrase", "secret", "token", "cookie", "authorization", "apikey", "jwt", "nkey", "seed"}
)
_URL_PASSWORD = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://[^/@\s:]*:)[^/@\s]+(?=@)")


def is_secret_key(name: str) -> bool:
    """By its words: `password`, `http_bearer_token`, `client-secret`; `secret_file` only says where one is kept."""
    words = re.split(r"[_\-.]", name.lower())
    if words[-1] == "file":
        return False
    return not _SECRET_WORDS.isdisjoint(words) or words[-2:] in (["api", "key"], ["key", "pem"])


def masked(name: str, value: object) -> object:
    """`value` as it may be shown: strings under secret names, and passwords inside URLs, are hidden."""
    if isinstance(value, dict):
        return {key: masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(name, inner) for inner in value]
    if is_secret_key(name) and not isinstance(value, bool) and value not in (None, ""):
        return MASK
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\g<before>{MASK}", value)
    return value
