"""How the subscriptions a topic matches become deliveries: merging, no local, share groups beside plain ones."""

import pytest

from rmq.routing.router import Router
from rmq.routing.targets import Target, target_of
from rmq.session.session import Session
from tests.unit.routing.naive import session, subscription


def router_of(owner: Session, *options: tuple[str, int, bool, bool, int], multiple: bool = False) -> Router:
    router = Router(multiple)
    for key, qos, no_local, retain_as_published, subscription_id in options:
        router.add(subscription(owner, key, qos, no_local, retain_as_published, subscription_id))
    return router


def facts(target: Target) -> tuple[int, bool, list[int], bool]:
    return target.qos, target.retain_as_published, sorted(target.subscription_ids or []), target.no_local


def test_one_subscription_is_taken_as_it_is() -> None:
    owner = session("c")
    targets = router_of(owner, ("a/+", 2, False, True, 9)).match("a/b")
    assert [facts(target) for target in targets.plain] == [(2, True, [9], False)]
    assert targets.plain[0].session is owner
    assert targets.groups == []
    assert targets.plain[0].share is None


def test_no_subscription_identifier_is_none() -> None:
    assert target_of(subscription(session("c"), "a")).subscription_ids is None


def test_a_session_s_overlapping_subscriptions_are_one_delivery() -> None:
    # [MQTT-3.3.4-2] the highest QoS, [MQTT-3.3.4-4] all identifiers
    router = router_of(session("c"), ("a/b", 0, False, False, 0), ("a/+", 2, False, False, 7), ("#", 1, False, True, 5))
    other = session("d")
    router.add(subscription(other, "a/#", 1))
    targets = router.match("a/b")
    by_client = {target.session.client_id: target for target in targets.plain}
    assert len(targets.plain) == 2
    assert facts(by_client["c"]) == (2, True, [5, 7], False)
    assert facts(by_client["d"]) == (1, False, [], False)


def test_one_delivery_per_subscription_when_configured() -> None:
    router = router_of(
        session("c"), ("a/b", 0, False, False, 1), ("a/+", 2, False, True, 2), ("#", 1, True, False, 3), multiple=True
    )
    found = sorted(facts(target) for target in router.match("a/b").plain)
    assert found == [(0, False, [1], False), (1, False, [3], True), (2, True, [2], False)]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_no_local_leaves_what_the_other_subscriptions_ask_for(order: tuple[int, int, int]) -> None:
    # The same three subscriptions in every order of matching.
    filters = ["a/#", "a/+", "a/b"]
    options = [(2, True, True, 1), (1, False, False, 2), (0, True, False, 3)]
    chosen = [(filters[i], *options[j]) for i, j in enumerate(order)]
    (target,) = router_of(session("c"), *chosen).match("a/b").plain
    assert facts(target) == (2, True, [1, 2, 3], True)
    assert target.without_own is not None
    assert facts(target.without_own) == (1, False, [2], False)
    assert target.without_own.without_own is None


def test_no_local_everywhere_leaves_nothing_for_the_publisher() -> None:
    (target,) = router_of(session("c"), ("a/#", 2, True, False, 1), ("a/b", 1, True, False, 2)).match("a/b").plain
    assert target.no_local
    assert target.without_own is None


def test_two_without_no_local_and_one_with() -> None:
    (target,) = (
        router_of(session("c"), ("#", 2, True, False, 1), ("a/#", 0, False, True, 2), ("a/b", 1, False, False, 3))
        .match("a/b")
        .plain
    )
    assert facts(target) == (2, True, [1, 2, 3], True)
    assert target.without_own is not None
    assert facts(target.without_own) == (1, True, [2, 3], False)


def test_kept_qos_counts_persistent_sessions_only() -> None:
    router = Router()
    assert router.match("a").kept_qos == 0
    router.add(subscription(session("t"), "a", 2))
    assert router.match("a").kept_qos == 0
    kept = subscription(session("k", persistent=True), "a", 1)
    router.add(kept)
    assert router.match("a").kept_qos == 1
    router.remove(kept)
    assert router.match("a").kept_qos == 0


def test_a_plain_and_a_shared_subscription_on_the_same_filter() -> None:
    owner = session("c", persistent=True)
    router = Router()
    router.add(subscription(owner, "a/+", 1))
    router.add(subscription(owner, "$share/g/a/+", 2))
    router.add(subscription(owner, "$share/h/a/+", 2))
    router.add(subscription(owner, "$share/g/a/b", 2))
    targets = router.match("a/b")
    assert [facts(target) for target in targets.plain] == [(1, False, [], False)]
    assert sorted((group.name, group.topic_filter) for group in targets.groups) == [
        ("g", "a/+"),
        ("g", "a/b"),
        ("h", "a/+"),
    ]
    member = targets.groups[0].members[0]
    target = target_of(member, targets.groups[0])
    assert target.share is targets.groups[0]
    assert target.qos == 2
