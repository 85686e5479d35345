"""Which messages there are for a topic filter, page by page: for this node and, by ``answer``, for all others.

A question is JSON: {"marks": client id}, or {"filter", "after", "upto"} with ids. A page is the id up to which was
looked, whether there is more behind it, and records.
"""

import json
import struct
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from heapq import merge
from typing import Final

import trio

from rmq_plugins.message_storage.intake import Intake
from rmq_plugins.message_storage.marks import Marks
from rmq_plugins.message_storage.record import Kept, unpacked_all
from rmq_plugins.message_storage.store import Store

_PAGE: Final = struct.Struct(">QB")
# A page has so many messages at most, and so many bytes if it has more than one.
PAGE_MESSAGES: Final = 256
PAGE_BYTES: Final = 256 * 1024
# So many ids are sorted at once, some 3 ms; runs of them are merged as they are needed.
_RUN: Final = 16_384
# Searches that may be gone on with.
_SEARCHES: Final = 64


class Page:
    """Messages in the order they were published; ``last`` is the id up to which was looked."""

    __slots__ = ("last", "messages", "more")

    def __init__(self, last: int, messages: list[Kept], *, more: bool) -> None:
        self.last = last
        self.more = more
        self.messages = messages


def read_page(data: bytes, now: float) -> Page:
    """A page out of its bytes, without what isn't kept any more; ``ValueError``."""
    try:
        last, more = _PAGE.unpack_from(data)
    except struct.error as error:
        raise ValueError(str(error)) from None
    messages = [kept for kept in unpacked_all(data[_PAGE.size :]) if kept.keep_until > now]
    return Page(last, messages, more=bool(more))


def ask_page(topic_filter: str, after: int, upto: int) -> bytes:
    """The question for a page."""
    return json.dumps({"filter": topic_filter, "after": after, "upto": upto}).encode()


def ask_marks(client_id: str) -> bytes:
    """The question what a client has had."""
    return json.dumps({"marks": client_id}).encode()


def read_marks(data: bytes) -> dict[str, int]:
    """Topic filters, and up to which id all that they match was had; ``ValueError``."""
    found = json.loads(data)
    if not isinstance(found, dict) or not all(type(until) is int for until in found.values()):
        raise ValueError("these aren't marks")
    return found


class Finder:
    """Looks through this node's messages."""

    def __init__(self, store: Store, intake: Intake, marks: Marks) -> None:
        self._store = store
        self._intake = intake
        self._marks = marks
        # By filter, end and where it stands; a page that is asked for again begins anew.
        self._searches: OrderedDict[tuple[str, int, int], Iterator[int]] = OrderedDict()

    async def answer(self, body: bytes) -> bytes:
        """The answer to a question of a node; ``ValueError`` for what is none."""
        match json.loads(body):
            case {"marks": str(client_id)}:
                # Another node has the client now: what it had here ends here.
                own = self._marks.of(client_id)
                position = self._intake.position()
                covers = {name: mark.covers() for name, mark in own.items()}
                return json.dumps({name: min(until, position) for name, until in covers.items()}).encode()
            case {"filter": str(topic_filter), "after": int(after), "upto": int(upto)}:
                return await self.page(topic_filter, after, upto)
        raise ValueError("not a question")

    async def page(self, topic_filter: str, after: int, upto: int) -> bytes:
        """The next messages behind an id; raises ``OSError``."""
        search = self._searches.pop((topic_filter, upto, after), None)
        if search is None:
            await self._intake.flush()
            search = await self._search(topic_filter, after, upto)
        ids: list[int] = []
        size = 0
        more = False
        last = after
        for id_ in search:
            length = self._store.size_of(id_)
            if ids and size + length > PAGE_BYTES:
                search = _with(id_, search)
                more = True
                break
            ids.append(id_)
            last = id_
            size += length
            if len(ids) == PAGE_MESSAGES:
                more = True
                break
        if more:
            self._searches[topic_filter, upto, last] = search
            if len(self._searches) > _SEARCHES:
                self._searches.popitem(last=False)
        records = await self._store.read(ids)
        return _PAGE.pack(last if more else max(last, upto), more) + b"".join(records)

    async def _search(self, topic_filter: str, after: int, upto: int) -> Iterator[int]:
        runs: list[array[int]] = []
        run = array("Q")
        for node in self._store.find(topic_filter):
            if node is None:
                await trio.lowlevel.checkpoint()
                continue
            found = node.after(after, upto)
            if len(found) >= _RUN:
                runs.append(found)  # in order already
                continue
            run.extend(found)
            if len(run) >= _RUN:
                runs.append(array("Q", sorted(run)))
                run = array("Q")
                await trio.lowlevel.checkpoint()
        runs.append(array("Q", sorted(run)))
        return merge(*runs)


def _with(first: int, others: Iterator[int]) -> Iterator[int]:
    yield first
    yield from others
