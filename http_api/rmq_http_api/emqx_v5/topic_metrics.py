"""/mqtt/topic_metrics: figures of single topic names, counted while somebody wants them."""

from typing import Literal, NotRequired

from pydantic import Field

from rmq.management.errors import AccountExists, BadQuery
from rmq.management.messages.topic_metrics import TopicFigures
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.pages import missing_header
from rmq_http_api.emqx_v5.wording import PREFIX, rfc3339
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import TOPIC_NAME, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class CountedTopicBody(Body):
    """A topic name to count."""

    topic: str = Field(json_schema_extra=TOPIC_NAME)


class ResetBody(Body):
    """Begin at 0 again: one topic name, or all."""

    action: Literal["reset"]
    topic: str | None = Field(None, json_schema_extra=TOPIC_NAME)


class CountedTopicObject(TypedDict):
    """A topic name that is counted now."""

    topic: str


class TopicFiguresObject(TypedDict):
    """A topic name; ``metrics`` has ``messages.in.count``, ``messages.qos1.out.rate`` and so on, rates a second."""

    topic: str
    create_time: str
    reset_time: NotRequired[str]
    metrics: dict[str, int | float]


class TopicMetricsRoutes:
    """The routes of topic metrics."""

    def __init__(self, service: ApiService) -> None:
        self._operations = service.management.operations
        self._metrics = service.management.operations.topic_metrics

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/mqtt/topic_metrics"
        one = f"{path}/{{topic}}"
        rows, row, topic = (list[TopicFiguresObject],), (TopicFiguresObject,), (CountedTopicObject,)
        return [
            Route("GET", path, "topic_metrics", "Topic names that are counted", self.all, answers=rows),
            Route(
                "POST",
                path,
                "topic_metrics_add",
                "Count a topic name",
                self.add,
                NoQuery,
                CountedTopicBody,
                answers=topic,
            ),
            Route(
                "PUT",
                path,
                "topic_metrics_reset",
                "Begin at 0 again",
                self.reset,
                NoQuery,
                ResetBody,
                status=204,
            ),
            Route("GET", one, "topic_metrics_of", "One topic name that is counted", self.one, answers=row),
            Route("DELETE", one, "topic_metrics_delete", "Count a topic name no more", self.delete, status=204),
        ]

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """Those of all nodes, added up."""
        gathered = await self._operations.topic_figures()
        rows = [figures_object(figures) for figures in gathered.answers]
        return json_answer(rows, headers=missing_header(gathered.missing))

    async def one(self, call: Call[NoQuery, None]) -> Answer:
        """The same of one."""
        topic = call.path.text("topic")
        gathered = await self._operations.topic_figures()
        for figures in gathered.answers:
            if figures.topic == topic:
                return json_answer(figures_object(figures), headers=missing_header(gathered.missing))
        raise ApiError(404, "TOPIC_NOT_FOUND", f"{topic[:128]!r} isn't counted")

    async def add(self, call: Call[NoQuery, CountedTopicBody]) -> Answer:
        """From now on, on every node."""
        try:
            await self._metrics.create(call.body.topic)
        except AccountExists as error:
            raise ApiError(400, "BAD_TOPIC", str(error)) from None
        except BadQuery as error:
            raise ApiError(400, "BAD_TOPIC", error.reason) from None
        answer: CountedTopicObject = {"topic": call.body.topic}
        return json_answer(answer)

    async def reset(self, call: Call[NoQuery, ResetBody]) -> Answer:
        """On every node."""
        await self._metrics.reset(call.body.topic)
        return empty_answer()

    async def delete(self, call: Call[NoQuery, None]) -> Answer:
        """On no node any more."""
        await self._metrics.delete(call.path.text("topic"))
        return empty_answer()


def figures_object(figures: TopicFigures) -> TopicFiguresObject:
    """Figures under EMQX's names."""
    metrics: dict[str, int | float] = {}
    for name, count in figures.counts.items():
        metrics[f"messages.{name}.count"] = count
        metrics[f"messages.{name}.rate"] = figures.rates[name]
    found: TopicFiguresObject = {"topic": figures.topic, "create_time": rfc3339(figures.created_at), "metrics": metrics}
    if figures.reset_at is not None:
        found["reset_time"] = rfc3339(figures.reset_at)
    return found
