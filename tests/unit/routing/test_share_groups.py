"""Share groups: who takes a message under each strategy, and what happens when members come, go and disconnect."""

from collections import Counter

import pytest

from rmq.routing.router import Router
from rmq.routing.share_groups import STRATEGY_NAMES, ShareGroup, ShareStrategy, strategy_code
from rmq.session.session import Session
from tests.unit.routing.naive import live, message, session, subscription

HASHES = ["hash_clientid", "hash_topic"]


def group_of(
    strategy: str | ShareStrategy, owners: list[Session], name: str = "g", topic_filter: str = "t"
) -> ShareGroup:
    if isinstance(strategy, str):
        strategy = ShareStrategy(strategy_code(strategy), seed=7)
    group = ShareGroup(name, topic_filter, strategy)
    for owner in owners:
        assert group.add(subscription(owner, f"$share/{name}/{topic_filter}")) is None
    return group


def chosen(group: ShareGroup, topic: str = "t", publisher: str = "p") -> str | None:
    member = group.choose(message(topic, publisher))
    return None if member is None else member.session.client_id


def test_an_unknown_strategy_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'fair'.*round_robin_per_group"):
        strategy_code("fair")


@pytest.mark.parametrize("strategy", STRATEGY_NAMES)
class TestEveryStrategy:
    def test_only_live_members_while_there_is_one(self, strategy: str) -> None:
        owners = [session(f"c{i}", persistent=True) for i in range(20)]
        group = group_of(strategy, owners)
        owners[13].channel = live("x").channel
        assert {chosen(group, f"t/{i}", f"p{i}") for i in range(50)} == {"c13"}

    def test_persistent_members_when_none_is_live(self, strategy: str) -> None:
        group = group_of(strategy, [session("transient"), session("kept", persistent=True), session("gone")])
        assert {chosen(group, f"t/{i}", f"p{i}") for i in range(20)} == {"kept"}
        assert group.choose(message("t"), True) is None

    def test_nobody_can_take_it(self, strategy: str) -> None:
        assert chosen(group_of(strategy, [])) is None
        assert chosen(group_of(strategy, [session("a")])) is None
        assert chosen(group_of(strategy, [session("a"), session("b")])) is None

    def test_a_single_member(self, strategy: str) -> None:
        owner = session("only", persistent=True)
        group = group_of(strategy, [owner])
        assert chosen(group) == "only"
        assert group.choose(message("t"), True) is None
        assert group.choose(message("t"), False, owner) is None
        owner.channel = live("x").channel
        assert chosen(group) == "only"

    def test_the_excluded_is_never_chosen(self, strategy: str) -> None:
        owners = [live(f"c{i}", persistent=True) for i in range(3)]
        group = group_of(strategy, owners)
        for i in range(60):
            member = group.choose(message(f"t/{i}", f"p{i}"), False, owners[i % 3])
            assert member is not None
            assert member.session is not owners[i % 3]

    def test_a_removed_member_is_never_chosen(self, strategy: str) -> None:
        group = group_of(strategy, [live(f"c{i}") for i in range(30)])
        for i in range(29):
            gone = group.remove(f"c{i}")
            assert gone is not None
            left = {chosen(group, f"t/{n}", f"p{n}") for n in range(40)}
            assert left <= {f"c{n}" for n in range(i + 1, 30)}
        assert chosen(group) == "c29"

    def test_the_load_is_spread(self, strategy: str) -> None:
        group = group_of(strategy, [live(f"client-{i}") for i in range(5)])
        counts = Counter(chosen(group, f"t/{i}", f"publisher-{i}") for i in range(2000))
        assert len(counts) == 5
        assert min(counts.values()) > 250


