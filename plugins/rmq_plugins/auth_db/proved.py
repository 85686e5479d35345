"""Which passwords were those of their hashes a moment ago, so that a storm of reconnections pays for argon2 once.

Neither passwords nor hashes are kept: an entry is found by an HMAC of both under a key of this process alone. The table
is asked all the same, so whoever is gone from it, or has another hash there, isn't let in by this.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_ENTRIES: Final = 100_000


class Proved:
    """At most ``most_entries``, each for ``ttl_s`` seconds after it was last used; 0 keeps none."""

    def __init__(self, ttl_s: float, now: Callable[[], float], most_entries: int = MOST_ENTRIES) -> None:
        self._ttl_s = ttl_s
        self._now = now
        self._most_entries = most_entries
        self._key = secrets.token_bytes(32)
        # In the order of their ends: whatever is used goes to the back.
        self._entries: OrderedDict[bytes, float] = OrderedDict()
        self.hits = 0

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, written: str, salt: str, password: bytes) -> bytes:
        """What a password and its hash are found by."""
        fields = (written.encode(), salt.encode(), password)
        return hmac.digest(self._key, b"".join(len(part).to_bytes(4, "big") + part for part in fields), "sha256")

    def holds(self, key: bytes) -> bool:
        """Whether it was right; keeps the entry for another while."""
        until = self._entries.get(key)
        if until is None:
            return False
        if until <= self._now():
            del self._entries[key]
            return False
        self._entries[key] = self._now() + self._ttl_s
        self._entries.move_to_end(key)
        self.hits += 1
        return True

    def keep(self, key: bytes) -> None:
        """It was right."""
        entries, now = self._entries, self._now()
        while entries and (len(entries) >= self._most_entries or next(iter(entries.values())) <= now):
            entries.popitem(last=False)
        if self._ttl_s > 0:
            entries[key] = now + self._ttl_s
