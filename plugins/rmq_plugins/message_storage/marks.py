"""Which client has had what: for each of its topic filters the id up to which it has had all that matched.

While a subscription is there everything reaches it by itself, so nothing is written down a message: what counts is when
a subscription began and when it ended.
"""

from collections.abc import Iterator, Sequence
from typing import Final

# What a mark says of its subscription.
CLOSED: Final = 0  # it isn't there any more
ENTERING: Final = 1  # it is there, and not all that it missed before has been given
LIVE: Final = 2  # it is there, and nothing before it is missing
# Up to here: everything.
EVERYTHING: Final = (1 << 63) - 1


class Mark:
    """One topic filter of one client: all up to ``until`` was had; ``left`` is where its client went, 0: it is here."""

    __slots__ = ("left", "state", "until")

    def __init__(self, state: int, until: int = 0, left: int = 0) -> None:
        self.state = state
        self.until = until
        self.left = left

    def covers(self) -> int:
        """All up to this id was had, or comes by itself."""
        if self.state == LIVE:
            return self.left or EVERYTHING
        return self.until


class Marks:
    """Those of the clients that were connected here. ``count`` are there, ``max_marks`` may be; ``lost`` had no room.

    ``changed`` are those that aren't on disk yet.
    """

    def __init__(self, max_marks: int) -> None:
        self.count = 0
        self.lost = 0
        self.changed: dict[tuple[str, str], Mark | None] = {}
        self._max_marks = max_marks
        self._of: dict[str, dict[str, Mark]] = {}

    def of(self, client_id: str) -> dict[str, Mark]:
        """All of a client, by topic filter."""
        return self._of.get(client_id, {})

    def put(self, client_id: str, topic_filter: str, mark: Mark) -> bool:
        """Enter or change a mark; False when there is no room for another one."""
        own = self._of.get(client_id)
        if own is None or topic_filter not in own:
            if self.count >= self._max_marks and not self._make_room():
                self.lost += 1
                return False
            own = self._of.setdefault(client_id, {})
            self.count += 1
        own[topic_filter] = mark
        self.changed[client_id, topic_filter] = mark
        return True

    def touch(self, client_id: str, topic_filter: str) -> None:
        """A mark was changed."""
        self.changed[client_id, topic_filter] = self._of[client_id][topic_filter]

    def enter(self, client_id: str, topic_filter: str) -> bool:
        """A subscription is new; False when nothing is known to be missing: there is no room to remember it."""
        mark = self.of(client_id).get(topic_filter)
        until = 0 if mark is None else mark.until
        return self.put(client_id, topic_filter, Mark(ENTERING, until))

    def end(self, client_id: str, topic_filter: str, position: int) -> None:
        """A subscription ended; what it was still owed is owed to the next one."""
        mark = self.of(client_id).get(topic_filter)
        until = mark.until if mark is not None and mark.state == ENTERING else position
        self.put(client_id, topic_filter, Mark(CLOSED, until))

    def leave(self, client_id: str, position: int) -> None:
        """The client isn't here any more; nobody knows whether its session stays."""
        for topic_filter, mark in self.of(client_id).items():
            if mark.state != CLOSED and not mark.left:
                mark.left = position
                self.touch(client_id, topic_filter)

    def begin_anew(self, client_id: str, position: int) -> None:
        """The client has a new session: the subscriptions of the one before have ended when it left."""
        for topic_filter, mark in list(self.of(client_id).items()):
            if mark.state != CLOSED:
                self.end(client_id, topic_filter, mark.left or position)

    def resume(self, client_id: str, topic_filters: Sequence[str]) -> list[str]:
        """The client has its session back; answers the filters that are still owed something."""
        own = self.of(client_id)
        owed: list[str] = []
        for topic_filter in topic_filters:
            mark = own.get(topic_filter)
            if mark is not None and mark.state == ENTERING:
                mark.left = 0
                owed.append(topic_filter)
            elif mark is None or mark.state == CLOSED or mark.left:
                self.put(client_id, topic_filter, Mark(LIVE))
        return owed

    def crashed(self, position: int) -> None:
        """The node ended without a word: clients left then."""
        for client_id in list(self._of):
            self.leave(client_id, position)

    def forget_before(self, position: int) -> None:
        """Forget what is about nothing that is still kept."""
        for client_id, topic_filter, mark in list(self.all()):
            until = mark.until if mark.state == CLOSED else mark.left
            if until and until < position:
                self.remove(client_id, topic_filter)

    def all(self) -> Iterator[tuple[str, str, Mark]]:
        """All of them: client id, topic filter, mark."""
        for client_id, own in self._of.items():
            for topic_filter, mark in own.items():
                yield client_id, topic_filter, mark

    def has_clients(self) -> bool:
        """Whether any of them is here."""
        return any(mark.state != CLOSED and not mark.left for _, _, mark in self.all())

    def remove(self, client_id: str, topic_filter: str) -> None:
        """Forget one mark."""
        own = self._of[client_id]
        del own[topic_filter]
        if not own:
            del self._of[client_id]
        self.count -= 1
        self.changed[client_id, topic_filter] = None

    def _make_room(self) -> bool:
        """Forget the first mark of a client that isn't here; it may be given again what it had."""
        for number, (client_id, topic_filter, mark) in enumerate(self.all()):
            if mark.state == CLOSED or mark.left:
                self.remove(client_id, topic_filter)
                return True
            if number == 1000:  # so many are here: another look won't help
                break
        return False
