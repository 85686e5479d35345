"""``client_publish``: handlers say which topic name a PUBLISH or a will is for, before anything is checked about it."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.hooks.verdicts import ALLOW, DENY, UNDECIDED
from rmq.plugin_api import ClientInfo
from tests.support import wire
from tests.support.engine import Engine
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Puback

NOT_AUTHORIZED = 0x87
TOPIC_NAME_INVALID = 0x90


@pytest.fixture(autouse=True)
def _delayed(engine: Engine) -> None:
    engine.limits.delayed_publish = True


def rename(engine: Engine, **names: str | None) -> list[str]:
    """Have topic names mean others; the list fills with those that handlers were asked about."""
    asked: list[str] = []

    def handle(client: ClientInfo, topic: str) -> str | None:
        asked.append(topic)
        return names.get(topic.replace("/", "_"), topic)

    engine.hooks.register("client_publish", handle, "test")
    return asked


def test_access_is_asked_about_the_name_that_is_meant(engine: Engine) -> None:
    rename(engine, old="new")
    engine.hooks.register("message_publish_check_acl", lambda c, topic, q, r: ALLOW if topic == "new" else DENY, "test")
    watcher, client = engine.connect("w"), engine.connect("a")
    watcher.subscribe(("#", 0))
    assert client.publish("old", b"1", 1) == 0
    assert client.publish("other", b"2", 1) == NOT_AUTHORIZED
    assert [m.topic for m in watcher.receive_all()] == ["new"]


def test_a_topic_alias_stands_for_the_name_that_was_written(engine: Engine) -> None:
    asked = rename(engine, old="new", new="newer")
    engine.limits.max_topic_aliases = 1
    watcher, client = engine.connect("w"), engine.connect("a")
    watcher.subscribe(("#", 0))
    client.send(wire.publish("old", b"1", properties=[(wire.TOPIC_ALIAS, 1)]))
    client.send(wire.publish("", b"2", properties=[(wire.TOPIC_ALIAS, 1)]))
    assert [(m.topic, m.payload) for m in watcher.receive_all()] == [("new", b"1"), ("new", b"2")]
    assert asked == ["old", "old"]


@pytest.mark.parametrize("topic", ["old", "$delayed/1/old"])
async def test_a_publish_that_waited_isnt_renamed_twice(engine: Engine, nursery: trio.Nursery, topic: str) -> None:
    engine.start(nursery.start_soon)
    asked = rename(engine, old="new", new="newer", **{"$delayed_1_old": "$delayed/1/new"})

    async def check(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        await trio.lowlevel.checkpoint()
        return UNDECIDED

    engine.hooks.register("message_publish_check_acl", check, "test")
    watcher, client = engine.connect("w"), engine.connect("a")
    watcher.subscribe(("#", 0))
    client.send(wire.publish(topic, b"1", 1, 5))
    await wait_all_tasks_blocked()
    client.take(Puback)
    engine.advance(2)
    assert [m.topic for m in watcher.receive_all()] == ["new"]
    assert asked == [topic]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (None, NOT_AUTHORIZED),
        ("", TOPIC_NAME_INVALID),
        ("a/+", TOPIC_NAME_INVALID),
        ("$SYS/x", NOT_AUTHORIZED),
        ("$delayed/x", TOPIC_NAME_INVALID),
    ],
)
def test_what_is_meant_is_checked_as_if_it_had_been_written(engine: Engine, name: str | None, code: int) -> None:
    rename(engine, old=name)
    client = engine.connect("a")
    assert client.publish("old", b"1", 1) == code
    assert client.publish("fine", b"1", 1) < 0x80
    engine.connect("b", will=Will("old"), code=code)
    assert not engine.has_session("b")


def test_a_name_may_be_one_for_later(engine: Engine) -> None:
    rename(engine, old="$delayed/5/new")
    watcher, client = engine.connect("w"), engine.connect("a")
    watcher.subscribe(("#", 0))
    client.publish("old", b"1")
    assert watcher.receive_all() == []
    engine.advance(6)
    assert [m.topic for m in watcher.receive_all()] == ["new"]


def test_a_will_is_renamed_before_it_is_judged(engine: Engine) -> None:
    rename(engine, old="new", secret="denied")
    engine.hooks.register("message_publish_check_acl", lambda c, topic, q, r: ALLOW if topic == "new" else DENY, "test")
    watcher = engine.connect("w")
    watcher.subscribe(("#", 0))
    engine.connect("b", will=Will("secret"), code=NOT_AUTHORIZED)
    engine.connect("b", V311, will=Will("old", b"gone")).lose()
    assert [(m.topic, m.payload) for m in watcher.receive_all()] == [("new", b"gone")]
