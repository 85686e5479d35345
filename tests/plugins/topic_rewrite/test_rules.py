"""What topics become: which rule counts, what is captured, and that no client makes a rule mean more than it says."""

import time

import pytest
from rmq_plugins.topic_rewrite.config import RuleConfig
from rmq_plugins.topic_rewrite.rules import REMEMBERED, Rewriter

from rmq.plugin_api import ClientInfo


def client(client_id: str = "dev", username: str | None = "ann") -> ClientInfo:
    return ClientInfo(1, client_id, username, 5, "192.0.2.7", 50_000, "tcp.external", 1883)


def rewriter(*rules: tuple[str, ...]) -> Rewriter:
    """Rules of a filter, what it becomes, and perhaps an expression."""
    keys = ("source_topic_filter", "dest_topic", "regex")
    written = [dict(zip(keys, rule, strict=False)) for rule in rules]
    return Rewriter([RuleConfig.model_validate({"action": "subscribe", **rule}) for rule in written])


# The examples of EMQX's documents about topic rewriting.
EMQX = rewriter(
    ("y/+/z/#", "y/z/$2", "^y/(.+)/z/(.+)$"),
    ("x/#", "z/y/x/$1", "^x/y/(.+)$"),
    ("x/y/+", "z/y/$1", r"^x/y/(\d+)$"),
)


@pytest.mark.parametrize(
    ("topic", "becomes"),
    [
        ("y/a/z/b", "y/z/b"),
        ("y/def", "y/def"),
        ("x/1/2", "x/1/2"),
        ("x/y/2", "z/y/2"),
        ("x/y/z", "z/y/x/z"),
        ("other", "other"),
        ("$SYS/y", "$SYS/y"),
    ],
)
def test_the_last_rule_that_fits_counts(topic: str, becomes: str) -> None:
    for _ in range(2):  # the second time from memory
        assert EMQX.rewritten(client(), topic) == becomes


def test_a_topic_is_rewritten_once() -> None:
    assert rewriter(("b", "c"), ("a", "b")).rewritten(client(), "a") == "b"


@pytest.mark.parametrize(
    ("asked", "becomes"),
    [
        ("a/#", "new"),
        ("a/+/x", "new"),
        ("a", "new"),
        ("#", "#"),
        ("+/x", "+/x"),
        ("$share/g/a/x", "$share/g/new"),
        ("$exclusive/a/x", "$exclusive/new"),
        ("$limit/3/a/x", "$limit/3/new"),
        ("$delayed/5/a/x", "$delayed/5/new"),
        ("$share/g", "$share/g"),
        ("$share/a/x", "$share/a/x"),
    ],
)
def test_filters_that_are_covered_and_what_stands_before_them(asked: str, becomes: str) -> None:
    assert rewriter(("a/#", "new")).rewritten(client(), asked) == becomes


def test_captures_may_hold_wildcards_of_a_filter() -> None:
    assert rewriter(("a/#", "b/$1", "^a/(.*)$")).rewritten(client(), "a/+/#") == "b/+/#"


def test_a_group_that_took_no_part_is_empty() -> None:
    assert rewriter(("#", "$1-$2", "^(a)|(b)$")).rewritten(client(), "b") == "-b"


def test_placeholders_are_the_clients() -> None:
    rules = rewriter(("old/#", "c/${clientid}/u/${username}/$1", "^old/(.*)$"))
    assert rules.rewritten(client("one", "ann"), "old/x") == "c/one/u/ann/x"
    assert rules.rewritten(client("two", "bob"), "old/x") == "c/two/u/bob/x"


@pytest.mark.parametrize("value", ["", "+", "#", "a/b", "x\0"])
def test_a_name_that_would_mean_more_fits_no_rule(value: str) -> None:
    rules = rewriter(("old", "fallback"), ("old", "u/${username}"))
    assert rules.rewritten(client(username=value), "old") == "fallback"
    assert rewriter(("old", "c/${clientid}")).rewritten(client(value), "old") == "old"


def test_a_name_is_no_placeholder_and_no_prefix() -> None:
    assert rewriter(("old", "u/${username}/$1", "(o)")).rewritten(client(username="$1${clientid}"), "old") == (
        "u/$1${clientid}/o"
    )
    assert rewriter(("old", "${username}/x")).rewritten(client(username="$SYS"), "old") == "old"
    assert rewriter(("old", "${username}")).rewritten(client(username=None), "old") == "old"


def test_no_topic_makes_an_expression_slow() -> None:
    """Each of these takes a backtracking matcher longer than the age of the universe."""
    rules = rewriter(("#", "x", "^(a+)+$"), ("#", "y", "(a|aa)+b$"), ("#", "z", "^(.*)*c$"))
    topic = "a" * 60_000 + "!"
    started = time.perf_counter()
    assert rules.rewritten(client(), topic) == topic
    assert time.perf_counter() - started < 5


def test_what_is_remembered_is_bounded() -> None:
    rules = rewriter(("a/#", "b"))
    for number in range(3 * REMEMBERED):
        rules.rewritten(client(), f"a/{number}")
    assert len(rules._known) <= REMEMBERED
