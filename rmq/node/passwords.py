"""The node's hashing of passwords as management and plugins are given it."""

from rmq.users import brought
from rmq.users.hashing import DEFAULT_COST, cost_of, hashed, unmatched, verified


class ArgonPasswords:
    """Argon2id, as in the node's own password file: ``management.users.PasswordHashes``, ``plugin_api.Passwords``."""

    def hashed(self, password: bytes) -> str:
        """The password's hash with a salt of its own."""
        return hashed(password)

    def verified(self, written: str, password: bytes) -> bool:
        """Whether the password is the one of this hash."""
        return verified(written, password)

    def check(self, written: str) -> None:
        """``ValueError`` says what is wrong with a hash."""
        cost_of(written)

    def brought(self, digest: str, place: str, salt: bytes, hashed_there: bytes) -> str:
        """A hash of another program inside one of ours."""
        way = brought.salted(digest, place, salt)
        brought.check(way)
        return way + hashed(hashed_there)

    def unmatched(self) -> str:
        """A hash that no password has."""
        return unmatched(DEFAULT_COST)
