"""The index of rules leaves out none that decides: asked in any way, it is as going through all of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from rmq_plugins.acl.config import AclConfig, RuleConfig
from rmq_plugins.acl.index import DEPTH, RuleIndex
from rmq_plugins.acl.rules import Rule, RuleBook

from rmq.plugin_api import ClientInfo
from tests.plugins.acl.clients import client

LEVELS = st.sampled_from(["a", "b", "", "+", "$SYS", "%c", "x%u"])
NAMES = st.sampled_from(["a", "b", "", "$SYS", "me", "xann"])


@st.composite
def filters(draw: st.DrawFn) -> str:
    levels = draw(st.lists(LEVELS, min_size=1, max_size=4))
    text = "/".join([*levels, *(["#"] if draw(st.booleans()) else [])])
    return text or "a"


WHO = st.sampled_from(["all", {"user": "ann"}, {"user": "bob"}, {"clientid": "me"}, {"clientid": "me", "user": "ann"}])
TOPICS = st.lists(st.one_of(filters(), filters().map(lambda text: {"eq": text})), max_size=3)


@st.composite
def rules(draw: st.DrawFn) -> list[object]:
    access = draw(st.sampled_from(["allow", "deny"]))
    action = draw(st.sampled_from(["publish", "subscribe", "pubsub", "all"]))
    topics = draw(TOPICS)
    return [access, draw(WHO), action, *([topics] if topics else [])]


@settings(max_examples=300)
@given(
    st.lists(rules(), max_size=8),
    st.lists(NAMES, min_size=1, max_size=5).map("/".join),
    filters(),
    st.sampled_from([("me", "ann"), ("you", "bob"), ("me", None)]),
)
def test_it_leaves_out_no_rule_that_decides(
    written: list[list[object]], topic: str, topic_filter: str, who: tuple[str, str | None]
) -> None:
    configs = AclConfig.model_validate({"rules": written}).rules
    info = client(*who)
    book = RuleBook(configs)
    each = [RuleBook((config,)) for config in configs]
    publishes = [place for place, one in enumerate(each) if one.publish_rule(info, topic, 0) is not None]
    subscribes = [place for place, one in enumerate(each) if one.subscribe_rule(info, topic_filter, 0) is not None]
    fits_alone = [_fits(config, info, topic, topic_filter) for config in configs]
    assert publishes == [place for place, fits in enumerate(fits_alone) if fits[0]]
    assert subscribes == [place for place, fits in enumerate(fits_alone) if fits[1]]
    assert book.publish_rule(info, topic, 0) == next(iter(publishes), None)
    assert book.subscribe_rule(info, topic_filter, 0) == next(iter(subscribes), None)


def _fits(config: RuleConfig, info: ClientInfo, topic: str, topic_filter: str) -> tuple[bool, bool]:
    """Whether a rule fits, found without any index."""
    rule = Rule(config, 0, 0)
    if not rule.fits_client(info, 0, 0):
        return False, False
    allow = rule.allow
    patterns = rule.patterns
    return (
        rule.publishes and (not patterns or any(p.matches(info, topic) for p in patterns)),
        rule.subscribes and (not patterns or any(p.fits(info, topic_filter, allow=allow) for p in patterns)),
    )


def test_of_many_rules_it_names_few() -> None:
    index = RuleIndex()
    for place in range(1000):
        index.add(place, f"user{place}", None, [f"plant/{place}/#", "#"])
    for place in range(1000, 2000):
        index.add(place, None, None, [f"area/{place}/%c/#"])
    index.add(2000, None, None, [])
    info = client("me", "user7")
    assert index.places(info, "area/1500/me/x") == [7, 1500, 2000]
    assert index.places(info, "plant/7") == [7, 2000]
    assert index.places(info, "area/+/me") == [7, *range(1000, 2001)]


def test_filters_deeper_than_it_looks_are_named() -> None:
    index = RuleIndex()
    deep = "/".join("a" * (DEPTH + 3))
    index.add(0, None, None, [deep])
    index.add(1, None, None, [deep + "/#"])
    assert index.places(client(), deep) == [0, 1]
    assert index.places(client(), "/".join("a" * DEPTH)) == [0, 1], "it names too many rather than too few"
    assert index.places(client(), "/".join("a" * (DEPTH - 1))) == []
