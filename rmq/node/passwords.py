"""The node's hashing of passwords as plugins are given it."""

from rmq.users.hashing import DEFAULT_COST, cost_of, unmatched, verified


class ArgonPasswords:
    """Argon2id, as in the node's own password file (``rmq.plugin_api.Passwords``)."""

    def verified(self, written: str, password: bytes) -> bool:
        """Whether the password is the one of this hash."""
        return verified(written, password)

    def check(self, written: str) -> None:
        """``ValueError`` says what is wrong with a hash."""
        cost_of(written)

    def unmatched(self) -> str:
        """A hash that no password has."""
        return unmatched(DEFAULT_COST)
