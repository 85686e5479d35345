"""Clients as an administrator sees them: every fact, every filter, on line and off."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Final

import pytest

from rmq.management.clients import walk_clients
from rmq.management.errors import ClientNotFound
from rmq.management.models import ClientView, PropertiesView, WillView
from rmq.management.queries import ClientQuery
from tests.architecture.sources import ROOT
from tests.support import wire
from tests.support.engine import START
from tests.support.packet_notation import V5, V31, V311
from tests.support.wire import Will
from tests.unit.management.world import LatePort, World

# Every field of RMQTT's client object, and what of the view it is made of.
CLIENT_FIELDS: Final = {
    "node_id": "node_id",
    "clientid": "client_id",
    "username": "username",
    "superuser": "superuser",
    "proto_ver": "protocol_level",
    "ip_address": "ip_address",
    "port": "port",
    "connected": "connected",
    "connected_at": "connected_at",
    "disconnected_at": "disconnected_at",
    "disconnected_reason": "disconnected_reason",
    "keepalive": "keepalive",
    "clean_start": "clean_start",
    "session_present": "session_present",
    "expiry_interval": "expiry_interval",
    "created_at": "created_at",
    "subscriptions_cnt": "subscriptions",
    "max_subscriptions": "max_subscriptions",
    "last_will": "will",
    "inflight": "inflight",
    "max_inflight": "max_inflight",
    "mqueue_len": "queue_length",
    "max_mqueue": "max_queue",
}
# Every filter of RMQTT's client search, and what of the query it becomes.
CLIENT_FILTERS: Final = {
    "clientid": "client_id",
    "username": "username",
    "ip_address": "ip_address",
    "connected": "connected",
    "clean_start": "clean_start",
    "session_present": "session_present",
    "proto_ver": "protocol_level",
    "_like_clientid": "client_id_contains",
    "_like_username": "username_contains",
    "_gte_created_at": "created_from",
    "_lte_created_at": "created_to",
    "_gte_connected_at": "connected_from",
    "_lte_connected_at": "connected_to",
    "_gte_mqueue_len": "queue_from",
    "_lte_mqueue_len": "queue_to",
}


def search_contract() -> dict[str, list[dict[str, str]]]:
    """What the contract says of the search for clients."""
    contract = json.loads((ROOT / "tests" / "contracts" / "rmqtt_v1.json").read_text())
    for operation in contract["operations"]:
        if (operation["method"], operation["path"]) == ("GET", "/api/v1/clients"):
            found: dict[str, list[dict[str, str]]] = operation
            return found
    raise AssertionError("no search for clients")


def test_the_view_has_every_field_of_the_contract() -> None:
    named = {row["name"].removeprefix("[0].") for row in search_contract()["response"]} - {"[]"}
    assert named <= set(CLIENT_FIELDS)
    assert set(CLIENT_FIELDS.values()) <= {field.name for field in fields(ClientView)}


def test_the_query_has_every_filter_of_the_contract() -> None:
    named = {row["name"] for row in search_contract()["parameters"]} - {"_limit"}
    assert named == set(CLIENT_FILTERS)
    further = {"client_ids", "usernames"}  # those of other dialects
    assert set(CLIENT_FILTERS.values()) | further == {field.name for field in fields(ClientQuery)}


async def test_everything_about_a_connected_client(world: World) -> None:
    engine = world.engine
    engine.limits.max_subscriptions = 20
    engine.limits.max_inflight = 3
    engine.limits.max_mqueue_len = 50
    will = Will("gone", b"\x01", 1, retain=True, properties=[(wire.WILL_DELAY, 5), (wire.USER_PROPERTY, ("k", "v"))])
    client = engine.connect("a", expiry=300, keep_alive=60, username="alice", will=will)
    client.subscribe(("x/#", 1), ("$share/g/y", 1))
    engine.advance(10)
    publisher = engine.connect("p")
    for _ in range(5):
        publisher.publish("x/1", b"m", 1)
    publisher.send(wire.publish("x/2", b"", 2, 9))
    assert await world.service.client("a") == ClientView(
        node_id=1,
        client_id="a",
        username="alice",
        superuser=False,
        protocol_level=5,
        ip_address="127.0.0.1",
        port=40_010,
        listener="tcp.external",
        connected=True,
        connected_at=START,
        disconnected_at=None,
        disconnected_reason="",
        keepalive=60,
        clean_start=True,
        session_present=False,
        persistent=True,
        expiry_interval=300,
        expires_at=None,
        created_at=START,
        subscriptions=2,
        max_subscriptions=20,
        will=WillView("gone", b"\x01", 1, True, 5, None, PropertiesView(user_properties=(("k", "v"),))),
        inflight=3,
        max_inflight=3,
        queue_length=3,
        max_queue=50,
        awaiting_release=0,
        messages_received=client.channel.messages_received,
        messages_sent=client.channel.messages_sent,
        bytes_received=client.channel.bytes_received,
        bytes_sent=client.channel.bytes_sent,
        payload_bytes=5,
        traffic=(await world.service.client("a")).traffic,
    )
    assert (await world.service.client("p")).awaiting_release == 1


async def test_what_went_over_a_connection(world: World) -> None:
    engine = world.engine
    engine.limits.max_mqueue_len = 2
    client = engine.connect("a", expiry=300, properties=[(wire.RECEIVE_MAXIMUM, 1)])
    client.subscribe(("x", 2))
    publisher = engine.connect("p")
    publisher.publish("x", b"", 0)
    publisher.publish("x", b"", 1)
    publisher.send(wire.publish("x", b"", 2, 9))
    found = (await world.service.client("p")).traffic
    assert (found.qos0_received, found.qos1_received, found.qos2_received) == (1, 1, 1)
    assert (found.packets_received, found.packets_sent) == (4, 3), "a CONNECT and three PUBLISHes, three answers"
    assert found.reads == 4 and found.writes == 3
    publisher.send(wire.pubrel(9))
    for _ in range(4):
        publisher.publish("x", b"", 1)
    found = (await world.service.client("a")).traffic
    assert (found.qos0_sent, found.qos1_sent, found.qos2_sent) == (1, 1, 0), "one may be in flight"
    assert (found.packets_sent, found.packets_received) == (4, 2), "CONNACK and SUBACK too"
    assert found.dropped_queue_full == found.dropped == engine.counters.dropped_queue_full == 3
    client.lose()
    engine.turn()
    gone = (await world.service.client("a")).traffic
    assert (gone.packets_sent, gone.dropped_queue_full) == (0, 3), "the connection's are gone, the session's are there"


async def test_what_a_client_was_too_narrow_for(world: World) -> None:
    engine = world.engine
    client = engine.connect("a", properties=[(wire.MAXIMUM_PACKET_SIZE, 50)])
    client.subscribe(("x", 0))
    engine.connect("p").publish("x", b"1" * 100, 0)
    found = (await world.service.client("a")).traffic
    assert (found.dropped_too_large, found.dropped, found.qos0_sent) == (1, 1, 0)


async def test_what_is_known_of_a_client_that_is_off_line(world: World) -> None:
    engine = world.engine
    engine.connect("a", V311, clean=False, keep_alive=30, username="alice").subscribe(("x", 1))
    engine.advance(5)
    engine.connections[0].lose("connection reset")
    engine.turn()
    for _ in range(4):
        engine.connect("p").publish("x", b"", 1)
    found = await world.service.client("a")
    assert (found.connected, found.connected_at, found.disconnected_at) == (False, START, START + 5)
    assert found.disconnected_reason == "connection reset"
    assert (found.ip_address, found.port, found.keepalive, found.clean_start) == ("127.0.0.1", 40_010, 30, False)
    assert (found.inflight, found.queue_length, found.subscriptions) == (0, 4, 1)
    assert found.max_subscriptions == 7  # of the listener that it came through
    assert found.expiry_interval == 7200 and found.expires_at == START + 5 + 7200


async def test_off_line_everything_waits(world: World) -> None:
    engine = world.engine
    client = engine.connect("a", expiry=100)
    client.subscribe(("x", 1))
    for _ in range(3):
        engine.connect("p").publish("x", b"", 1)
    found = await world.service.client("a")
    assert (found.inflight, found.queue_length) == (3, 0)
    client.lose()
    found = await world.service.client("a")
    assert (found.inflight, found.queue_length) == (0, 3)


def test_a_walk_shows_clients_as_they_are_when_it_reaches_them(world: World) -> None:
    engine = world.engine
    for name in ("first", "ends", "leaves"):
        engine.connect(name, expiry=100)
    for name in ("plain", "plain that leaves"):
        engine.connect(name)
    walk = walk_clients(world.broker, world.local.last)
    found = [next(walk)]
    for connection in [c for c in engine.connections if c.channel and c.channel.info]:
        assert connection.channel is not None and connection.channel.info is not None
        if connection.channel.info.client_id in ("ends", "leaves", "plain that leaves"):
            connection.lose("gone")
    engine.connect("ends")  # a clean start: the session before it is over
    found += walk
    assert [(client.client_id, client.connected) for client in found] == [
        ("first", True),
        ("leaves", False),
        ("plain", True),
    ]


async def test_a_session_that_outlived_its_node_has_no_last_connection(world: World) -> None:
    world.engine.connect("a", V5, expiry=300, username="alice").disconnect()
    restarted = World()
    restarted.broker.state.sessions = world.broker.state.sessions
    found = await restarted.service.client("a")
    assert (found.username, found.connected, found.disconnected_at) == ("alice", False, START)
    assert (found.ip_address, found.port, found.connected_at, found.address) == ("", 0, None, "")
    for query in (ClientQuery(clean_start=True), ClientQuery(clean_start=False), ClientQuery(connected_from=0)):
        assert (await restarted.service.clients(query)).items == ()


async def test_a_resumed_session_was_present(world: World) -> None:
    engine = world.engine
    engine.connect("a", expiry=300).disconnect()
    assert not (await world.service.client("a")).session_present
    engine.connect("a", clean=False, expiry=300)
    assert (await world.service.client("a")).session_present
    engine.connect("a", expiry=300)
    assert not (await world.service.client("a")).session_present


async def test_a_session_that_ends_takes_what_was_known_of_its_connection_with_it(world: World) -> None:
    engine = world.engine
    engine.connect("short").disconnect()
    engine.connect("kept", expiry=100).disconnect()
    assert len(world.local.last) == 1
    engine.advance(101)
    assert len(world.local.last) == 0
    with pytest.raises(ClientNotFound, match="kept"):
        await world.service.client("kept")


async def test_who_is_on_line(world: World) -> None:
    world.engine.connect("on")
    world.engine.connect("off", expiry=100).disconnect()
    assert [await world.service.is_online(name) for name in ("on", "off", "none")] == [True, False, False]


def populate(world: World) -> None:
    """Clients of every kind, ten seconds apart."""
    engine = world.engine
    engine.connect("sensor-1", V5, expiry=300, username="alice").subscribe(("q", 1))
    engine.advance(10)
    engine.connect("sensor-2", V311, clean=False, username="Bob").subscribe(("q", 1))
    engine.advance(10)
    engine.connect("old", V31, username="alicia")
    engine.advance(10)
    engine.connect("plain.*", V5)
    engine.connections[1].lose("gone")
    engine.turn()
    engine.connect("sensor-1", V5, clean=False, expiry=300, username="alice")
    publisher = engine.connect("plain.*")
    publisher.publish("q", b"", 1)
    publisher.publish("q", b"", 1)


FILTERS: Final = [
    (ClientQuery(), {"sensor-1", "sensor-2", "old", "plain.*"}),
    (ClientQuery(client_id="sensor-1"), {"sensor-1"}),
    (ClientQuery(client_id="sensor"), set()),
    (ClientQuery(client_id="old", connected=False), set()),
    (ClientQuery(username="alice"), {"sensor-1"}),
    (ClientQuery(username="bob"), set()),
    (ClientQuery(ip_address="127.0.0.1"), {"sensor-1", "sensor-2", "old", "plain.*"}),
    (ClientQuery(ip_address="127.0.0.2"), set()),
    (ClientQuery(connected=True), {"sensor-1", "old", "plain.*"}),
    (ClientQuery(connected=False), {"sensor-2"}),
    (ClientQuery(clean_start=True), {"old", "plain.*"}),
    (ClientQuery(clean_start=False), {"sensor-1", "sensor-2"}),
    (ClientQuery(session_present=True), {"sensor-1"}),
    (ClientQuery(session_present=False), {"sensor-2", "old", "plain.*"}),
    (ClientQuery(protocol_level=3), {"old"}),
    (ClientQuery(protocol_level=4), {"sensor-2"}),
    (ClientQuery(protocol_level=5), {"sensor-1", "plain.*"}),
    (ClientQuery(client_id_contains="sensor"), {"sensor-1", "sensor-2"}),
    (ClientQuery(client_id_contains=".*"), {"plain.*"}),
    (ClientQuery(client_id_contains=""), {"sensor-1", "sensor-2", "old", "plain.*"}),
    (ClientQuery(username_contains="alic"), {"sensor-1", "old"}),
    (ClientQuery(username_contains=""), {"sensor-1", "sensor-2", "old"}),
    (ClientQuery(created_from=START + 20), {"old", "plain.*"}),
    (ClientQuery(created_to=START + 10), {"sensor-1", "sensor-2"}),
    (ClientQuery(created_from=START + 10, created_to=START + 20), {"sensor-2", "old"}),
    (ClientQuery(connected_from=START + 30), {"sensor-1", "plain.*"}),
    (ClientQuery(connected_to=START + 20), {"sensor-2", "old"}),
    (ClientQuery(queue_from=1), {"sensor-2"}),
    (ClientQuery(queue_from=3), set()),
    (ClientQuery(queue_to=0), {"sensor-1", "old", "plain.*"}),
    (ClientQuery(queue_from=1, queue_to=2, protocol_level=4, connected=False), {"sensor-2"}),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS, ids=[str(query) for query, _ in FILTERS])
async def test_each_filter(world: World, query: ClientQuery, expected: set[str]) -> None:
    populate(world)
    found = (await world.service.clients(query)).items
    assert sorted(client.client_id for client in found) == sorted(expected)
    sessions = (await world.service.sessions(query)).items
    assert sorted(session.client_id for session in sessions) == sorted(expected)


async def test_a_session_as_it_is_shown(world: World) -> None:
    populate(world)
    session = await world.service.session("sensor-2")
    assert (session.connected, session.persistent, session.clean_start) == (False, True, False)
    assert (session.created_at, session.disconnected_at) == (START + 10, START + 30)
    assert session.expires_at == START + 30 + 7200
    assert (session.subscriptions, session.queue_length, session.inflight, session.awaiting_release) == (1, 2, 0, 0)
    with pytest.raises(ClientNotFound):
        await world.service.session("nobody")


async def test_a_client_that_replaces_its_kept_session_is_there_once(world: World) -> None:
    """Between its CONNACK and the end of the session before there are two under one client id."""
    world.engine.connect("a", expiry=300).disconnect()
    late = LatePort(world.engine)
    client = world.engine.open()
    client.send(wire.connect("a", clean=True))
    assert len((await world.service.clients()).items) == 1
    late.write()
    (found,) = (await world.service.clients()).items
    assert found.connected and not found.persistent
