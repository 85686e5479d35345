"""A query finds what a naive look at the views finds, whatever the clients and the filters."""

from __future__ import annotations

from dataclasses import dataclass

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from rmq.management.models import ClientView, SubscriptionView
from rmq.management.queries import ClientQuery, Paging, SubscriptionQuery
from rmq.management.service import subscription_key
from rmq.mqtt.topics import matches
from tests.support import wire
from tests.support.engine import START, Client
from tests.support.packet_notation import V5, V31, V311
from tests.unit.management.world import World

names = st.sampled_from(["a", "b", "ab", "ba", "abc", ""])
times = st.sampled_from([START, START + 1, START + 2, START + 2.5, START + 9])
filters = st.sampled_from(["a", "a/b", "a/+", "+/b", "#", "$share/g/a/b", "$share/h/a/#"])


@dataclass(frozen=True)
class Doing:
    """What one client does: connect, subscribe, leave, come back."""

    name: str
    level: int
    username: str | None
    clean: bool
    kept: bool
    subscribes: tuple[tuple[str, int], ...]
    leaves: bool
    comes_back: bool
    then_publishes: int


doings = st.builds(
    Doing,
    st.sampled_from(["a", "b", "ab", "ba", "abc", "c"]),
    st.sampled_from([V31, V311, V5]),
    st.none() | names,
    st.booleans(),
    st.booleans(),
    st.lists(st.tuples(filters, st.integers(0, 2)), max_size=3).map(tuple),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
)
client_queries = st.builds(
    ClientQuery,
    client_id=st.none() | names,
    username=st.none() | names,
    ip_address=st.sampled_from([None, None, "127.0.0.1", "::1"]),
    connected=st.none() | st.booleans(),
    clean_start=st.none() | st.booleans(),
    session_present=st.none() | st.booleans(),
    protocol_level=st.none() | st.sampled_from([3, 4, 5]),
    client_id_contains=st.none() | names,
    username_contains=st.none() | names,
    created_from=st.none() | times,
    created_to=st.none() | times,
    connected_from=st.none() | times,
    connected_to=st.none() | times,
    queue_from=st.none() | st.integers(0, 2),
    queue_to=st.none() | st.integers(0, 2),
)
subscription_queries = st.builds(
    SubscriptionQuery,
    client_id=st.none() | names,
    topic_filter=st.none() | filters,
    qos=st.none() | st.integers(0, 2),
    share_group=st.sampled_from([None, None, "g", "h", "x"]),
    match=st.sampled_from([None, None, "a", "a/b", "b/b", "a/b/c", "$SYS/b", "a/+"]),
)


def connect(world: World, step: Doing, *, clean: bool) -> Client:
    """A connection of the client; what waited for it is sent and nobody looks at it."""
    expiry = [(wire.SESSION_EXPIRY, 100)] if step.kept and step.level == V5 else []
    client = world.engine.open(step.level)
    client.send(wire.connect(step.name, step.level, clean, 0, expiry, None, step.username))
    client.read()
    return client


def populate(world: World, steps: list[Doing]) -> None:
    """Do it all, a second apart."""
    engine = world.engine
    for step in steps:
        client = connect(world, step, clean=step.clean)
        if step.subscribes:
            client.subscribe(*step.subscribes)
        if step.leaves:
            client.disconnect()
            if step.comes_back:
                engine.advance(1)
                connect(world, step, clean=False)
        engine.advance(1)
        publisher = engine.connect("publisher")
        for _ in range(step.then_publishes):
            publisher.publish("a/b", b"", 1)
        publisher.disconnect()


def client_passes(view: ClientView, query: ClientQuery) -> bool:
    """The filters, one by one and by the book."""
    equal = (
        (query.client_id, view.client_id),
        (query.username, view.username),
        (query.ip_address, view.ip_address),
        (query.connected, view.connected),
        (query.clean_start, view.clean_start),
        (query.session_present, view.session_present),
        (query.protocol_level, view.protocol_level),
    )
    contained = (
        (query.client_id_contains, view.client_id),
        (query.username_contains, view.username),
    )
    bounds = (
        (query.created_from, view.created_at, query.created_to),
        (query.connected_from, view.connected_at, query.connected_to),
        (query.queue_from, view.queue_length, query.queue_to),
    )
    return (
        all(wanted is None or wanted == value for wanted, value in equal)
        and all(part is None or (value is not None and part in value) for part, value in contained)
        and all(low is None or (value is not None and value >= low) for low, value, _ in bounds)
        and all(high is None or (value is not None and value <= high) for _, value, high in bounds)
    )


def subscription_passes(view: SubscriptionView, query: SubscriptionQuery) -> bool:
    """The same for subscriptions."""
    key = view.topic_filter if view.share_group is None else f"$share/{view.share_group}/{view.topic_filter}"
    return (
        query.client_id in (None, view.client_id)
        and query.topic_filter in (None, view.topic_filter, key)
        and query.qos in (None, view.qos)
        and query.share_group in (None, view.share_group)
        and (query.match is None or matches(view.topic_filter, query.match))
    )


@given(st.lists(doings, max_size=6), st.lists(client_queries, min_size=1, max_size=5))
@settings(deadline=None)
def test_clients(steps: list[Doing], queries: list[ClientQuery]) -> None:
    world = World()
    populate(world, steps)

    async def compare() -> None:
        everyone = (await world.service.clients()).items
        assert {view.client_id for view in everyone} == {
            step.name for step in steps if world.engine.has_session(step.name)
        }
        for query in queries:
            expected = [view for view in everyone if client_passes(view, query)]
            assert list((await world.service.clients(query)).items) == expected
            page = await world.service.clients(query, Paging(2, after="", with_total=True))
            assert page.total == len(expected)
            assert list(page.items) == sorted(expected, key=lambda view: view.client_id)[:2]

    trio.run(compare)


@given(st.lists(doings, max_size=6), st.lists(subscription_queries, min_size=1, max_size=5))
@settings(deadline=None)
def test_subscriptions(steps: list[Doing], queries: list[SubscriptionQuery]) -> None:
    world = World()
    populate(world, steps)

    async def compare() -> None:
        every_one = (await world.service.subscriptions()).items
        assert len(every_one) == world.broker.ctx.router.subscription_count
        for query in queries:
            expected = [view for view in every_one if subscription_passes(view, query)]
            found = (await world.service.subscriptions(query)).items
            assert sorted(found, key=subscription_key) == sorted(expected, key=subscription_key)
            page = await world.service.subscriptions(query, Paging(2, after="", with_total=True))
            assert page.total == len(expected)
            assert list(page.items) == sorted(expected, key=subscription_key)[:2]

    trio.run(compare)
