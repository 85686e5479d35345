"""What becomes of a message on its way: names, flags, marks, limits; and which node of a cluster an entry runs on."""

import pytest
from rmq_plugins.bridge_mqtt.rewriting import Inward, Outward
from rmq_plugins.bridges.place import runs_on
from rmq_plugins.bridges.topics import TopicMap

from rmq.plugin_api import Properties, Publish, decode_block, encode_block

LOCAL, REMOTE = "${local.topic}", "${remote.topic}"


def message(topic: str = "a/b", pairs: list[tuple[str, str]] | None = None, **keys: int) -> Publish:
    packet = Publish(topic, b"12345678", 1, bool(keys.get("retain")), False, 1)
    packet.properties = encode_block(Properties(user_properties=pairs))
    packet.topic_alias = keys.get("alias", 0)
    packet.message_expiry = keys.get("expiry", -1)
    return packet


def outward(template: str = LOCAL, skip: int = 0, retain: bool | None = None, topic_filter: str = "#") -> Outward:
    return Outward("link", "h:1", topic_filter, TopicMap(template, LOCAL, skip), retain)


def taken(outcome: Publish | str) -> Publish:
    assert isinstance(outcome, Publish), outcome
    return outcome


@pytest.mark.parametrize(
    ("template", "skip", "topic", "name"),
    [
        (LOCAL, 0, "a/b", "a/b"),
        ("x/${local.topic}/y", 0, "a/b", "x/a/b/y"),
        (LOCAL, 1, "a/b/c", "b/c"),
        ("x/${local.topic}", 2, "a/b/c", "x/c"),
        ("fixed", 0, "a/b", "fixed"),
    ],
)
def test_names(template: str, skip: int, topic: str, name: str) -> None:
    assert taken(outward(template, skip)(message(topic))).topic == name


def test_what_has_no_name_over_there() -> None:
    assert outward(LOCAL, 2)(message("a/b")) == "topic"


def test_what_nobody_asked_for() -> None:
    assert outward(topic_filter="c/#")(message("a/b")) == "not_asked_for"


@pytest.mark.parametrize(
    ("key", "flag", "result"), [(None, 1, True), (None, 0, False), (False, 1, False), (True, 0, True)]
)
def test_the_retain_flag(key: bool | None, flag: int, result: bool) -> None:
    assert taken(outward(retain=key)(message(retain=flag))).retain == result


def test_a_broker_that_retains_nothing_or_takes_less() -> None:
    rewrite = outward(retain=True)
    rewrite.retain_available = False
    assert not taken(rewrite(message())).retain
    rewrite.max_size = 60
    assert rewrite(message()) == "too_large"


def test_a_message_is_marked_and_crosses_a_bridge_once() -> None:
    sent = taken(outward()(message(pairs=[("a", "b"), ("rmq-bridge-from", "other:1")])))
    assert decode_block(sent.properties).user_properties == [("a", "b"), ("rmq-bridge", "link")]
    back = Publish("a/b", b"", 1, False, False, 1, properties=sent.properties)
    assert outward()(back) == "loop"
    assert Inward("link", "h:1", TopicMap(REMOTE, REMOTE), None, 0)(back) == "loop"
    came = taken(Inward("other", "h:1", TopicMap(REMOTE, REMOTE), None, 0)(back))
    assert ("rmq-bridge-from", "h:1") in decode_block(came.properties).user_properties


def test_what_came_from_a_broker_does_not_go_back_to_it() -> None:
    came = taken(Inward("in", "h:1", TopicMap(REMOTE, REMOTE), None, 0)(message()))
    assert Outward("out", "h:1", "#", TopicMap(LOCAL, LOCAL), None)(came) == "loop"
    assert taken(Outward("out", "g:1", "#", TopicMap(LOCAL, LOCAL), None)(came)).topic == "a/b"


def test_aliases_and_expiry_on_the_way_in() -> None:
    rewrite = Inward("in", "h:1", TopicMap(REMOTE, REMOTE), None, 300)
    first = taken(rewrite(message("a/b", alias=3)))
    again = taken(rewrite(message("", alias=3, expiry=5)))
    assert [(m.topic, m.message_expiry) for m in (first, again)] == [("a/b", 300), ("a/b", 5)]
    assert rewrite(message("", alias=4)) == "topic"


def test_entries_are_spread_and_only_those_of_a_dead_node_move() -> None:
    entries = [f"entry {number}" for number in range(300)]
    before = {entry: runs_on(entry, (1, 2, 3)) for entry in entries}
    after = {entry: runs_on(entry, (3, 1)) for entry in entries}
    assert all(list(before.values()).count(node) > 60 for node in (1, 2, 3))
    assert all(after[entry] == node for entry, node in before.items() if node != 2)
