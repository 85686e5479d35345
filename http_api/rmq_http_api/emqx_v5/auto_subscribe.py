"""/mqtt/auto_subscribe: the list of rmq-auto-subscription, for all nodes."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import Field, RootModel

from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

PLUGIN: Final = "rmq-auto-subscription"
# As many as the plugin takes; EMQX takes 20.
MAX_TOPICS: Final = 100

UpToTwo = Annotated[int, Field(ge=0, le=2), WHOLE]
ZeroOrOne = Annotated[int, Field(ge=0, le=1), WHOLE]


class TopicBody(Body):
    """A subscription: QoS, retain handling, Retain As Published and No Local."""

    topic: str = Field(min_length=1, examples=["c/${clientid}/u/${username}/h/${host}/p/${port}"])
    qos: UpToTwo = 0
    rh: UpToTwo = 0
    rap: ZeroOrOne = 0
    nl: ZeroOrOne = 0


class TopicsBody(RootModel[list[TopicBody]]):
    """All of them."""


class AutoSubscribeTopicObject(TypedDict):
    """A subscription."""

    topic: str
    qos: int
    rh: int
    rap: int
    nl: int


class AutoSubscribeRoutes:
    """Both routes."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """Reading and replacing."""
        path, topics = f"{PREFIX}/mqtt/auto_subscribe", (list[AutoSubscribeTopicObject],)
        return [
            Route("GET", path, "auto_subscribe", "What every client is subscribed to", self.all, answers=topics),
            Route(
                "PUT",
                path,
                "auto_subscribe_change",
                "Replace what every client is subscribed to",
                self.replace,
                NoQuery,
                TopicsBody,
                answers=topics,
            ),
        ]

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """In their order."""
        return json_answer(_present(self._management.local.plugin_config(PLUGIN)["subscribes"]))

    async def replace(self, call: Call[NoQuery, TopicsBody]) -> Answer:
        """Clients that connect from now on get them, at every node."""
        topics = call.body.root
        if len(topics) > MAX_TOPICS:
            raise ApiError(409, "EXCEED_LIMIT", f"there may be {MAX_TOPICS} topics")
        written = [
            {
                "topic_filter": topic.topic,
                "qos": topic.qos,
                "no_local": topic.nl == 1,
                "retain_as_published": topic.rap == 1,
                "retain_handling": topic.rh,
            }
            for topic in topics
        ]
        await self._management.plugin_configs.set(PLUGIN, {"subscribes": written})
        return json_answer(_present(self._management.local.plugin_config(PLUGIN)["subscribes"]))


def _present(subscribes: object) -> Sequence[AutoSubscribeTopicObject]:
    found: Any = subscribes
    return [
        {
            "topic": one["topic_filter"],
            "qos": one["qos"],
            "rh": one["retain_handling"],
            "rap": int(one["retain_as_published"]),
            "nl": int(one["no_local"]),
        }
        for one in found
    ]
