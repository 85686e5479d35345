"""/mqtt/topic_rewrite and /mqtt/auto_subscribe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rmq_plugins.auto_subscription.config import AutoSubscriptionConfig
from rmq_plugins.topic_rewrite.config import TopicRewriteConfig

from tests.unit.http_api.emqx_v5.plugin_world import world_with
from tests.unit.http_api.emqx_v5.v5 import V5, problem

RULE = {"action": "publish", "source_topic": "x/#", "dest_topic": "z/y/$1", "re": "^x/y/(.+)$"}
TOPIC = {"topic": "c/${clientid}", "qos": 1, "rh": 2, "rap": 1, "nl": 1}


@pytest.fixture
def api() -> Iterator[V5]:
    made = V5(world_with(rmq_topic_rewrite=TopicRewriteConfig, rmq_auto_subscription=AutoSubscriptionConfig))
    yield made
    assert made.bugs == 0


@pytest.mark.parametrize(
    ("path", "item", "plugin"),
    [
        ("/mqtt/topic_rewrite", RULE, "rmq-topic-rewrite"),
        ("/mqtt/auto_subscribe", TOPIC, "rmq-auto-subscription"),
    ],
)
async def test_the_whole_list_is_replaced(api: V5, path: str, item: dict[str, object], plugin: str) -> None:
    assert await api.get(path) == []
    answer = await api.ask("PUT", path, json=[item])
    assert answer.status_code == 200 and answer.json() == [item]
    assert await api.get(path) == [item]
    assert api.world.plugins.done == [f"load {plugin}"]
    assert (await api.ask("PUT", path, json=[])).json() == []
    assert await api.get(path) == []
    assert api.world.plugins.done == [f"load {plugin}", f"reload {plugin}"]


async def test_what_may_be_left_out(api: V5) -> None:
    await api.ask("PUT", "/mqtt/topic_rewrite", json=[{"action": "all", "source_topic": "a", "dest_topic": "b"}])
    assert (await api.get("/mqtt/topic_rewrite"))[0]["re"] == ""
    await api.ask("PUT", "/mqtt/auto_subscribe", json=[{"topic": "a"}])
    assert await api.get("/mqtt/auto_subscribe") == [{"topic": "a", "qos": 0, "rh": 0, "rap": 0, "nl": 0}]


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        ("/mqtt/topic_rewrite", [{**RULE, "re": "(?=x)"}], (400, "BAD_REQUEST")),
        ("/mqtt/topic_rewrite", [{**RULE, "dest_topic": "$2"}], (400, "BAD_REQUEST")),
        ("/mqtt/topic_rewrite", [{**RULE, "source_topic": "#/a"}], (400, "BAD_REQUEST")),
        ("/mqtt/topic_rewrite", [{**RULE, "action": "both"}], (400, "BAD_REQUEST")),
        ("/mqtt/topic_rewrite", [{**RULE, "more": 1}], (400, "BAD_REQUEST")),
        ("/mqtt/topic_rewrite", [RULE, RULE], (400, "BAD_REQUEST")),
        ("/mqtt/topic_rewrite", RULE, (400, "BAD_REQUEST")),
        ("/mqtt/topic_rewrite", [RULE] * 201, (413, "EXCEED_LIMIT")),
        ("/mqtt/topic_rewrite", [{**RULE, "source_topic": "x/" + "x" * 9000}], (400, "BAD_REQUEST")),
        ("/mqtt/auto_subscribe", [{**TOPIC, "qos": 3}], (400, "BAD_REQUEST")),
        ("/mqtt/auto_subscribe", [{**TOPIC, "nl": True}], (400, "BAD_REQUEST")),
        ("/mqtt/auto_subscribe", [{**TOPIC, "topic": "#/a"}], (400, "BAD_REQUEST")),
        ("/mqtt/auto_subscribe", [TOPIC, TOPIC], (400, "BAD_REQUEST")),
        ("/mqtt/auto_subscribe", {}, (400, "BAD_REQUEST")),
        ("/mqtt/auto_subscribe", [TOPIC] * 101, (409, "EXCEED_LIMIT")),
    ],
)
async def test_what_is_wrong_changes_nothing(api: V5, path: str, body: object, wanted: tuple[int, str]) -> None:
    assert problem(await api.ask("PUT", path, json=body)) == wanted
    assert await api.get(path) == [] and api.world.plugins.done == []
