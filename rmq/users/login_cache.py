"""Which logins were right a moment ago, so that a storm of reconnections doesn't pay for argon2 again.

Neither passwords nor plain hashes are kept: an entry is found by an HMAC under a key of this process alone.
"""

import hmac
import secrets
from collections import OrderedDict
from typing import Final

from rmq.users.record import User

MOST_ENTRIES: Final = 100_000


class LoginCache:
    """At most ``most_entries`` right logins, each for ``ttl_s`` seconds after it was last used; 0 keeps none."""

    def __init__(self, ttl_s: float, most_entries: int = MOST_ENTRIES) -> None:
        self._ttl_s = ttl_s
        self._most_entries = most_entries
        self._key = secrets.token_bytes(32)
        # In the order of their ends: whatever is used goes to the back.
        self._entries: OrderedDict[bytes, tuple[User, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, name: str, password: bytes) -> bytes:
        """What a login is found by."""
        user = name.encode()
        return hmac.digest(self._key, len(user).to_bytes(4, "big") + user + password, "sha256")

    def find(self, key: bytes, now: float) -> User | None:
        """The user who logged in so; keeps the entry for another while."""
        found = self._entries.get(key)
        if found is None:
            return None
        if found[1] <= now:
            del self._entries[key]
            return None
        self._entries[key] = (found[0], now + self._ttl_s)
        self._entries.move_to_end(key)
        return found[0]

    def keep(self, key: bytes, user: User, now: float) -> None:
        """The login was right."""
        entries = self._entries
        while entries and (len(entries) >= self._most_entries or next(iter(entries.values()))[1] <= now):
            entries.popitem(last=False)
        if self._ttl_s > 0:
            entries[key] = (user, now + self._ttl_s)

    def keep_only(self, users: dict[str, User]) -> None:
        """Forget the logins of everybody who isn't the very same user in ``users``."""
        for key, (user, _) in list(self._entries.items()):
            if users.get(user.name) is not user:
                del self._entries[key]
