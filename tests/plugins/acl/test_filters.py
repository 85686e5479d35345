"""Covering, overlapping and placeholders, against what the filters match."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rmq_plugins.acl.filters import has_placeholder, substituted

from rmq.plugin_api import filter_covers, filters_overlap, is_valid_topic_filter, topic_matches, unshared
from tests.plugins.acl.clients import client

# "y" is a level that no filter below names: what matches it matches any level whatever. Topics go one level deeper
# than filters, so that every set of topics a filter stands for shows in these.
TOPICS = [
    "/".join(levels) for depth in range(1, 5) for levels in itertools.product(["a", "b", "$S", "y"], repeat=depth)
]


def matched(topic_filter: str) -> set[str]:
    return {topic for topic in TOPICS if topic_matches(topic_filter, topic)}


FILTERS = st.lists(st.sampled_from(["a", "b", "$S", "+", "#"]), min_size=1, max_size=3).map("/".join)
VALID = FILTERS.filter(is_valid_topic_filter)


@given(VALID, VALID)
@example("+/#", "#")
@example("a/+/#", "a/#")
@example("#", "$S/a")
@example("a", "a/#")
@example("a/#", "a")
def test_covering_is_matching_every_topic_of_the_other(rule: str, asked: str) -> None:
    assert filter_covers(rule, asked) == (matched(asked) <= matched(rule))


@given(VALID, VALID)
@example("a/#", "a")
@example("a", "a/#")
@example("+/#", "$S/#")
@example("$S/#", "#")
@example("a/b", "a/b/#")
def test_overlapping_is_matching_a_topic_of_the_other(rule: str, asked: str) -> None:
    assert filters_overlap(rule, asked) == bool(matched(asked) & matched(rule))


@pytest.mark.parametrize(
    ("asked", "inner"),
    [
        ("$share/g/a/#", "a/#"),
        ("$share/g/$SYS/#", "$SYS/#"),
        ("$share/g//", "/"),
        ("a/$share/g", "a/$share/g"),
        ("$share/g", "$share/g"),
        ("$share//a", "$share//a"),
        ("$shared/g/a", "$shared/g/a"),
    ],
)
def test_a_shared_subscription_is_judged_by_the_filter_inside(asked: str, inner: str) -> None:
    assert unshared(asked) == inner


@pytest.mark.parametrize("text", ["%c", "a/%u/#", "dev-%c/x"])
def test_placeholders_are_seen_wherever_they_stand(text: str) -> None:
    assert has_placeholder(text)
    assert not has_placeholder(text.replace("%", "%%").replace("%%", "%x"))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("%c", "me"),
        ("a/%c/#", "a/me/#"),
        ("%u/%c/%u", "you/me/you"),
        ("dev-%c/+", "dev-me/+"),
        ("%d/%", "%d/%"),
    ],
)
def test_placeholders_become_the_clients_own_values(text: str, result: str) -> None:
    assert substituted(text, client("me", username="you")) == result


@pytest.mark.parametrize("value", ["+", "#", "a/b", "/", "a+", "x#", ""])
def test_a_value_that_would_stand_for_more_fits_nothing(value: str) -> None:
    assert substituted("a/%u/x", client("me", username=value)) is None
    assert substituted("a/%c/x", client("me", username=value)) == "a/me/x"


def test_a_client_without_user_name_is_nobodys_namesake() -> None:
    assert substituted("a/%u", client("me", username=None)) is None


def test_no_value_can_begin_a_filter_of_the_broker() -> None:
    assert substituted("%c/#", client("$SYS")) is None
    assert substituted("%c%u/#", client("$", username="SYS")) is None
    assert substituted("a/%c/#", client("$SYS")) == "a/$SYS/#"


def test_values_are_not_searched_for_placeholders() -> None:
    assert substituted("a/%u/%c", client("%u", username="%c")) == "a/%c/%u"