def test_members_are_found_in_groups_small_and_large() -> None:
    group = group_of("round_robin", [live(f"c{i}") for i in range(40)])
    for i in range(40):
        member = group.member(f"c{i}")
        assert member is not None
        newer = subscription(member.session, "$share/g/t", qos=1)
        assert group.add(newer) is member
        assert group.member(f"c{i}") is newer
    for i in range(0, 40, 2):
        assert group.remove(f"c{i}") is not None
        assert group.remove(f"c{i}") is None
    assert sorted(member.session.client_id for member in group.members) == sorted(f"c{i}" for i in range(1, 40, 2))
    for i in range(1, 40, 2):
        assert group.remove(f"c{i}") is not None
    assert group.members == []


def test_round_robin_is_exactly_even_whatever_other_groups_do() -> None:
    strategy = ShareStrategy(strategy_code("round_robin"))
    first = group_of(strategy, [live("a"), live("b")], "g", "x/#")
    second = group_of(strategy, [live("c"), live("d")], "h", "x/+")
    turns = [(chosen(first), chosen(second)) for _ in range(4)]
    assert [turn[0] for turn in turns] == ["a", "b", "a", "b"]
    assert [turn[1] for turn in turns] == ["c", "d", "c", "d"]


def test_round_robin_skips_the_offline_without_favouring_their_neighbour() -> None:
    owners = [live("a"), session("b", persistent=True), live("c"), live("d")]
    group = group_of("round_robin", owners)
    assert Counter(chosen(group) for _ in range(300)) == {"a": 100, "c": 100, "d": 100}


def test_round_robin_per_group_takes_turns_over_all_filters_of_a_name() -> None:
    strategy = ShareStrategy(strategy_code("round_robin_per_group"))
    owners = [live("a"), live("b")]
    first = group_of(strategy, owners, "workers", "x")
    second = group_of(strategy, owners, "workers", "y")
    other = group_of(strategy, owners, "others", "x")
    assert [chosen(first), chosen(second), chosen(first), chosen(second)] == ["a", "b", "a", "b"]
    assert chosen(other) == "a"
    # The turn of a name ends with its last group and is a new one after that.
    assert chosen(first) == "a"
    first.dissolve()
    second.dissolve()
    assert chosen(group_of(strategy, owners, "workers", "z")) == "a"


def test_sticky_keeps_a_publisher_s_member_until_it_goes() -> None:
    owners = [live(f"c{i}") for i in range(4)]
    group = group_of("sticky", owners)
    bound = {f"p{i}": chosen(group, publisher=f"p{i}") for i in range(8)}
    assert Counter(bound.values()) == {f"c{i}": 2 for i in range(4)}
    assert {p: chosen(group, publisher=p) for p in bound} == bound
    owners[0].channel = None
    moved = {p: chosen(group, publisher=p) for p in bound}
    assert "c0" not in moved.values()
    assert {p: c for p, c in moved.items() if bound[p] != "c0"} == {p: c for p, c in bound.items() if c != "c0"}
    owners[0].channel = owners[1].channel
    assert {p: chosen(group, publisher=p) for p in bound} == moved


def test_sticky_memory_is_bounded_and_keeps_what_is_used() -> None:
    strategy = ShareStrategy(strategy_code("sticky"), sticky_limit=100)
    group = group_of(strategy, [live(f"c{i}") for i in range(3)])
    regular = chosen(group, publisher="regular")
    for i in range(1000):
        chosen(group, publisher=f"once-{i}")
        assert strategy.binding_count <= 100
        assert chosen(group, publisher="regular") == regular


def test_a_new_group_doesn_t_inherit_sticky_bindings() -> None:
    strategy = ShareStrategy(strategy_code("sticky"))
    old = group_of(strategy, [live("a"), live("b")])
    assert [chosen(old, publisher="p1"), chosen(old, publisher="p2")] == ["a", "b"]
    new = group_of(strategy, [live("b"), live("a")])
    assert chosen(new, publisher="p1") == "b"


