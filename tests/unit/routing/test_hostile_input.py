"""Topics and filters as long, deep and numerous as the protocol allows: no recursion, nothing quadratic.

Work is counted, not timed: what would be quadratic here would take minutes.
"""

import itertools

from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from tests.unit.routing.naive import message, session, subscription

LONGEST = 65535
SLASHES = "/" * LONGEST
PLUSES = "+/" * 32767


def test_the_deepest_topics_and_filters() -> None:
    router = Router()
    owner = session("c")
    keys = [PLUSES + "a", PLUSES + "b", "/" * 65000 + "#", "/" * 65001 + "#", "+/" * 32766 + "#"]
    subscriptions = [subscription(owner, key) for key in keys]
    for one in subscriptions:
        router.add(one)
    assert sorted(router.matching_filters(SLASHES)) == sorted(keys[2:])
    assert router.matching_filters("x/" * 32767 + "b") == [keys[4], keys[1]]
    assert router.matching_filters("x/" * 32766) == [keys[4]]
    assert router.matching_filters("x/y") == []
    for one in subscriptions[:3]:
        assert router.remove(one) is True
    assert router.matching_filters(SLASHES) == [keys[4], keys[3]]
    for one in subscriptions[3:]:
        assert router.remove(one) is True
    assert router.topics == 0
    assert router._trie._root.children is None
    assert router._trie._root.plus is None


def test_a_very_deep_trie_can_be_dropped_whole() -> None:
    router = Router()
    router.add(subscription(session("c"), PLUSES + "a"))
    router.add(subscription(session("c"), PLUSES + "b"))
    del router
    trie = RetainedTrie()
    trie.set(message(SLASHES))
    trie.set(message(SLASHES[1:]))
    del trie


def test_the_deepest_retained_topics() -> None:
    trie = RetainedTrie()
    for name in (SLASHES, SLASHES[1:], "a" + SLASHES[1:]):
        assert trie.set(message(name)) is True
    assert len(trie.match("#")) == 3
    assert len(trie.match("+/" * 30000 + "#")) == 3
    assert [found.topic for found in trie.match("+/" * 32767 + "#", 2)] != []
    assert [found.topic for found in trie.match("a/" + "+/" * 30000 + "#")] == ["a" + SLASHES[1:]]
    assert trie.match("+/" * 30000) == []
    for name in (SLASHES, SLASHES[1:], "a" + SLASHES[1:]):
        assert trie.remove(name) is True
    assert trie._index.is_empty


def test_filters_that_creep_along_a_long_one() -> None:
    router = Router(cache_size=0)
    owner = session("c")
    router.add(subscription(owner, PLUSES + "end"))
    for depth in range(1, 1000):
        router.add(subscription(owner, "+/" * depth + "a"))
    assert router.matching_filters("x/" * 500 + "a") == ["+/" * 500 + "a"]
    assert router.topics == 1000


def test_every_mixture_of_a_level_and_plus_is_visited_once() -> None:
    router = Router(cache_size=0)
    owner = session("c")
    for levels in itertools.product("a+", repeat=10):
        router.add(subscription(owner, "/".join(levels)))
    assert len(router.matching_filters("/".join("a" * 10))) == 1024
    assert len(router.matching_filters("/".join("b" * 10))) == 1
    assert len(router.match("/".join("a" * 10)).plain) == 1


def test_many_filters_share_a_leaf_s_whole_length() -> None:
    trie = RetainedTrie()
    stem = "s/" * 2000
    for i in range(200):
        trie.set(message(stem + str(i)))
    assert len(trie.match(stem + "+")) == 200
    assert len(trie.match("+/" * 2000 + "7")) == 1
    for i in range(200):
        trie.remove(stem + str(i))
    assert trie._index.is_empty
