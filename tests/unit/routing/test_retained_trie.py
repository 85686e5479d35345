"""RetainedTrie against the naive matcher; searches that go on while messages come and go."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rmq.mqtt.message import Message
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.topic_index import TopicIndex
from tests.unit.routing.naive import filters, matches, message, topics


def trie_of(names: list[str]) -> RetainedTrie:
    trie = RetainedTrie()
    for name in names:
        trie.set(message(name))
    return trie


def found(trie: RetainedTrie, topic_filter: str) -> list[str]:
    return sorted(message.topic for message in trie.match(topic_filter))


@given(st.lists(topics, max_size=20), filters)
def test_matches_what_the_naive_matcher_matches(names: list[str], topic_filter: str) -> None:
    trie = trie_of(names)
    assert trie.count == len(set(names))
    assert found(trie, topic_filter) == sorted({name for name in names if matches(topic_filter, name)})


def test_a_topic_s_message_is_replaced() -> None:
    trie = RetainedTrie()
    first, second = message("a/b"), message("a/b")
    assert trie.set(first) is True
    assert trie.set(second) is False
    assert trie.get("a/b") is second
    assert trie.match("a/b") == [second]
    assert trie.match("a/+") == [second]
    assert trie.get("a") is None
    assert trie.remove("a") is False
    assert trie.remove("a/b") is True
    assert trie.remove("a/b") is False
    assert trie.count == 0
    assert trie.match("#") == []


def test_dollar_topics_are_out_of_leading_wildcards_reach() -> None:
    trie = trie_of(["$SYS/a", "$SYS", "a/$b", "a"])
    assert found(trie, "#") == ["a", "a/$b"]
    assert found(trie, "+/a") == []
    assert found(trie, "+") == ["a"]
    assert found(trie, "$SYS/#") == ["$SYS", "$SYS/a"]
    assert found(trie, "$SYS/+") == ["$SYS/a"]


def test_the_limit_of_a_match() -> None:
    trie = trie_of([f"a/{i}" for i in range(10)])
    assert len(trie.match("a/+", 3)) == 3
    assert len(trie.match("a/+", 100)) == 10
    assert len(trie.match("#", 10)) == 10


def test_clear() -> None:
    trie = trie_of(["a", "a/b", "$x"])
    trie.clear()
    assert trie.count == 0
    assert trie.match("#") + trie.match("$x") == []


def test_a_step_looks_at_no_more_than_its_limit() -> None:
    trie = trie_of([f"dev/{i}/{'status' if i % 100 == 0 else 'other'}" for i in range(1000)])
    steps, names, cursor = 0, [], None
    while True:
        chunk, cursor = trie.match_chunk("dev/+/status", cursor, 50)
        assert len(chunk) <= 50
        names += [message.topic for message in chunk]
        steps += 1
        if cursor is None:
            break
    # A thousand to look at, so about twenty steps though only ten of them match.
    assert sorted(names) == sorted(f"dev/{i}/status" for i in range(0, 1000, 100))
    assert 20 <= steps <= 23


class SearchMachine(RuleBasedStateMachine):
    """One search taken step by step while messages are set and removed."""

    def __init__(self) -> None:
        super().__init__()
        self.trie = RetainedTrie()
        self.model: dict[str, Message] = {}
        self.topic_filter = ""
        self.cursor: object = None
        self.found: list[str] = []
        self.throughout: set[str] = set()

    @rule(topic=topics)
    def set(self, topic: str) -> None:
        new = message(topic)
        assert self.trie.set(new) is (topic not in self.model)
        self.model[topic] = new

    @rule(topic=topics)
    def remove(self, topic: str) -> None:
        assert self.trie.remove(topic) is (topic in self.model)
        self.model.pop(topic, None)
        self.throughout.discard(topic)

    @rule(topic_filter=filters, limit=st.integers(1, 4))
    def begin(self, topic_filter: str, limit: int) -> None:
        self.topic_filter, self.cursor, self.found = topic_filter, None, []
        self.throughout = {topic for topic in self.model if matches(topic_filter, topic)}
        self._step(limit)

    @rule(limit=st.integers(1, 4))
    def go_on(self, limit: int) -> None:
        if self.cursor is not None:
            self._step(limit)

    def _step(self, limit: int) -> None:
        chunk, self.cursor = self.trie.match_chunk(self.topic_filter, self.cursor, limit)
        for one in chunk:
            assert self.model[one.topic] is one
            assert matches(self.topic_filter, one.topic)
        self.found += [one.topic for one in chunk]
        if self.cursor is None:
            for topic in self.throughout:
                assert self.found.count(topic) == 1
            self.throughout = set()

    @invariant()
    def counts(self) -> None:
        assert self.trie.count == len(self.model)

    def teardown(self) -> None:
        for topic in list(self.model):
            assert self.trie.remove(topic)
        assert self.trie._index.is_empty, "every branch goes with its last topic"


SearchMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestSearchMachine = SearchMachine.TestCase


def test_the_index_says_what_is_new() -> None:
    index = TopicIndex()
    assert [index.add(name) for name in ("a/b", "a/b", "a", "a", "a/b/c", "a/b")] == [
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert [index.remove(name) for name in ("a/b", "a/b", "a/x", "a/b/c/d", "a/b/c", "a", "a")] == [
        True,
        False,
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_level_with_very_many_topics() -> None:
    """Beyond 16,384 children a branch keeps them in buckets; a search goes on across that change."""
    names = [f"dev/{i}" for i in range(16_384)]
    trie = trie_of(names)
    chunk, cursor = trie.match_chunk("dev/+", None, 100)
    found = [one.topic for one in chunk]
    more = [f"dev/{i}" for i in range(16_384, 20_000)]
    for name in more:
        assert trie.set(message(name)) is True
        assert trie.set(message(name)) is False
    while cursor is not None:
        chunk, cursor = trie.match_chunk("dev/+", cursor, 1000)
        found += [one.topic for one in chunk]
    assert len(found) == len(set(found))
    assert set(names) <= set(found)

    # A search through the buckets while every other topic goes and comes back below another level.
    found, cursor = [], None
    for i in range(0, 20_000, 2):
        chunk, cursor = trie.match_chunk("#", cursor, 1)
        assert cursor is not None
        assert len(chunk) <= 1
        found += [one.topic for one in chunk]
        assert trie.remove(f"dev/{i}") is True
        assert trie.set(message(f"dev/{i}/again")) is True
    while cursor is not None:
        chunk, cursor = trie.match_chunk("#", cursor, 1000)
        found += [one.topic for one in chunk]
    assert len(found) == len(set(found))
    assert {f"dev/{i}" for i in range(1, 20_000, 2)} <= set(found)
    assert [one.topic for one in trie.match("dev/8/+")] == ["dev/8/again"]
    assert len(trie.match("dev/+")) == 10_000

    for i in range(20_000):
        assert trie.remove(f"dev/{i}/again" if i % 2 == 0 else f"dev/{i}") is True
    assert trie.count == 0
    assert trie._index.is_empty
