"""Subscriptions, routes and retained messages as an administrator sees them."""

from __future__ import annotations

from typing import Final

import pytest

from rmq.management.errors import BadQuery, ClientNotFound, RetainedNotFound
from rmq.management.models import PropertiesView, RetainedView, RouteView, SubscriptionView
from rmq.management.queries import MAX_LIMIT, Paging, SubscriptionQuery
from rmq.mqtt.message import FROM_SYSTEM, Message
from tests.support import wire
from tests.support.engine import START
from tests.support.packet_notation import V311
from tests.unit.management.world import World


def populate(world: World) -> None:
    """Three clients with subscriptions of all kinds."""
    engine = world.engine
    first = engine.connect("a", expiry=100)
    options = 1 | wire.NO_LOCAL | wire.RETAIN_AS_PUBLISHED | wire.RETAIN_ONLY_IF_NEW
    first.subscribe(("foo/#", options), properties=[(wire.SUBSCRIPTION_ID, 7)])
    first.subscribe(("$share/g1/shared/+", 1), ("plain/1", 2))
    engine.connect("b", V311).subscribe(("foo/1", 0), ("bar/+", 1))
    engine.connect("c").subscribe(("$share/g2/shared/+", 0), ("foo/#", 2))
    engine.connections[0].lose("gone")
    engine.turn()


def brief(found: tuple[SubscriptionView, ...]) -> list[str]:
    return sorted(f"{row.client_id} {row.share_group or '-'} {row.topic_filter} {row.qos}" for row in found)