@pytest.mark.parametrize("strategy", HASHES)
def test_a_key_has_its_member_whatever_the_order_of_joining(strategy: str) -> None:
    owners = [live(f"client-{i}") for i in range(9)]
    one = group_of(strategy, owners)
    other = group_of(strategy, list(reversed(owners)))
    for i in range(100):
        key = f"key-{i}"
        assert chosen(one, topic=key, publisher=key) == chosen(other, topic=key, publisher=key)


@pytest.mark.parametrize("strategy", HASHES)
def test_only_the_keys_of_a_lost_member_move(strategy: str) -> None:
    owners = [live(f"client-{i}") for i in range(9)]
    group = group_of(strategy, owners)
    keys = [f"key-{i}" for i in range(200)]
    before = {key: chosen(group, key, key) for key in keys}
    owners[4].channel = None
    after = {key: chosen(group, key, key) for key in keys}
    assert {key for key in keys if before[key] != after[key]} == {k for k in keys if before[k] == "client-4"}
    assert "client-4" in before.values()
    group.remove("client-4")
    assert {key: chosen(group, key, key) for key in keys} == after


def test_what_hashes_are_taken_of() -> None:
    owners = [live(f"client-{i}") for i in range(9)]
    by_publisher = group_of("hash_clientid", owners)
    assert len({chosen(by_publisher, f"t/{i}", "p") for i in range(50)}) == 1
    by_topic = group_of("hash_topic", owners)
    assert len({chosen(by_topic, "t", f"p{i}") for i in range(50)}) == 1


def test_random_is_repeatable_by_seed_and_differs_between_seeds() -> None:
    runs = []
    for seed in (1, 1, 2):
        group = group_of(ShareStrategy(strategy_code("random"), seed), [live(f"c{i}") for i in range(7)])
        runs.append([chosen(group) for _ in range(30)])
    assert runs[0] == runs[1] != runs[2]


def test_random_finds_the_few_live_ones_evenly() -> None:
    owners = [session(f"c{i}", persistent=True) for i in range(300)]
    owners[100].channel = owners[200].channel = live("x").channel
    group = group_of("random", owners)
    counts = Counter(chosen(group) for _ in range(400))
    assert set(counts) == {"c100", "c200"}
    assert min(counts.values()) > 130


def test_local_takes_a_member_of_this_node_while_there_is_one() -> None:
    far = [session(f"far-{i}", persistent=i % 2 == 0) for i in range(40)]
    for owner in far:
        owner.remote = True
    here = [live("here-0"), live("here-1")]
    group = group_of("local", [*far, *here])
    counts = Counter(chosen(group) for _ in range(300))
    assert set(counts) == {"here-0", "here-1"} and min(counts.values()) > 90
    member = group.choose(message("t"), False, here[0])
    assert member is not None and member.session is here[1]
    here[0].channel = here[1].channel = None
    assert {chosen(group) for _ in range(600)} == {owner.client_id for owner in far}
    for owner in far:
        owner.disconnected_at = 1.0
    assert {chosen(group) for _ in range(600)} == {owner.client_id for owner in far if owner.persistent}


def test_another_strategy_forgets_what_sticky_knew_and_has_its_own_bound() -> None:
    strategy = ShareStrategy(strategy_code("sticky"))
    group = group_of(strategy, [live(f"c{i}") for i in range(3)])
    for i in range(100):
        chosen(group, publisher=f"p{i}")
    assert strategy.binding_count == 100
    strategy.change(strategy_code("sticky"), 10)
    for i in range(100):
        chosen(group, publisher=f"p{i}")
        assert strategy.binding_count <= 10
    strategy.change(strategy_code("random"), 10)
    assert strategy.binding_count == 0


def test_a_router_that_takes_the_place_of_another_goes_by_its_strategy() -> None:
    router = Router()
    beside = router.make_successor()
    router.set_strategy("hash_topic", 10)
    for client in "abc":
        beside.add(subscription(live(client), "$share/g/t"))
    router.exchange(beside)
    (group,) = router.match("t").groups
    assert len({chosen(group) for _ in range(9)}) == 1
