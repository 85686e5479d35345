"""What OpenAPI says of every route is what a living node answers: alone, as one of three, and with one of three dead.

The other tests of these places check it as well, each answer that they get.
"""

from __future__ import annotations

from typing import Final

from tests.integration.http_api.places import Place
from tests.support import wire
from tests.support.wire import Will

# What stands for the values of paths.
PLUGIN: Final = "rmq-acl"
TOPIC: Final = "described%2F1"
# What can't be asked without parameters.
QUERIES: Final = {"/api/v1/acl/test": "?clientid={clientid}&topic=described%2F1&action=publish"}


def test_every_route_that_reads(place: Place) -> None:
    """Each of them, for each node there is, with something in every list."""
    will = Will("w", b"gone", 1, properties=[(wire.MESSAGE_EXPIRY, 5), (wire.CONTENT_TYPE, "text/plain")])
    client = place.client(place.name("described"), expiry=100, username="u", will=will)
    client.subscribe(("described/#", 1), ("$share/g/described/+", 2))
    place.client(place.name(), level=4).subscribe("described/1")
    gone = place.client(place.name(), expiry=100)
    gone.subscribe("described/+")
    gone.disconnect()
    publisher = place.client()
    publisher.publish("described/1", b"kept", 1, retain=True)
    publisher.publish("described/2", b"kept", 1, retain=True, properties=[(wire.MESSAGE_EXPIRY, 100)])
    place.until(lambda: len(place.api.get("/api/v1/retains")["items"]), 2)
    assert place.api.ask("POST", "/api/v1/api_keys", {"name": "described", "expires_in": 100}).status == 200
    paths = place.api.description.document["paths"]
    seen: dict[str, set[int]] = {}
    for path, operations in paths.items():
        if "get" not in operations:
            continue
        named = path + QUERIES.get(path, "")
        named = named.replace("{clientid}", client.client_id).replace("{topic}", TOPIC).replace("{plugin}", PLUGIN)
        who = "admin" if path.startswith("/api/v1/users") else "described"
        named = named.replace("{file}", "start.js").replace("{name}", who)
        for node in place.nodes if "{node}" in path else (0,):
            answer = place.api.ask("GET", named.replace("{node}", str(node)))
            alone = {409} if len(place.nodes) == 1 and path.startswith("/api/v1/cluster") else {200}
            assert {answer.status} == ({503} if node in place.dead else alone), (path, node, answer.text)
            seen.setdefault(path, set()).add(answer.status)
    assert all(503 in seen[path] for path in seen if "{node}" in path) == bool(place.dead)
    assert place.api.ask("DELETE", "/api/v1/api_keys/described").status == 200
    for topic in ("described/1", "described/2"):
        place.api.ask("DELETE", f"/api/v1/retains?topic={topic.replace('/', '%2F')}")


def test_every_refusal(place: Place) -> None:
    """Each has the one shape, and the headers that belong to it."""
    ask = place.api.ask
    wanted = {
        ("GET", "/api/v1/clients?_limit=x", None): 400,
        ("GET", "/api/v1/clients?what=1", None): 400,
        ("GET", "/api/v1/nodes/abc", None): 400,
        ("GET", "/api/v1/nodes/99", None): 404,
        ("GET", "/api/v1/clients/nobody", None): 404,
        ("DELETE", "/api/v1/retains?topic=nothing", None): 404,
        ("GET", f"/api/v1/plugins/{place.node_id}/nothing", None): 404,
        ("POST", "/api/v1/mqtt/subscribe", '{"topic": "a", "clientid": "nobody"}'): 404,
        ("POST", "/api/v1/mqtt/publish", '{"topic": "a/#", "payload": ""}'): 400,
        ("POST", "/api/v1/mqtt/publish", "{"): 400,
        ("POST", "/api/v1/mqtt/publish", '"' + "x" * 2_000_000 + '"'): 413,
        ("POST", "/api/v1/stats", None): 405,
        ("PATCH", "/api/v1/clients/x", None): 405,
        ("GET", f"/api/v1/clients/{'x' * 9000}", None): 414,
    }
    for (method, path, body), status in wanted.items():
        content = None if body is None else body.encode()
        answer = place.api.send(method, path, content, {"Content-Type": "application/json"} if body else {})
        assert answer.status == status, (method, path[:99], answer.status, answer.text)
        assert answer.json.keys() == {"code", "message"}
        assert status != 405 or "GET" in answer.headers["allow"]
    plain = place.api.send("POST", "/api/v1/mqtt/publish", b"{}", {"Content-Type": "text/plain"})
    assert plain.status == 415
    assert ask("OPTIONS", "/api/v1/stats").status == 204
