"""/mqtt/topic_rewrite: the rules of rmq-topic-rewrite, for all nodes."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, RootModel

from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import TOPIC_FILTER, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

PLUGIN: Final = "rmq-topic-rewrite"
# As many as the plugin takes; EMQX takes 20.
MAX_RULES: Final = 200
# The expression of a rule without one, which is found everywhere and captures nothing.
ANY: Final = ""

Action = Literal["subscribe", "publish", "all"]


class RuleBody(Body):
    """Topics that ``source_topic`` covers and ``re`` is found in become ``dest_topic``."""

    action: Action
    source_topic: str = Field(json_schema_extra=TOPIC_FILTER)
    dest_topic: str = Field(min_length=1)
    re: Annotated[str, Field(max_length=512)] = ANY


class RulesBody(RootModel[list[RuleBody]]):
    """All rules: the last one that fits counts."""


class RuleObject(TypedDict):
    """A rule."""

    action: Action
    source_topic: str
    dest_topic: str
    re: str


class TopicRewriteRoutes:
    """Both routes."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """Reading and replacing."""
        path, rules = f"{PREFIX}/mqtt/topic_rewrite", (list[RuleObject],)
        return [
            Route("GET", path, "topic_rewrite", "The rules that rewrite topics", self.all, answers=rules),
            Route(
                "PUT",
                path,
                "topic_rewrite_change",
                "Replace the rules that rewrite topics",
                self.replace,
                NoQuery,
                RulesBody,
                answers=rules,
            ),
        ]

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """In their order."""
        config = self._management.local.plugin_config(PLUGIN)
        return json_answer(_present(config["rules"]))

    async def replace(self, call: Call[NoQuery, RulesBody]) -> Answer:
        """The plugin runs with them from now on, on every node."""
        rules = call.body.root
        if len(rules) > MAX_RULES:
            raise ApiError(413, "EXCEED_LIMIT", f"there may be {MAX_RULES} rules")
        written = [
            {
                "action": rule.action,
                "source_topic_filter": rule.source_topic,
                "dest_topic": rule.dest_topic,
                **({"regex": rule.re} if rule.re != ANY else {}),
            }
            for rule in rules
        ]
        await self._management.plugin_configs.set(PLUGIN, {"rules": written})
        return json_answer(_present(self._management.local.plugin_config(PLUGIN)["rules"]))


def _present(rules: object) -> Sequence[RuleObject]:
    found: Any = rules
    return [
        {
            "action": rule["action"],
            "source_topic": rule["source_topic_filter"],
            "dest_topic": rule["dest_topic"],
            "re": rule["regex"] or ANY,
        }
        for rule in found
    ]
