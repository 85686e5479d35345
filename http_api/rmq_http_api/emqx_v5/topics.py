"""Topics: the topic filters that somebody is subscribed to, each with the nodes where they are."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from rmq.management.models import Page, RouteView
from rmq.management.queries import Paging
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.names import find_node, named, node_names
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, missing_header, page_answer, slice_answer
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

# More nodes than a cluster has.
MAX_NODES: Final = 256


class TopicsQuery(PageQuery):
    """Which topic filters, and which page."""

    topic: str | None = Field(None, description="Is the topic filter")
    node: str | None = None


class SubscribedTopic(TypedDict):
    """A topic filter and a node with subscribers of it."""

    topic: str
    node: str


class TopicsPage(TypedDict):
    """Topic filters and which page of them."""

    data: list[SubscribedTopic]
    meta: Meta


Plain = Call[NoQuery, None]


class TopicRoutes:
    """The routes of topics."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """Both."""
        path = f"{PREFIX}/topics"
        one = (list[SubscribedTopic],)
        return [
            Route(
                "GET", path, "topics", "Topic filters with subscribers", self.page, TopicsQuery, answers=(TopicsPage,)
            ),
            Route("GET", f"{path}/{{topic}}", "topic", "The nodes of one topic filter", self.one, answers=one),
        ]

    async def page(self, call: Call[TopicsQuery, None]) -> Answer:
        """A page by (node, topic filter)."""
        query = call.query
        node_id = None if query.node is None else await find_node(self._management, query.node)
        names = await node_names(self._management)
        if query.topic is None:
            paging = query.paging()
            page = await self._routes(paging, node_id)
            return await page_answer(self._service.turns, query, page, lambda row: subscribed_topic(row, names))
        found = [row for row in (await self._of(query.topic)).items if node_id in (None, row.node_id)]
        return await slice_answer(self._service.turns, query, found, lambda row: subscribed_topic(row, names))

    async def _routes(self, paging: Paging, node_id: int | None) -> Page[RouteView]:
        if node_id is None:
            return await self._management.routes(paging)
        return await self._management.of_node.routes(node_id, paging)

    async def one(self, call: Plain) -> Answer:
        """Its nodes; 404 where nobody is subscribed to it."""
        topic = call.path.text("topic")
        found = await self._of(topic)
        if not found.items:
            raise ApiError(404, "TOPIC_NOT_FOUND", f"nobody is subscribed to {topic[:256]!r}")
        names = await node_names(self._management)
        return json_answer([subscribed_topic(row, names) for row in found.items], headers=missing_header(found.missing))

    async def _of(self, topic: str) -> Page[RouteView]:
        """The nodes of a topic filter: its key stands just behind the topic filter itself."""
        rows: dict[int, RouteView] = {}
        page = await self._management.routes(Paging(MAX_NODES, after=topic))
        for row in page.items:
            if row.topic == topic:
                rows[row.node_id] = row
        return Page(tuple(rows[node_id] for node_id in sorted(rows)), missing=page.missing)


def subscribed_topic(route: RouteView, names: Mapping[int, str]) -> SubscribedTopic:
    """A topic filter under EMQX's names."""
    return {"topic": route.topic, "node": named(names, route.node_id)}
