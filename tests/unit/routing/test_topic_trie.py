"""TopicTrie against the naive matcher, and what it does when filters come and go."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rmq.routing.share_groups import ShareStrategy
from rmq.routing.subscribers import Subscribers
from rmq.routing.topic_trie import TopicTrie
from rmq.session.subscription import Subscription
from tests.unit.routing.naive import filters, matches, session, subscription, topics


def matched(trie: TopicTrie, topic: str) -> list[tuple[str, str, str]]:
    """(client id, share name, filter) of everything the trie matches, sorted."""
    found: list[tuple[str, str, str]] = []
    for leaf in trie.match(topic):
        if isinstance(leaf, Subscription):
            found.append((leaf.session.client_id, "", leaf.topic_filter))
            continue
        found.extend((client_id, "", leaf.topic_filter) for client_id in leaf.plain or {})
        for group in (leaf.groups or {}).values():
            found.extend((member.session.client_id, group.name, leaf.topic_filter) for member in group.members)
    return sorted(found)


def trie_of(*keys: str) -> TopicTrie:
    trie = TopicTrie(ShareStrategy())
    for key in keys:
        trie.add(subscription(session("c"), key))
    return trie


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/", False),
        ("a/b", "/a/b", False),
        ("A/b", "a/b", False),
        ("a/#", "a", True),  # [MQTT-4.7.1-2] the parent level too
        ("a/#", "a/", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b/c", True),
        ("#", "/", True),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a//c", True),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("+", "a", True),
        ("+", "/a", False),
        ("/+", "/a", True),
        ("+/+", "/a", True),
        ("+/b/#", "a/b", True),
        ("+/#", "a", True),
        ("#", "$SYS/x", False),  # [MQTT-4.7.2-1]
        ("+/x", "$SYS/x", False),
        ("+/#", "$SYS", False),
        ("$SYS/#", "$SYS/x/y", True),
        ("$SYS/#", "$SYS", True),
        ("$SYS/+/y", "$SYS/x/y", True),
        ("+", "$SYS", False),
        ("a/+", "a/$b", True),
        ("a/#", "a/$b", True),
        ("$SYS/x", "$SYS/x", True),
    ],
)
def test_the_specification_s_cases(topic_filter: str, topic: str, expected: bool) -> None:
    assert bool(trie_of(topic_filter).match(topic)) is expected
    assert matches(topic_filter, topic) is expected
    # The same with neighbours that share its prefixes, so that the trie is expanded all the way.
    stem = topic_filter.removesuffix("/#").removesuffix("#")
    crowded = trie_of(topic_filter, stem + "/zz/#", stem + "/+/zz", "+/zz/zz")
    assert (topic_filter in [leaf.topic_filter for leaf in crowded.match(topic)]) is expected


@given(st.lists(filters, max_size=12), topics)
def test_matches_what_the_naive_matcher_matches(keys: list[str], topic: str) -> None:
    trie = trie_of(*keys)
    expected = sorted({key for key in keys if matches(key, topic)})
    assert sorted(leaf.topic_filter for leaf in trie.match(topic)) == expected
    assert trie.filter_count == len(set(keys))
    assert sorted(trie.filters()) == sorted(set(keys))


class TrieMachine(RuleBasedStateMachine):
    """Subscribes and unsubscribes at random, a dict as the model."""

    def __init__(self) -> None:
        super().__init__()
        self.trie = TopicTrie(ShareStrategy())
        self.model: dict[tuple[str, str, str], Subscription] = {}

    @rule(client=st.sampled_from("xyz"), group=st.sampled_from(["", "", "g", "h"]), topic_filter=filters)
    def subscribe(self, client: str, group: str, topic_filter: str) -> None:
        key = f"$share/{group}/{topic_filter}" if group else topic_filter
        new = subscription(session(client), key)
        replaced = self.trie.add(new)
        assert replaced is self.model.get((client, group, topic_filter))
        self.model[(client, group, topic_filter)] = new

    @rule(data=st.data())
    def unsubscribe_one_there(self, data: st.DataObject) -> None:
        if self.model:
            client, group, topic_filter = data.draw(st.sampled_from(sorted(self.model)))
            expected = self.model.pop((client, group, topic_filter))
            assert self.trie.find(topic_filter, group, client) is expected
            assert self.trie.remove(topic_filter, group, client) is expected

    @rule(client=st.sampled_from("xyz"), group=st.sampled_from(["", "g"]), topic_filter=filters)
    def unsubscribe_any(self, client: str, group: str, topic_filter: str) -> None:
        expected = self.model.pop((client, group, topic_filter), None)
        assert self.trie.remove(topic_filter, group, client) is expected
        assert self.trie.find(topic_filter, group, client) is None

    @rule(topic=topics)
    def publish(self, topic: str) -> None:
        expected = sorted(key for key in self.model if matches(key[2], topic))
        assert matched(self.trie, topic) == sorted((c, g, f) for c, g, f in expected)

    @invariant()
    def counts(self) -> None:
        distinct = {key[2] for key in self.model}
        assert self.trie.filter_count == len(distinct)
        assert sorted(self.trie.filters()) == sorted(distinct)

    def teardown(self) -> None:
        for client, group, topic_filter in list(self.model):
            assert self.trie.remove(topic_filter, group, client) is not None
        assert self.trie.filter_count == 0
        # Every branch went with its last filter.
        for root in (self.trie._root, self.trie._dollar_root):
            assert (root.children, root.plus, root.here, root.multi) == (None, None, None, None)


TrieMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTrieMachine = TrieMachine.TestCase


def test_one_plain_subscription_is_kept_without_a_holder() -> None:
    trie = trie_of("a/+")
    assert isinstance(trie.match("a/b")[0], Subscription)
    trie.add(subscription(session("d"), "a/+"))
    assert isinstance(trie.match("a/b")[0], Subscribers)
    trie.remove("a/+", "", "c")
    left = trie.match("a/b")[0]
    assert isinstance(left, Subscription)
    assert left.session.client_id == "d"


def test_filters_stops_at_its_limit() -> None:
    trie = trie_of(*[f"a/{i}" for i in range(5)], *[f"a/{i}/+" for i in range(5)])
    assert len(trie.filters()) == 10
    assert len(trie.filters(3)) == 3
    assert len(trie.filters(7)) == 7
