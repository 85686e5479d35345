"""What can be asked of clients and subscriptions, and which rows of the answer are wanted.

Every filter is a plain comparison or a plain substring: nothing that comes in is ever compiled to a regular
expression. A filter that is None doesn't filter; all others must hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from rmq.management.clients import ClientFacts
from rmq.management.errors import BadQuery
from rmq.mqtt.topics import is_valid_topic_filter, is_valid_topic_name, matches
from rmq.session.subscription import Subscription

T = TypeVar("T")

# More rows in one answer, or before it, aren't asked for by people; a program goes on with the cursor.
MAX_LIMIT: Final = 100_000
MAX_OFFSET: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Paging:
    """``limit`` rows, behind the first ``offset`` ones, or behind the row that ``after`` (a ``Page.cursor``) names.

    With ``after`` ("" begins) the rows are in the order of their keys, and a row that is there all the time is on
    exactly one page, whatever changes meanwhile. Without it they come as they are found, and an answer that has
    its rows stops looking, unless ``with_total`` has them all counted. ``after`` "" goes with an offset: numbered pages
    in the order of the keys.

    With ``after_node`` too the rows of one node come behind those of another, in the order of their ids, and ``after``
    is a row of that node. A client that goes to another node meanwhile may then be on two pages, or on none.
    """

    limit: int = 10_000
    offset: int = 0
    after: str | None = None
    with_total: bool = False
    after_node: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.limit <= MAX_LIMIT:
            raise BadQuery("limit", f"must be from 0 to {MAX_LIMIT}, not {self.limit}")
        if not 0 <= self.offset <= MAX_OFFSET:
            raise BadQuery("offset", f"must be from 0 to {MAX_OFFSET}, not {self.offset}")
        if self.after and self.offset:
            raise BadQuery("after", "goes without an offset")
        if self.offset > MAX_LIMIT and self.after is not None:
            raise BadQuery("offset", f"in the order of keys no more than {MAX_LIMIT} rows can be left out")
        if self.after_node is not None and self.after is None:
            raise BadQuery("after_node", "goes with a row of that node, or the beginning")

    @classmethod
    def ordered_page(cls, number: int, size: int, *, with_total: bool = True) -> "Paging":
        """The same of rows in the order of their nodes and keys: nobody is on two pages while nothing changes."""
        return replace(cls.page(number, size, with_total=with_total), after="", after_node=0)

    @classmethod
    def page(cls, number: int, size: int, *, with_total: bool = True) -> "Paging":
        """Page ``number``, counted from 1, of ``size`` rows."""
        if number < 1:
            raise BadQuery("page", f"must be at least 1, not {number}")
        if not 1 <= size <= MAX_LIMIT:
            raise BadQuery("limit", f"must be from 1 to {MAX_LIMIT}, not {size}")
        if number > MAX_OFFSET // size:
            raise BadQuery("page", f"there is no page {number} of {size} rows")
        return cls(size, (number - 1) * size, None, with_total)

    def in_order(self) -> "Paging":
        """The same page with all rows in the order of their keys, so that none is on two of them."""
        return replace(self, after="")

    def of_node(self, node_id: int) -> "Paging | None":
        """What this node has to answer; None when all of its rows are on pages before."""
        if self.after_node is None:
            return self
        if node_id < self.after_node:
            return None
        return replace(self, after=self.after if node_id == self.after_node else "", after_node=None)

    def from_start(self) -> "Paging":
        """What one node of several has to answer, so that the rows wanted can be taken out of all their answers."""
        if not self.offset:
            return self
        limit = self.offset + self.limit
        if limit > MAX_LIMIT:
            raise BadQuery("offset", f"of several nodes no more than the first {MAX_LIMIT} rows can be had so")
        return replace(self, limit=limit, offset=0)


@dataclass(frozen=True, slots=True)
class ClientQuery:
    """Filters of clients; names with ``_contains`` look for a substring, ``_from`` and ``_to`` include their bound.

    Times in seconds since 1970. ``ip_address`` is compared as text. ``client_ids`` and ``usernames``: it must be one of
    them, if there are any. A fact that isn't known, such as the
    connection time of a session that outlived the node, satisfies no filter.
    """

    client_id: str | None = None
    username: str | None = None
    ip_address: str | None = None
    connected: bool | None = None
    clean_start: bool | None = None
    session_present: bool | None = None
    protocol_level: int | None = None
    client_id_contains: str | None = None
    username_contains: str | None = None
    created_from: float | None = None
    created_to: float | None = None
    connected_from: float | None = None
    connected_to: float | None = None
    queue_from: int | None = None
    queue_to: int | None = None
    client_ids: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()

    def test(self) -> Callable[[ClientFacts], bool]:
        """A function that says whether a client satisfies all filters; those that are cheap to check come first."""
        tests: list[Callable[[ClientFacts], bool]] = []
        add = tests.append
        if (connected := self.connected) is not None:
            add(lambda client: client.connected == connected)
        if (client_id := self.client_id) is not None:
            add(lambda client: client.client_id == client_id)
        if self.client_ids:
            client_ids = frozenset(self.client_ids)
            add(lambda client: client.client_id in client_ids)
        if self.usernames:
            usernames = frozenset(self.usernames)
            add(lambda client: client.username in usernames)
        if (part := self.client_id_contains) is not None:
            add(lambda client: part in client.client_id)
        if (username := self.username) is not None:
            add(lambda client: client.username == username)
        if (name_part := self.username_contains) is not None:
            add(lambda client: client.username is not None and name_part in client.username)
        if (ip_address := self.ip_address) is not None:
            add(lambda client: client.ip_address == ip_address)
        if (clean_start := self.clean_start) is not None:
            add(lambda client: client.known_clean_start == clean_start)
        if (session_present := self.session_present) is not None:
            add(lambda client: client.session_present == session_present)
        if (protocol_level := self.protocol_level) is not None:
            add(lambda client: client.protocol_level == protocol_level)
        if self.created_from is not None or self.created_to is not None:
            created = _between(self.created_from, self.created_to)
            add(lambda client: created(client.created_at))
        if self.connected_from is not None or self.connected_to is not None:
            since = _between(self.connected_from, self.connected_to)
            add(lambda client: since(client.connected_at))
        if self.queue_from is not None or self.queue_to is not None:
            queue = _between(self.queue_from, self.queue_to)
            add(lambda client: queue(client.queue_length))
        return _all(tests)


@dataclass(frozen=True, slots=True)
class SubscriptionQuery:
    """Filters of subscriptions.

    ``topic_filter`` is compared with the filter without its share name, or with its share name if it has one. ``match``
    is a topic name that the subscription must match, or a filter all of which it must cover. ``persistent``: its
    session outlives connections.
    """

    client_id: str | None = None
    topic_filter: str | None = None
    qos: int | None = None
    share_group: str | None = None
    match: str | None = None
    persistent: bool | None = None

    def __post_init__(self) -> None:
        if self.qos is not None and self.qos not in (0, 1, 2):
            raise BadQuery("qos", f"must be 0, 1 or 2, not {self.qos}")
        if self.match is not None and not is_valid_topic_filter(self.match):
            raise BadQuery("match", f"{self.match!r} is neither a topic name nor a topic filter")

    def test(self) -> Callable[[Subscription], bool]:
        """A function that says whether a subscription satisfies all filters."""
        tests: list[Callable[[Subscription], bool]] = []
        add = tests.append
        if (qos := self.qos) is not None:
            add(lambda subscription: subscription.qos == qos)
        if (share_group := self.share_group) is not None:
            add(lambda subscription: subscription.share_group == share_group)
        if (topic_filter := self.topic_filter) is not None:
            add(lambda subscription: topic_filter in (subscription.topic_filter, subscription.key))
        if (client_id := self.client_id) is not None:
            add(lambda subscription: subscription.session.client_id == client_id)
        if (persistent := self.persistent) is not None:
            add(lambda subscription: subscription.session.persistent == persistent)
        if (topic := self.match) is not None:
            add(lambda subscription: matches(subscription.topic_filter, topic))
        return _all(tests)

    def matched_name(self) -> str | None:
        """The topic name that all subscriptions wanted match, None if there is none, or if it may be a filter."""
        return self.match if self.match is not None and is_valid_topic_name(self.match) else None


def _all(tests: list[Callable[[T], bool]]) -> Callable[[T], bool]:
    """One test for all; it is asked 100,000 times, so the usual cases are short."""
    if not tests:
        return lambda row: True
    if len(tests) == 1:
        return tests[0]

    def passes(row: T) -> bool:
        for test in tests:  # noqa: SIM110  # all() with a generator takes three times as long
            if not test(row):
                return False
        return True

    return passes


def _between(low: float | None, high: float | None) -> Callable[[float | None], bool]:
    def is_between(value: float | None) -> bool:
        if value is None:
            return False
        return (low is None or value >= low) and (high is None or value <= high)

    return is_between
