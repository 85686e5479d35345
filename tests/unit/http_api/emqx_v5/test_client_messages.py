"""What is on its way to a client, and what its connection remembers of access rules, in EMQX's words."""

from __future__ import annotations

import base64

from rmq.hooks.verdicts import ALLOW, DENY
from rmq.management.messages import of_session as session_messages
from rmq.session.client_info import ClientInfo
from tests.support import wire
from tests.support.wire_parser import Publish
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import Peers, World


async def test_what_waits_and_what_was_sent(v5: V5) -> None:
    engine = v5.world.engine
    client = engine.connect("c", properties=[(wire.RECEIVE_MAXIMUM, 2)], expiry=100)
    client.subscribe(("t/#", 2))
    publisher = engine.connect("p")
    for number in range(5):
        publisher.publish(f"t/{number}", b"payload %d" % number, 1 + number % 2)
    sent = await v5.get("/clients/c/inflight_messages")
    waiting = await v5.get("/clients/c/mqueue_messages?payload=plain")
    assert [row["topic"] for row in sent["data"]] == ["t/0", "t/1"]
    assert [row["topic"] for row in waiting["data"]] == ["t/2", "t/3", "t/4"]
    row = waiting["data"][0]
    assert (row["qos"], row["from_clientid"], row["payload"], row["mqueue_priority"]) == (1, "p", "payload 2", 0)
    assert row["publish_at"] == row["inserted_at"] == round(engine.time * 1000) and row["msgid"]
    assert sent["data"][1]["payload"] == base64.b64encode(b"payload 1").decode()
    assert "mqueue_priority" not in sent["data"][0]
    client.lose()
    assert (await v5.get("/clients/c/inflight_messages"))["data"] == []
    assert len((await v5.get("/clients/c/mqueue_messages?payload=none"))["data"]) == 5
    assert problem(await v5.ask("GET", "/clients/nobody/mqueue_messages")) == (404, "CLIENTID_NOT_FOUND")


async def test_page_after_page(v5: V5) -> None:
    engine = v5.world.engine
    engine.connect("c", expiry=100).subscribe(("t", 1))
    publisher = engine.connect("p")
    client = engine.connect("c", clean=False, expiry=100, properties=[(wire.RECEIVE_MAXIMUM, 1)])
    for number in range(7):
        publisher.publish("t", b"%d" % number, 1)
    client.take(Publish)
    first = await v5.get("/clients/c/mqueue_messages?limit=2&payload=plain")
    assert [row["payload"] for row in first["data"]] == ["1", "2"]
    position = first["meta"]["position"]
    second = await v5.get(f"/clients/c/mqueue_messages?limit=9&payload=plain&position={position}")
    assert [row["payload"] for row in second["data"]] == ["3", "4", "5", "6"]
    assert second["meta"]["start"] == first["meta"]["start"]
    end = await v5.get(f"/clients/c/mqueue_messages?position={second['meta']['position']}")
    assert end["data"] == [] and end["meta"]["position"] == second["meta"]["position"]
    client.lose()
    again = engine.open()
    again.send(wire.connect("c", 5, False, 0, [(wire.SESSION_EXPIRY, 100)]))
    again.receive_all()  # what the position names is gone meanwhile
    again.lose()
    for number in (7, 8):
        publisher.publish("t", b"%d" % number, 1)
    later = await v5.get(f"/clients/c/mqueue_messages?payload=plain&position={position}")
    assert [row["payload"] for row in later["data"]] == ["7", "8"]
    for bad in ("limit=0", "limit=1001", "position=x", "payload=hex", "max_payload_bytes=0"):
        assert problem(await v5.ask("GET", f"/clients/c/mqueue_messages?{bad}")) == (400, "BAD_REQUEST")


async def test_an_answer_is_bounded(v5: V5) -> None:
    engine = v5.world.engine
    client = engine.connect("c", expiry=100)
    client.subscribe(("t", 1))
    client.lose()
    publisher = engine.connect("p")
    for _ in range(5):
        publisher.publish("t", bytes(100_000), 1)
    page = await v5.get("/clients/c/mqueue_messages")
    assert len(page["data"]) == 2 and session_messages.MAX_PAYLOADS < 300_000
    assert len((await v5.get("/clients/c/mqueue_messages?max_payload_bytes=10"))["data"]) == 5


async def test_the_node_with_the_client_answers() -> None:
    other = World(2)
    v5 = V5()
    v5.world.service._peers = Peers([other])
    other.engine.connect("c", properties=[(wire.RECEIVE_MAXIMUM, 1)]).subscribe(("t", 1))
    publisher = other.engine.connect("p")
    for _ in range(2):
        publisher.publish("t", b"x", 1)
    assert len((await v5.get("/clients/c/mqueue_messages"))["data"]) == 1
    assert await v5.get("/clients/c/authorization/cache") == []


async def test_what_is_remembered_of_access_rules(v5: V5) -> None:
    engine = v5.world.engine

    def may(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        return DENY if topic == "no" else ALLOW

    engine.hooks.register("message_publish_check_acl", may, "test")
    client = engine.connect("c")
    at = round(engine.time * 1000)
    client.publish("yes", b"", 1)
    client.publish("yes", b"", 0, retain=True)
    client.publish("no", b"", 1)
    assert engine.counters.client_publish_check_acl == 3
    rows = await v5.get("/clients/c/authorization/cache")
    base = {"access": "publish", "updated_time": at}
    assert rows == [
        {**base, "topic": "yes", "result": "allow", "qos": 0, "retain": True},
        {**base, "topic": "yes", "result": "allow", "qos": 1, "retain": False},
        {**base, "topic": "no", "result": "deny", "qos": 1, "retain": False},
    ]
    await v5.world.service.operations.drop_access_cache("c", "no")
    assert len(await v5.get("/clients/c/authorization/cache")) == 2
    assert (await v5.ask("DELETE", "/clients/c/authorization/cache")).status_code == 204
    assert await v5.get("/clients/c/authorization/cache") == []
    client.publish("yes", b"", 1)
    assert engine.counters.client_publish_check_acl == 4
    client.disconnect()
    for method in ("GET", "DELETE"):
        answer = await v5.ask(method, "/clients/c/authorization/cache")
        assert problem(answer) == (404, "CLIENTID_NOT_FOUND")


async def test_what_is_remembered_of_all_clients_is_forgotten_on_every_node() -> None:
    worlds = [World(1), World(2)]
    v5 = V5(worlds[0])
    worlds[0].service._peers = Peers(worlds)
    clients = []
    for number, world in enumerate(worlds):
        world.engine.hooks.register("message_publish_check_acl", lambda *asked: ALLOW, "test")
        clients += [world.engine.connect(f"{number}-{index}") for index in range(2)]
    for client in clients:
        client.publish("t", b"", 1)
    assert [world.engine.counters.client_publish_check_acl for world in worlds] == [2, 2]
    assert (await v5.ask("DELETE", "/authorization/cache")).status_code == 204
    for client in clients:
        client.publish("t", b"", 1)
    assert [world.engine.counters.client_publish_check_acl for world in worlds] == [4, 4]
    assert (await v5.ask("GET", "/authorization/cache")).status_code == 405
