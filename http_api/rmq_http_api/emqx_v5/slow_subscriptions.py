"""/slow_subscriptions: whose deliveries took longest lately, and what is slow."""

from typing import Annotated, Literal

from pydantic import Field

from rmq.management.messages.slow_subscriptions import SlowRules, SlowView
from rmq.plugin_api import Duration
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, missing_header, slice_answer
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.parameters import WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

# Durations as EMQX writes them, "500ms", "5m"; the patterns have none that are out of bounds.
Threshold = Annotated[
    Duration, Field(json_schema_extra={"type": "string", "pattern": "^([1-9][0-9]{2,5}ms|[1-9][0-9]{0,2}s|[1-9]m)$"})
]
Expiry = Annotated[
    Duration, Field(json_schema_extra={"type": "string", "pattern": "^([1-9][0-9]{0,3}s|[1-9][0-9]{0,2}m|[1-9]h)$"})
]


class SlowSettingsBody(Body):
    """What is to be otherwise; what isn't there stays."""

    enable: bool | None = None
    threshold: Threshold | None = None
    expire_interval: Expiry | None = None
    top_k_num: Annotated[int, Field(ge=1, le=1000), WHOLE] | None = None
    stats_type: Literal["whole"] = "whole"


class SlowSettingsObject(TypedDict):
    """What is slow, and how many are listed for how long."""

    enable: bool
    threshold: str
    expire_interval: str
    top_k_num: int
    stats_type: Literal["whole"]


class SlowObject(TypedDict):
    """A client and a topic name; ``timespan`` in milliseconds, ``last_update_time`` in milliseconds since 1970."""

    clientid: str
    node: str
    topic: str
    timespan: int
    last_update_time: int


class SlowPage(TypedDict):
    """The slowest ones and which page of them."""

    data: list[SlowObject]
    meta: Meta


class SlowSubscriptionRoutes:
    """The routes of slow subscriptions."""

    def __init__(self, service: ApiService) -> None:
        self._operations = service.management.operations
        self._slow = service.management.operations.slow_subscriptions
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/slow_subscriptions"
        settings = (SlowSettingsObject,)
        return [
            Route("GET", path, "slow_subscriptions", "Slowest first", self.page, PageQuery, answers=(SlowPage,)),
            Route("DELETE", path, "slow_subscriptions_clear", "Forget them", self.clear, status=204),
            Route("GET", f"{path}/settings", "slow_settings", "What is slow", self.settings, answers=settings),
            Route(
                "PUT",
                f"{path}/settings",
                "slow_settings_change",
                "Say what is slow, on all nodes",
                self.change,
                NoQuery,
                SlowSettingsBody,
                answers=settings,
            ),
        ]

    async def page(self, call: Call[PageQuery, None]) -> Answer:
        """Of all nodes."""
        gathered = await self._operations.slow()
        headers = missing_header(gathered.missing)
        return await slice_answer(self._turns, call.query, list(gathered.answers), slow_object, headers)

    async def clear(self, call: Call[NoQuery, None]) -> Answer:
        """On all nodes."""
        return empty_answer(missing_header((await self._operations.forget_slow()).missing))

    async def settings(self, call: Call[NoQuery, None]) -> Answer:
        """As they are now."""
        return json_answer(_settings(self._slow.rules))

    async def change(self, call: Call[NoQuery, SlowSettingsBody]) -> Answer:
        """From now on, on every node, also after a restart."""
        body, before = call.body, self._slow.rules
        rules = SlowRules(
            before.enabled if body.enable is None else body.enable,
            before.threshold_s if body.threshold is None else body.threshold,
            before.expire_s if body.expire_interval is None else body.expire_interval,
            before.top if body.top_k_num is None else body.top_k_num,
        )
        return json_answer(_settings(await self._slow.change_rules(rules)))


def _settings(rules: SlowRules) -> SlowSettingsObject:
    return {
        "enable": rules.enabled,
        "threshold": f"{round(rules.threshold_s * 1000)}ms",
        "expire_interval": f"{round(rules.expire_s)}s",
        "top_k_num": rules.top,
        "stats_type": "whole",
    }


def slow_object(view: SlowView) -> SlowObject:
    """One of them under EMQX's names."""
    return {
        "clientid": view.client_id,
        "node": view.node.name,
        "topic": view.topic,
        "timespan": round(view.took_s * 1000),
        "last_update_time": round(view.at * 1000),
    }
