"""rmq-acl in a running node: rules are changed while clients are there, tried out before, and asked about."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.client import Client
from tests.support.wire_parser import Puback, Publish

pytestmark = pytest.mark.realtime

NewClient = Callable[..., Client]
NOT_AUTHORIZED = 0x87
TIMEOUT_S = 30.0
OPEN = [["deny", {"clientid": "banned"}, "publish", ["open/%c"]], ["allow", "all"]]
SHUT = [
    ["deny", {"clientid": "banned"}, "publish", ["open/%c"]],
    ["allow", {"user": "boss"}],
    ["deny", "all", "pubsub", ["shut/#"]],
    ["allow", "all"],
]


class World:
    """A node with rules in a file, and its API."""

    def __init__(self, directory: Path, rules: object) -> None:
        self._file = directory / "plugins" / "rmq-acl.toml"
        self._api = f"127.0.0.1:{free_ports(1)[0]}"
        self._file.parent.mkdir()
        self.write(rules)
        self.config = config = directory / "rmq.toml"
        config.write_text(
            '[plugins]\ndefault_startups = ["rmq-acl", "rmq-http-api"]\n',
            encoding="utf-8",
        )
        (directory / "node").mkdir()
        sets = (f"plugins.rmq-http-api.http_laddr={self._api}",)
        self.node = BrokerProcess(directory / "node", sets, arguments=("-f", str(config)))

    @property
    def address(self) -> tuple[str, int]:
        return self.node.address

    def write(self, rules: object) -> None:
        """Other rules in the file, which nobody has read yet."""
        text = json.dumps(rules)
        for name in ("user", "clientid", "ipaddr", "password"):
            text = text.replace(f'"{name}": ', f"{name} = ")
        self._file.write_text(f"disconnect_if_pub_rejected = false\nrules = {text}\n", encoding="utf-8")

    def ask(self, method: str, path: str, **query: str | int) -> httpx.Response:
        """One request; the API listens a moment after the node does."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                url = f"http://{self._api}/api/v1/{path}"
                return httpx.request(method, url, params=query, timeout=TIMEOUT_S, trust_env=False)
            except httpx.ConnectError:
                assert time.monotonic() < deadline, self.node.log
                threading.Event().wait(0.02)

    def reload(self) -> None:
        assert self.ask("PUT", "plugins/1/rmq-acl/config/reload").text == "ok"

    def preview(self) -> Any:
        found = self.ask("PUT", "plugins/1/rmq-acl/config/reload", dry_run="true")
        assert found.status_code == 200, found.text
        told = found.json()
        return {"changed": told["changed"], **told["details"]}

    def attributes(self) -> Any:
        return self.ask("GET", "plugins/1/rmq-acl").json()["attrs"]

    def wait_for_ended(self, count: int) -> None:
        """Ask until so many subscriptions ended; each question is answered by the node: no sleeping."""
        for _ in range(2000):
            if self.attributes()["subscriptions_ended"] >= count:
                return
        raise AssertionError(self.node.log)

    def wait_for_ended_by_name(self, topic_filter: str) -> None:
        """The same for one subscription, by the log."""
        for _ in range(300):
            self.ask("GET", "health/check")
            if topic_filter in self.node.log and "while it was away" in self.node.log:
                return
        raise AssertionError(self.node.log)

    def keys(self, client_id: str) -> set[str]:
        return {row["topic"] for row in self.ask("GET", f"subscriptions/{client_id}").json()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, OPEN)
    yield made
    assert made.node.stop() == 0, made.node.log


def test_subscriptions_that_are_allowed_no_more_end(world: World, new_client: NewClient) -> None:
    plain, boss = new_client(world.address, "plain"), new_client(world.address, "boss")
    plain.connect()
    boss.connect(username="boss")
    for client in (plain, boss):
        assert client.subscribe("shut/a", "$share/g/shut/b", "open/#").codes == [0, 0, 0]
    kept = new_client(world.address, "kept")
    kept.connect(clean=False, properties=[(0x11, 3600)])
    kept.subscribe("shut/c", ("open/c", 1))
    kept.disconnect()
    world.write(SHUT)
    world.reload()
    world.wait_for_ended(3)
    assert world.keys("plain") == {"open/#"}
    assert world.keys("kept") == {"open/c"}, "a session without a connection too"
    assert world.keys("boss") == {"shut/a", "shut/b", "open/#"}
    assert world.attributes()["subscriptions_ended"] == 3
    assert world.ask("GET", "metrics/1").json()["metrics"]["subscriptions.revoked"] == 3
    assert "the rules of rmq-acl have changed" in world.node.log and "shut/c" in world.node.log
    boss.send_publish("shut/a", b"secret", 1)
    assert {type(boss.receive()) for _ in range(2)} == {Puback, Publish}
    assert plain.subscribe("open/x").codes == [0], "it is connected still, and was told nothing"


def test_what_rules_never_allowed_stays(world: World, new_client: NewClient) -> None:
    world.write(SHUT)
    world.reload()
    plain = new_client(world.address, "plain")
    plain.connect()
    body = {"topic": "shut/a", "clientid": "plain", "qos": 0}
    made = httpx.post(f"http://{world._api}/api/v1/mqtt/subscribe", json=body, timeout=10, trust_env=False)
    assert made.status_code == 200, made.text
    plain.subscribe("open/a")
    world.write([["deny", "all", "subscribe", ["open/#"]], *SHUT])
    world.reload()
    world.wait_for_ended(1)
    assert world.keys("plain") == {"shut/a"}, "an administrator may subscribe a client past the rules"


