"""Router: counts, the match cache against no cache, and what a change makes it forget."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rmq.routing.match_cache import MatchCache
from rmq.routing.router import Router
from rmq.routing.targets import Targets
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from tests.unit.routing.naive import filters, matches, message, session, subscription, topics


class RouterMachine(RuleBasedStateMachine):
    """A router with a tiny cache and one with a large one, a dict as the model."""

    def __init__(self) -> None:
        super().__init__()
        self.routers = [Router(cache_size=0), Router(cache_size=6), Router(cache_size=8192)]
        self.sessions: dict[str, Session] = {}
        self.model: dict[tuple[str, str], Subscription] = {}

    @rule(client=st.sampled_from("wxyz"), group=st.sampled_from(["", "", "g"]), topic_filter=filters)
    def subscribe(self, client: str, group: str, topic_filter: str) -> None:
        owner = self.sessions.setdefault(client, session(client))
        key = f"$share/{group}/{topic_filter}" if group else topic_filter
        new = subscription(owner, key, subscription_id=len(self.model) + 1)
        for router in self.routers:
            assert router.add(new) is self.model.get((client, key))
        self.model[(client, key)] = new

    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        if self.model:
            gone = self.model.pop(data.draw(st.sampled_from(sorted(self.model))))
            for router in self.routers:
                assert router.remove(gone) is True
                assert router.remove(gone) is False

    @rule(names=st.lists(topics, min_size=1, max_size=6))
    def publish(self, names: list[str]) -> None:
        for topic in names * 3:
            expected = [s for s in self.model.values() if matches(s.topic_filter, topic)]
            plain = sorted({s.session.client_id for s in expected if not s.share_group})
            ids = sorted(s.subscription_id for s in expected if not s.share_group)
            groups = sorted({s.topic_filter for s in expected if s.share_group})
            for router in self.routers:
                targets = router.match(topic)
                assert sorted(target.session.client_id for target in targets.plain) == plain
                assert sorted(i for target in targets.plain for i in target.subscription_ids or []) == ids
                assert sorted(group.topic_filter for group in targets.groups) == groups
                assert sorted(router.matching_filters(topic)) == sorted({s.topic_filter for s in expected})

    @invariant()
    def counts(self) -> None:
        for router in self.routers:
            assert router.subscription_count == len(self.model)
            assert router.shared_count == sum(1 for s in self.model.values() if s.share_group)
            assert router.topics == len({s.topic_filter for s in self.model.values()}) == len(router.filters())
        assert self.routers[0].cached_topics == 0
        assert self.routers[1].cached_topics <= 6


RouterMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRouterMachine = RouterMachine.TestCase


def warm(router: Router, *names: str) -> list[Targets]:
    """Matches names until the cache has them."""
    for name in names:
        router.match(name)
    kept = [router.match(name) for name in names]
    assert [router.match(name) for name in names] == kept
    return kept


def test_a_stale_subscription_doesn_t_take_its_successor_out() -> None:
    router = Router()
    old = subscription(session("c"), "a/+")
    new = subscription(session("c"), "a/+")
    router.add(old)
    assert router.add(new) is old
    assert router.remove(old) is False
    assert [target.session for target in router.match("a/b").plain] == [new.session]
    assert router.remove(new) is True
    assert router.subscription_count == 0


def test_other_options_of_the_same_session_count_as_the_same_subscription() -> None:
    router = Router()
    owner = session("c")
    old = subscription(owner, "a/+", qos=1)
    router.add(old)
    warm(router, "a/b")
    router.add(subscription(owner, "a/+", qos=2))
    assert [target.qos for target in router.match("a/b").plain] == [2]
    assert router.subscription_count == 1
    assert router.remove(old) is True


def test_a_change_drops_only_the_topics_its_filter_matches() -> None:
    router = Router()
    names = ["dev/1/x", "dev/2/x", "dev/2/y", "other"]
    before = warm(router, *names)

    router.add(subscription(session("a"), "dev/2/x"))
    after = [router.match(name) for name in names]
    assert [a is b for a, b in zip(before, after, strict=True)] == [True, False, True, True]

    before = warm(router, *names)
    wildcard = subscription(session("a"), "dev/2/#")
    router.add(wildcard)
    after = [router.match(name) for name in names]
    assert [a is b for a, b in zip(before, after, strict=True)] == [True, False, False, True]

    before = warm(router, *names)
    router.remove(wildcard)
    after = [router.match(name) for name in names]
    assert [a is b for a, b in zip(before, after, strict=True)] == [True, False, False, True]

    router.add(subscription(session("a"), "none/of/+"))
    assert [router.match(name) for name in names] == after


def test_a_filter_too_broad_to_look_for_empties_the_cache() -> None:
    router = Router()
    names = [f"{i}/x" for i in range(400)]
    warm(router, *names)
    assert router.cached_topics == 400
    router.add(subscription(session("a"), "+/y"))
    assert router.cached_topics == 0
    assert warm(router, "1/x")[0].plain == []


def test_what_is_used_stays_and_names_seen_once_never_push_it_out() -> None:
    router = Router(cache_size=100)
    hot = [f"hot/{i}" for i in range(20)]
    before = warm(router, *hot)
    for i in range(5000):
        router.match(f"once/{i}")
        router.match(f"twice/{i // 2}")
        if i % 10 == 0:
            assert [router.match(name) for name in hot] == before
        assert router.cached_topics <= 100


def test_very_long_names_aren_t_cached() -> None:
    router = Router()
    name = "a/" * 5000
    router.match(name)
    router.match(name)
    assert router.cached_topics == 0


def test_dropped_names_count_against_the_bound_of_the_index_too() -> None:
    cache = MatchCache(8)
    nothing = Targets([], 0, [])
    for i in range(1000):
        for _ in range(2):
            cache.offer(f"t/{i}", nothing)
        cache.filter_changed(f"t/{i}")
    assert len(cache) == 0
    names = cache._young_index.search("#").step(100) + cache._old_index.search("#").step(100)
    assert len(names) <= 8


def test_the_strategy_can_be_changed() -> None:
    router = Router(strategy="hash_topic")
    for client in "ab":
        router.add(subscription(session(client, persistent=True), "$share/g/t"))
    (group,) = router.match("t").groups

    def clients() -> set[str]:
        members = [group.choose(message("t")) for _ in range(4)]
        return {member.session.client_id for member in members if member is not None}

    assert len(clients()) == 1
    router.set_strategy("round_robin")
    assert clients() == {"a", "b"}
