"""The messages that new subscriptions have missed, given to their clients: some clients at a time, each at its pace."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import trio

from rmq.plugin_api import Message, PluginHost, topic_matches
from rmq_plugins.message_storage.finding import Finder, Page, ask_marks, ask_page, read_marks, read_page
from rmq_plugins.message_storage.fresh import Fresh, Had
from rmq_plugins.message_storage.marks import ENTERING, LIVE, Marks

# Clients that are given messages at once.
AT_ONCE: Final = 64
# A client that takes nothing for so long gets no more.
STALLED_S: Final = 60.0
# What a client may have been sent by the time its subscription is in force has arrived after so long; and so far may
# the clocks of nodes, and the moments at which a subscription is in force on them, be apart.
SETTLED_S: Final = 0.3
CLUSTER_SETTLED_S: Final = 1.5
SKEW_S: Final = 1.0


class Wanted:
    """A subscription that is new: its key, its filter, and the last ids before it was asked for and once it was there.

    ``retained``: it is sent retained messages, so these aren't given a second time.
    """

    __slots__ = ("entered", "key", "retained", "started", "topic_filter")

    def __init__(self, key: str, topic_filter: str, started: int, entered: int, *, retained: bool) -> None:
        self.key = key
        self.topic_filter = topic_filter
        self.started = started
        self.entered = entered
        self.retained = retained


class _Client:
    __slots__ = ("queue", "scope", "wanted")

    def __init__(self) -> None:
        self.queue: deque[Wanted] = deque()
        self.scope: trio.CancelScope | None = None
        self.wanted: Wanted | None = None

    def is_owed(self, topic_filter: str) -> bool:
        """Whether a subscription waits for messages, or is given them."""
        under_way = [] if self.wanted is None else [self.wanted]
        return any(one.topic_filter == topic_filter for one in (*self.queue, *under_way))


class Replays:
    """``given`` messages; ``lost`` subscriptions when too many waited, ``stalled`` ones whose clients took nothing.

    ``unanswered``: how often a node gave no answer, so that its messages weren't given; ``failed`` are reads of this
    node's own disk.
    """

    def __init__(self, host: PluginHost, finder: Finder, marks: Marks, fresh: Fresh, max_waiting: int) -> None:
        self.given = 0
        self.lost = 0
        self.stalled = 0
        self.unanswered = 0
        self.failed = 0
        self._host = host
        self._finder = finder
        self._marks = marks
        self._fresh = fresh
        self._clients: dict[str, _Client] = {}
        self._waiting, self._next = trio.open_memory_channel[str](max_waiting)

    @property
    def waiting(self) -> int:
        """How many clients wait, or are given messages."""
        return len(self._clients)

    def begin(self, client_id: str, wanted: Wanted) -> None:
        """Give a subscription what it has missed. Several of one client come one after the other."""
        client = self._clients.get(client_id)
        if client is not None and client.is_owed(wanted.topic_filter):
            return
        if client is None:
            client = _Client()
            try:
                self._waiting.send_nowait(client_id)
            except trio.WouldBlock:
                self.lost += 1
                return
            self._clients[client_id] = client
        client.queue.append(wanted)
        self._fresh.use(client_id)

    def end(self, client_id: str, topic_filter: str | None = None) -> None:
        """A connection, or one of its subscriptions, has ended."""
        client = self._clients.get(client_id)
        if client is None:
            return
        gone = [one for one in client.queue if topic_filter is None or one.topic_filter == topic_filter]
        for one in gone:
            client.queue.remove(one)
            self._fresh.end(client_id)
        under_way = client.wanted
        if under_way is not None and client.scope is not None and topic_filter in (None, under_way.topic_filter):
            client.scope.cancel()
            client.wanted = None  # it may come again before the task has noticed

    async def work(self) -> None:
        """Serve one client after the other."""
        async for client_id in self._next:
            client = self._clients[client_id]
            try:
                while client.queue:
                    wanted = client.wanted = client.queue.popleft()
                    try:
                        with trio.CancelScope() as client.scope:
                            await self._give_missed(client_id, wanted)
                    finally:
                        client.wanted = None
                        self._fresh.end(client_id)
            finally:
                del self._clients[client_id]

    async def _give_missed(self, client_id: str, wanted: Wanted) -> None:
        nodes = [self._host.node_id]
        clustered = self._host.is_clustered
        if clustered:
            nodes += [node for node in await self._host.members() if node != self._host.node_id]
        covers = await self._covers(client_id, nodes[1:])
        after = covers.pop(wanted.topic_filter, 0)
        skew = int(SKEW_S * 1e6) if clustered else 0
        calm = wanted.started - skew
        for node in nodes:
            if not await self._give_pages(client_id, wanted, node, after, calm, covers, None):
                return
        if clustered or wanted.entered > wanted.started:
            await trio.sleep(CLUSTER_SETTLED_S if clustered else SETTLED_S)
            had = self._fresh.had(client_id)
            for node in nodes:
                last = wanted.entered + skew
                if not await self._give_pages(client_id, wanted, node, max(after, calm), last, covers, had):
                    return
        mark = self._marks.of(client_id).get(wanted.topic_filter)
        if mark is not None and mark.state == ENTERING:
            mark.state = LIVE
            self._marks.touch(client_id, wanted.topic_filter)

    async def _covers(self, client_id: str, others: Sequence[int]) -> dict[str, int]:
        """What the client has had: topic filters, and up to which id all that they match."""
        covers = {name: mark.covers() for name, mark in self._marks.of(client_id).items()}
        for node in others:
            answer = await self._host.ask_node(node, ask_marks(client_id))
            try:
                theirs = None if answer is None else read_marks(answer)
            except ValueError:
                theirs = None
            if theirs is None:
                self.unanswered += 1
                continue
            for name, until in theirs.items():
                covers[name] = max(until, covers.get(name, 0))
        return covers

    async def _give_pages(
        self, client_id: str, wanted: Wanted, node: int, after: int, upto: int, covers: dict[str, int], had: Had | None
    ) -> bool:
        """False when the subscription is there no more, or nobody takes anything."""
        while after < upto:
            page = await self._page(node, wanted.topic_filter, after, upto)
            if page is None:
                return True
            messages = [
                kept.message
                for kept in page.messages
                if not _is_covered(covers, kept.message.topic, kept.id)
                and not (wanted.retained and kept.message.retain and self._is_retained(kept.message))
                and not (had is not None and had.take(kept.message))
            ]
            if messages:
                with trio.move_on_after(STALLED_S) as scope:
                    if not await self._host.keeping.replay(client_id, wanted.key, messages):
                        return False
                if scope.cancelled_caught:
                    self.stalled += 1
                    return False
                self.given += len(messages)
            after = page.last
            if not self._host.is_clustered:  # else it says nothing of other nodes
                self._note_had(client_id, wanted.topic_filter, after)
            if not page.more:
                return True
        return True

    def _note_had(self, client_id: str, topic_filter: str, id_: int) -> None:
        """What ends here isn't begun from the start the next time."""
        mark = self._marks.of(client_id).get(topic_filter)
        if mark is not None and mark.state == ENTERING and id_ > mark.until:
            mark.until = id_
            self._marks.touch(client_id, topic_filter)

    async def _page(self, node: int, topic_filter: str, after: int, upto: int) -> Page | None:
        if node != self._host.node_id:
            answer = await self._host.ask_node(node, ask_page(topic_filter, after, upto))
            try:
                page = None if answer is None else read_page(answer, self._host.now())
            except ValueError:
                page = None
            self.unanswered += page is None
            return page
        try:
            return read_page(await self._finder.page(topic_filter, after, upto), self._host.now())
        except (OSError, ValueError) as error:  # ValueError: what was read is no record
            self.failed += 1
            self._host.logger.error("kept messages can't be read", error=str(error))
            return None

    def _is_retained(self, message: Message) -> bool:
        """Whether it is the retained message of its topic, which comes by itself."""
        return self._host.keeping.retained_at(message.topic) == message.created_at


def _is_covered(covers: dict[str, int], topic: str, id_: int) -> bool:
    return any(id_ <= until and topic_matches(name, topic) for name, until in covers.items())
