"""Sessions that every node holds: a node lists, finds and changes those only that are at home there."""

from __future__ import annotations

import pytest

from rmq.management.errors import ClientNotFound
from rmq.management.queries import ClientQuery, Paging
from rmq.management.requests import FilterRequest
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from tests.unit.management.world import World

AWAY = {"away", "online elsewhere"}


@pytest.fixture
def here() -> World:
    """A node that holds sessions of other nodes; ``AWAY`` names those that aren't at home."""
    world = World(1, None, lambda session: session.client_id not in AWAY)
    for name in ("away", "online elsewhere", "home"):
        client = world.engine.connect(name, expiry=1000)
        client.subscribe((f"of {name}", 1), ("common", 1), (f"$share/g/shared/{name}/+", 1), (f"$share/g/{name}/#", 1))
        client.disconnect()
    session = world.broker.state.sessions["online elsewhere"]
    session.node = 2
    session.remote = True
    session.disconnected_at = 0.0
    world.engine.connect("transient").subscribe(("common", 0))
    # What stands in the router for another node's subscribers.
    stand_in = Session("\0node 2", False)
    stand_in.remote = True
    for topic_filter in ("common", "of node 2"):
        world.broker.ctx.router.add(Subscription(stand_in, topic_filter, topic_filter, "", 2, False, True, 0, 0))
    return world


async def test_lists_have_what_is_at_home(here: World) -> None:
    service = here.service
    clients = await service.clients(paging=Paging(with_total=True))
    assert ({client.client_id for client in clients.items}, clients.total) == ({"home", "transient"}, 2)
    assert {session.client_id for session in (await service.sessions()).items} == {"home", "transient"}
    assert {found.client_id for found in (await service.subscriptions()).items} == {"home", "transient"}
    assert (await service.clients(ClientQuery(client_id="away"))).items == ()


async def test_routes_are_those_to_this_node(here: World) -> None:
    service = here.service
    page = await service.routes(Paging(with_total=True))
    assert ({route.topic for route in page.items}, page.total) == ({"of home", "common", "shared/home/+", "home/#"}, 4)
    assert [route.topic for route in (await service.routes_of("common")).items] == ["common"]
    assert [route.topic for route in (await service.routes_of("shared/home/1")).items] == ["shared/home/+"]
    for topic in ("of away", "of node 2", "nothing", "shared/away/1", "away"):
        assert (await service.routes_of(topic)).items == ()


async def test_nobody_else_is_found_or_changed(here: World) -> None:
    service, changes = here.service, here.local.changes
    for call in (service.client("away"), service.session("away"), service.kick("away"), changes.kick("away")):
        with pytest.raises(ClientNotFound):
            await call
    with pytest.raises(ClientNotFound):
        await changes.subscribe("away", (FilterRequest("t"),))
    with pytest.raises(ClientNotFound):
        await changes.unsubscribe("away", ("common",))
    assert await changes.discard_offline(ClientQuery()) == 1
    assert set(here.broker.state.sessions) == AWAY


async def test_what_leaves_while_it_is_looked_at_is_not_discarded(here: World) -> None:
    """Between being found and being discarded a session may go to another node."""
    asked = 0

    def leaves_after_being_found(session: Session) -> bool:
        nonlocal asked
        asked += 1
        return asked == 1

    world = World(1, None, leaves_after_being_found)
    world.engine.connect("leaving", expiry=1000).disconnect()
    assert await world.local.changes.discard_offline(ClientQuery()) == 0
    assert "leaving" in world.broker.state.sessions


async def test_a_session_that_is_on_line_elsewhere_is_not_discarded() -> None:
    world = World(1, None, lambda session: True)
    world.engine.connect("late news", expiry=1000).disconnect()
    session = world.broker.state.sessions["late news"]
    session.remote = True
    session.disconnected_at = 0.0
    assert await world.local.changes.discard_offline(ClientQuery()) == 0


async def test_the_last_connection_is_not_that_of_before(world: World) -> None:
    """A client that went to another node and whose session is at home here again was last somewhere else."""
    world.engine.connect("rover", expiry=1000).disconnect()
    assert (await world.service.client("rover")).ip_address
    world.broker.state.sessions["rover"].epoch += 1
    assert (await world.service.client("rover")).ip_address == ""


async def test_the_end_of_a_connection_that_was_taken_over_elsewhere_tells_nothing(world: World) -> None:
    world.engine.connect("rover", expiry=1000)
    session = world.broker.state.sessions["rover"]
    session.remote = True
    world.engine.connections[0].lose("taken over")
    world.engine.turn()
    assert len(world.local.last) == 0


async def test_last_connections_of_sessions_that_end_elsewhere_do_not_pile_up(world: World) -> None:
    for number in range(1100):
        name = f"c{number}"
        world.engine.connect(name, expiry=1000).disconnect()
        del world.broker.state.sessions[name]  # as applying its end, which another node proposed, does
    assert len(world.local.last) <= 1000
