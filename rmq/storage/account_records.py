"""The operations on accounts: small records of who may do what, by kind and name.

What becomes of one is decided when it is applied: two nodes may want the same name at the same moment, and the order of
the log says who has it.
"""

from typing import Final

# Operations of this level and above may be proposed by a member of a cluster (see ``RaiseLevel``).
ACCOUNT_LEVEL: Final = 2

# What applying has found.
UNDECIDED: Final = 0
DONE: Final = 1
EXISTS: Final = 2
MISSING: Final = 3
CHANGED: Final = 4
FULL: Final = 5

# As the revision that is expected: the account isn't there yet; whichever it has.
NO_REVISION: Final = 0
ANY_REVISION: Final = -1


class PutAccount:
    """Make an account, or replace its value. ``value`` is the business of whoever has that kind of account.

    ``expected``: the revision that it must have, ``NO_REVISION`` when it must not be there. ``outcome`` and
    ``revision`` are no part of the operation: they are what applying it has found.
    """

    __slots__ = ("expected", "kind", "name", "outcome", "revision", "value")

    def __init__(self, kind: str, name: str, value: bytes, expected: int) -> None:
        self.kind = kind
        self.name = name
        self.value = value
        self.expected = expected
        self.outcome = UNDECIDED
        self.revision = 0


class DeleteAccount:
    """Take an account out; ``expected`` and ``outcome`` as in ``PutAccount``, and it may be ``ANY_REVISION``."""

    __slots__ = ("expected", "kind", "name", "outcome")

    def __init__(self, kind: str, name: str, expected: int) -> None:
        self.kind = kind
        self.name = name
        self.expected = expected
        self.outcome = UNDECIDED
