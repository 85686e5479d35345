"""SIGHUP: what is read again takes effect while clients stay connected, and what is wrong changes nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.node.watched_node import WatchedNode
from tests.support.client import Client
from tests.support.wire_parser import Puback

pytestmark = pytest.mark.realtime

DENIED = 0x87
NOBODY_THERE = 0x10

ALLOW = 'disconnect_if_pub_rejected = false\nrules = [["allow", "all"]]\n'
DENY = 'disconnect_if_pub_rejected = false\nrules = [["deny", "all", "publish", ["secret/#"]], ["allow", "all"]]\n'


class Place:
    """A node with its files."""

    def __init__(self, folder: Path) -> None:
        self.rules = folder / "plugins" / "rmq-acl.toml"
        self.rules.parent.mkdir()
        self.rules.write_text(ALLOW)
        self.log = folder / "log" / "rmq-1.log"
        self.main = folder / "node.toml"
        self.main.write_text('[log]\nto = "both"\n')
        self.node = WatchedNode(folder)

    def reload(self) -> dict[str, object]:
        """Send the signal; what the node says about it at last."""
        self.node.signal(signal.SIGHUP)
        event = json.loads(self.node.wait_for('"reloaded"'))
        assert isinstance(event, dict)
        return event

    def errors(self) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.node.lines if line.startswith("{")]
        return [line for line in lines if line["level"] == "error"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.node.kill()


@pytest.fixture
def client(place: Place) -> Iterator[Client]:
    made = Client(place.node.address, "c")
    made.connect()
    yield made
    made.close()


def code(client: Client, topic: str = "secret/x") -> int:
    """What the client is answered when it publishes."""
    client.send_publish(topic, b"x", 1)
    return client.expect(Puback).code


def test_rules_change_under_connected_clients(place: Place, client: Client) -> None:
    assert code(client) == NOBODY_THERE
    place.rules.write_text(DENY)
    assert code(client) == NOBODY_THERE, "nothing changes by itself"
    event = place.reload()
    assert event["failed"] == []
    assert code(client) == DENIED
    assert code(client, "other") == NOBODY_THERE
    place.rules.write_text(ALLOW)
    place.reload()
    assert code(client) == NOBODY_THERE
    assert place.errors() == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('rules = [["perhaps", "all"]]', 'plugins.rmq-acl.rules[0].access: must be one of "allow" or "deny"'),
        ("rulse = []", "plugins.rmq-acl.rulse: unknown key (did you mean rules?)"),
        ("rules = [", "is not valid TOML"),
    ],
)
def test_rules_that_are_wrong_change_nothing(place: Place, client: Client, text: str, problem: str) -> None:
    place.rules.write_text(DENY)
    place.reload()
    place.rules.write_text(text)
    event = place.reload()
    assert event["failed"] == ["plugins"]
    (error,) = place.errors()
    assert error["part"] == "plugins"
    assert str(place.rules.name) in str(error["problem"]) and problem in str(error["problem"])
    assert code(client) == DENIED


def test_a_mistake_elsewhere_is_named_too(place: Place, client: Client) -> None:
    place.rules.write_text(DENY)
    place.main.write_text('[log]\nto = "both"\ncolour = "red"\n')
    assert place.reload()["failed"] == ["plugins"]
    (error,) = place.errors()
    assert "node.toml: log.colour: unknown key" in str(error["problem"])
    assert code(client) == NOBODY_THERE


def test_the_log_file_is_opened_again(place: Place, client: Client, tmp_path: Path) -> None:
    place.node.wait_for("client connected")
    place.reload()
    assert "client connected" in place.log.read_text()
    place.log.rename(tmp_path / "rotated")
    place.reload()
    assert '"reloaded"' in place.log.read_text()
    place.log.unlink()
    place.log.mkdir()
    event = place.reload()
    assert event["failed"] == ["log file"]
    assert "Is a directory" in str(place.errors()[0]["problem"])
    assert code(client) == NOBODY_THERE


def test_a_node_that_was_told_to_reload_stops_as_any_other(place: Place, client: Client) -> None:
    place.node.signal(signal.SIGHUP)
    place.node.signal(signal.SIGHUP)
    place.node.signal(signal.SIGTERM)
    client.expect_disconnect(0x8B)
    client.close()
    assert place.node.wait() == 0