ALL: Final = [
    "a - foo/# 1",
    "a - plain/1 2",
    "a g1 shared/+ 1",
    "b - bar/+ 1",
    "b - foo/1 0",
    "c - foo/# 2",
    "c g2 shared/+ 0",
]
FILTERS: Final = [
    (SubscriptionQuery(), ALL),
    (SubscriptionQuery(client_id="a"), ["a - foo/# 1", "a - plain/1 2", "a g1 shared/+ 1"]),
    (SubscriptionQuery(client_id="nobody"), []),
    (SubscriptionQuery(topic_filter="foo/#"), ["a - foo/# 1", "c - foo/# 2"]),
    (SubscriptionQuery(topic_filter="foo"), []),
    (SubscriptionQuery(topic_filter="shared/+"), ["a g1 shared/+ 1", "c g2 shared/+ 0"]),
    (SubscriptionQuery(topic_filter="$share/g1/shared/+"), ["a g1 shared/+ 1"]),
    (SubscriptionQuery(qos=0), ["b - foo/1 0", "c g2 shared/+ 0"]),
    (SubscriptionQuery(qos=2), ["a - plain/1 2", "c - foo/# 2"]),
    (SubscriptionQuery(share_group="g2"), ["c g2 shared/+ 0"]),
    (SubscriptionQuery(share_group="g"), []),
    (SubscriptionQuery(match="foo/1"), ["a - foo/# 1", "b - foo/1 0", "c - foo/# 2"]),
    (SubscriptionQuery(match="shared/x"), ["a g1 shared/+ 1", "c g2 shared/+ 0"]),
    (SubscriptionQuery(match="foo/+"), ["a - foo/# 1", "c - foo/# 2"]),
    (SubscriptionQuery(match="foo/1", qos=2, client_id="c", topic_filter="foo/#"), ["c - foo/# 2"]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS, ids=[str(query) for query, _ in FILTERS])
async def test_each_filter_of_subscriptions(world: World, query: SubscriptionQuery, expected: list[str]) -> None:
    populate(world)
    assert brief((await world.service.subscriptions(query)).items) == expected


async def test_everything_about_a_subscription(world: World) -> None:
    populate(world)
    (found,) = (await world.service.subscriptions(SubscriptionQuery(client_id="a", topic_filter="foo/#"))).items
    assert found == SubscriptionView(1, "a", "127.0.0.1:40010", 5, "foo/#", None, 1, True, True, 1, 7, None, True)
    (plain,) = (await world.service.subscriptions(SubscriptionQuery(client_id="b", qos=0))).items
    assert plain == SubscriptionView(1, "b", "127.0.0.1:40011", 4, "foo/1", None, 0, False, False, 0, None)


async def test_the_subscriptions_of_a_client(world: World) -> None:
    populate(world)
    assert brief(await world.service.client_subscriptions("a")) == ALL[:3]
    world.engine.connect("none")
    assert await world.service.client_subscriptions("none") == ()
    with pytest.raises(ClientNotFound):
        await world.service.client_subscriptions("nobody")


async def test_subscriptions_by_cursor(world: World) -> None:
    populate(world)
    found: list[SubscriptionView] = []
    after: str | None = ""
    while after is not None:
        page = await world.service.subscriptions(SubscriptionQuery(), Paging(2, after=after))
        found += page.items
        after = page.cursor
    assert brief(tuple(found)) == ALL


@pytest.mark.parametrize(
    ("values", "parameter"), [({"qos": 3}, "qos"), ({"match": ""}, "match"), ({"match": "a#"}, "match")]
)
def test_subscription_queries_that_cannot_be(values: dict[str, int | str], parameter: str) -> None:
    with pytest.raises(BadQuery) as caught:
        SubscriptionQuery(**values)  # type: ignore[arg-type]  # the table mixes the types of the fields
    assert caught.value.parameter == parameter


async def test_routes(world: World) -> None:
    populate(world)
    page = await world.service.routes()
    assert sorted(route.topic for route in page.items) == ["bar/+", "foo/#", "foo/1", "plain/1", "shared/+"]
    assert {route.node_id for route in page.items} == {1}
    some = await world.service.routes(Paging(2, offset=1))
    assert some.items == page.items[1:3] and some.has_more
    first = await world.service.routes(Paging(1, after=""))
    assert [route.topic for route in first.items] == ["bar/+"]
    ordered = await world.service.routes(Paging(2, after=first.cursor, with_total=True))
    assert [route.topic for route in ordered.items] == ["foo/#", "foo/1"] and ordered.total == 5
    with pytest.raises(BadQuery, match="offset"):
        await world.service.routes(Paging(1, MAX_LIMIT + 1))


async def test_routes_of_a_topic(world: World) -> None:
    populate(world)
    found = await world.service.routes_of("foo/1")
    assert set(found.items) == {RouteView("foo/#", 1), RouteView("foo/1", 1)} and found.missing == ()
    assert (await world.service.routes_of("nothing")).items == ()
    for topic in ("", "foo/+"):
        with pytest.raises(BadQuery):
            await world.service.routes_of(topic)


async def test_everything_about_a_retained_message(world: World) -> None:
    client = world.engine.connect("a")
    properties: list[wire.Property] = [
        (wire.PAYLOAD_FORMAT, 1),
        (wire.MESSAGE_EXPIRY, 60),
        (wire.CONTENT_TYPE, "text"),
        (wire.RESPONSE_TOPIC, "answer"),
        (wire.CORRELATION_DATA, b"\x00"),
        (wire.USER_PROPERTY, ("k", "1")),
        (wire.USER_PROPERTY, ("k", "2")),
    ]
    client.publish("r/1", b"kept", 1, retain=True, properties=properties)
    assert await world.service.retained_message("r/1") == RetainedView(
        topic="r/1",
        payload=b"kept",
        qos=1,
        publisher="a",
        origin="custom",
        created_at=START,
        expires_at=START + 60,
        properties=PropertiesView(1, "text", "answer", b"\x00", (("k", "1"), ("k", "2"))),
    )
    client.publish("r/2", b"bare", retain=True)
    bare = await world.service.retained_message("r/2")
    assert (bare.expires_at, bare.properties) == (None, PropertiesView())


async def test_retained_messages_by_filter(world: World) -> None:
    client = world.engine.connect("a")
    for topic in ("r/1", "r/2", "r/2/3", "s"):
        client.publish(topic, b"x", retain=True)
    world.broker.publish(Message("$SYS/x", b"x", 0, True, "", origin=FROM_SYSTEM))
    client.publish("r/short", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, 5)])
    world.engine.time += 6  # over, though the timer hasn't come round yet

    async def topics(topic_filter: str) -> list[str]:
        return sorted(found.topic for found in (await world.service.retained(topic_filter)).items)

    assert await topics("#") == ["r/1", "r/2", "r/2/3", "s"]
    assert await topics("r/+") == ["r/1", "r/2"]
    assert await topics("r/2/#") == ["r/2", "r/2/3"]
    assert await topics("s") == ["s"]
    assert await topics("$SYS/#") == ["$SYS/x"]
    assert await topics("none") == []
    with pytest.raises(RetainedNotFound):
        await world.service.retained_message("r/short")
    for wrong in ("", "a/#/b", "$share/g/a"):
        with pytest.raises(BadQuery):
            await world.service.retained(wrong)


async def test_many_retained_messages_page_by_page(world: World) -> None:
    client = world.engine.connect("a")
    for number in range(1000):
        client.publish(f"r/{number:04}", b"x", retain=True)
    first = await world.service.retained("r/#", Paging(300, with_total=True))
    assert (len(first.items), first.has_more, first.total) == (300, True, 1000)
    last = await world.service.retained("r/#", Paging(300, 900))
    assert (len(last.items), last.has_more) == (100, False)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await world.service.retained("r/#", Paging(333, after=after))
        found += [message.topic for message in page.items]
        after = page.cursor
    assert found == [f"r/{number:04}" for number in range(1000)]
