"""The topic tree: every level of all topic filters that somebody is subscribed to, with who is subscribed where."""

from collections.abc import Iterator
from typing import Final, NotRequired

import orjson

from rmq.management.queries import SubscriptionQuery
from rmq.management.turns import Turns
from rmq.management.walk import Pace
from rmq_http_api.answers import JSON, Answer, rows_json
from rmq_http_api.calls import Call
from rmq_http_api.nanomq.answers import every_subscription
from rmq_http_api.nanomq.codes import SUCCEEDED
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class LevelObject(TypedDict):
    """One level of topic filters: how many are below it, and who is subscribed to what ends there."""

    topic: str
    cld_cnt: int
    clientid: NotRequired[list[str]]


class TopicTreeAnswer(TypedDict):
    """The root, which has no name, then what is below it, then what is below that, and so on."""

    code: int
    data: list[list[LevelObject]]


class _Level:
    """One level while the tree grows."""

    __slots__ = ("below", "clients", "topic")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.below: dict[str, _Level] = {}
        self.clients: list[str] = []


HEAD: Final = orjson.dumps({"code": SUCCEEDED})[:-1] + b',"data":['


class TopicTreeRoutes:
    """The route of the topic tree."""

    def __init__(self, service: ApiService) -> None:
        self._service = service

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path, shape = f"{PREFIX}/topic-tree", (TopicTreeAnswer,)
        return [Route("GET", path, "list_topic-tree", "The topic tree of the cluster", self.tree, answers=shape)]

    async def tree(self, call: Call[NoQuery, None]) -> Answer:
        """All levels of the tree; a shared subscription is where its filter is."""
        turns = self._service.turns
        pages = every_subscription(self._service, SubscriptionQuery())
        root = _Level("")
        pace = Pace(turns)
        while rows := await pages.next():
            for row in rows:
                level = root
                for name in row.topic_filter.split("/"):
                    level = level.below.setdefault(name, _Level(name))
                level.clients.append(row.client_id)
                if pace.is_due():
                    await pace.rest()
        return Answer([HEAD, *await _json(turns, root), b"]}"], JSON, 200, pages.headers)


async def _json(turns: Turns, root: _Level) -> list[bytes]:
    pieces: list[bytes] = []
    levels = [root]
    while levels:
        made = await rows_json(turns, levels, _level_object)
        made[0] = (b"," if pieces else b"") + made[0]
        pieces += made
        levels = list(_below(levels))
    return pieces


def _below(levels: list[_Level]) -> Iterator[_Level]:
    for level in levels:
        yield from level.below.values()


def _level_object(level: _Level) -> LevelObject:
    shown: LevelObject = {"topic": level.topic, "cld_cnt": len(level.below)}
    if level.clients:
        shown["clientid"] = level.clients
    return shown
