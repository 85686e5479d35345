"""Digests of the state at agreed places in the log, a little in each turn."""

from typing import Final

from rmq.storage.digest import DIGEST_EVERY, DigestWalk
from rmq.storage.state import State

# So many sessions are looked at in one turn.
AT_ONCE: Final = 4096


class Digesting:
    """``last`` is the place in the log of the last digest that was taken, and the digest."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._walk: DigestWalk | None = None
        self._index = 0
        self.last: tuple[int, bytes] | None = None

    def applied(self, index: int) -> None:
        """All up to this place is applied: it may be one where a digest is taken. None is begun while one is."""
        if index % DIGEST_EVERY == 0 and self._state.digesting is None:
            self._walk = DigestWalk(self._state)
            self._index = index
            self.go_on()

    def go_on(self) -> None:
        """In each turn: count some more sessions."""
        walk = self._walk
        if walk is None:
            return
        if self._state.digesting is not walk:
            self._walk = None  # another state has taken the place of that one
        elif not walk.step(AT_ONCE):
            self._walk = None
            self.last = (self._index, walk.result)