def test_verdicts_on_publishing_are_forgotten(world: World, new_client: NewClient) -> None:
    client = new_client(world.address, "plain")
    client.connect()

    def publish(topic: str) -> int:
        client.send_publish(topic, b"x", 1)
        code = client.expect(Puback).code
        return 0 if code == 0x10 else code

    assert [publish("shut/a"), publish("shut/a")] == [0, 0]
    world.write(SHUT)
    world.reload()
    assert publish("shut/a") == NOT_AUTHORIZED
    world.write(OPEN)
    world.reload()
    assert publish("shut/a") == 0


def test_a_dry_run_tells_and_changes_nothing(world: World, new_client: NewClient) -> None:
    for name in ("one", "two"):
        client = new_client(world.address, name)
        client.connect()
        client.subscribe("shut/a", "open/a", "shut/b")
    assert world.preview()["changed"] == []
    world.write(SHUT[:1] + SHUT[2:])
    told = world.preview()
    assert told["changed"] == ["rules"]
    assert (told["rules_added"], told["rules_removed"], told["rules_reordered"]) == (1, 0, False)
    assert told["added"] == [{"index": 1, "rule": ["deny", "all", "pubsub", ["shut/#"]]}]
    assert (told["subscriptions_ending"], told["clients_affected"]) == (4, 2)
    assert {(row["clientid"], row["topic"]) for row in told["subscriptions"]} == {
        (name, topic) for name in ("one", "two") for topic in ("shut/a", "shut/b")
    }
    assert world.keys("one") == {"shut/a", "open/a", "shut/b"}
    assert world.attributes()["rules"] == len(OPEN)
    world.write([["perhaps", "all"]])
    refused = world.ask("PUT", "plugins/1/rmq-acl/config/reload", dry_run="true")
    assert refused.status_code == 409 and "rules[0]" in refused.json()["message"]
    world.write([["allow", {"user": "u", "password": "tell nobody"}]])
    assert "tell nobody" not in json.dumps(world.preview())


def test_who_may_what_and_by_which_rule(world: World, new_client: NewClient) -> None:
    world.write(SHUT)
    world.reload()

    def decided(client_id: str, action: str, topic: str, **more: str) -> tuple[bool, Any]:
        found = world.ask("GET", "acl/test", clientid=client_id, action=action, topic=topic, **more)
        assert found.status_code == 200, found.text
        assert found.json()["decided_by"] == "rmq-acl"
        return found.json()["allowed"], found.json()["rule"].get("index")

    assert decided("a", "publish", "shut/x") == (False, 2)
    assert decided("a", "publish", "open/x") == (True, 3)
    assert decided("a", "subscribe", "#") == (False, 2)
    assert decided("a", "subscribe", "$share/g/open/#") == (True, 3)
    assert decided("a", "publish", "shut/x", username="boss") == (True, 1)
    assert decided("banned", "publish", "open/banned") == (False, 0)
    boss = new_client(world.address, "a")
    boss.connect(username="boss")
    assert decided("a", "publish", "shut/x") == (True, 1), "as it is connected"
    assert decided("a", "publish", "shut/x", username="other") == (False, 2)
    assert world.attributes()["denied"] == {"connect": 0, "publish": 0, "subscribe": 0}, "a test is no denial"
    superuser = world.ask("GET", "acl/test", clientid="a", action="publish", topic="shut/x", superuser="true").json()
    assert (superuser["allowed"], superuser["decided_by"], superuser["rule"]) == (True, "superuser", {})
    for wrong in ({"topic": "a/#"}, {"topic": ""}, {"action": "connect"}, {"qos": "3"}, {"clientid": ""}):
        query = {"clientid": "a", "action": "publish", "topic": "t"} | wrong
        assert world.ask("GET", "acl/test", **query).status_code == 400


def test_a_reload_under_load_loses_no_message(world: World, new_client: NewClient) -> None:
    subscriber, publisher = new_client(world.address, "sub"), new_client(world.address, "pub")
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe(("open/load", 1), "shut/a")
    count = 600
    for number in range(count):
        publisher.send_publish("open/load", b"%d" % number, 1)
        if number % 100 == 50:
            world.write(SHUT if number % 200 == 50 else OPEN)
            world.reload()
    assert {publisher.expect(Puback).code for _ in range(count)} == {0}
    got = [int(packet.payload) for packet in subscriber.receive_publishes(count)]
    assert got == list(range(count))


def test_whose_client_nobody_knows_is_judged_when_it_comes_back(world: World, new_client: NewClient) -> None:
    kept = new_client(world.address, "kept")
    kept.connect(clean=False, properties=[(0x11, 3600)])
    kept.subscribe("shut/c", ("open/c", 1))
    kept.disconnect()
    assert world.node.stop() == 0
    world.node = world.node.start_again("-f", str(world.config))
    world.write(SHUT)
    world.reload()
    assert world.keys("kept") == {"shut/c", "open/c"}, "it may be anybody's, a superuser's even"
    back = new_client(world.address, "kept")
    assert back.connect(clean=False, properties=[(0x11, 3600)]).session_present
    world.wait_for_ended_by_name("shut/c")
    assert world.keys("kept") == {"open/c"}
