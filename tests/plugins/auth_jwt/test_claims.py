"""What tokens claim: times, demanded claims, placeholders, access rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from rmq_plugins.auth_jwt.claims import ClaimRefused, ClaimRules, Grant, check_template, filled

from rmq.plugin_api import ALLOW, DENY, UNDECIDED, judge_publish, judge_subscribe
from tests.plugins.acl.clients import client

NOW = 1_000_000.0
ME = client("me", "anna", "192.0.2.7")


def judged(
    claims: Mapping[str, object],
    wanted: Mapping[str, Sequence[str]] | None = None,
    *,
    exp: bool = False,
    nbf: bool = True,
    leeway: float = 0.0,
) -> Grant:
    return ClaimRules(exp, nbf, leeway, wanted or {}).judge(claims, ME, NOW)


@pytest.mark.parametrize("exp", [NOW, NOW - 1, 0, None, "soon", True, float("nan"), float("inf"), -1, []])
def test_a_token_without_time_left_gives_nothing(exp: object) -> None:
    with pytest.raises(ClaimRefused):
        judged({"exp": exp}, exp=True)


def test_a_token_is_good_until_its_exp_and_the_leeway() -> None:
    assert judged({"exp": NOW + 1}, exp=True).expires_at == NOW + 1
    assert judged({"exp": NOW - 5}, exp=True, leeway=10).expires_at == NOW + 5
    assert judged({"exp": 10**300}, exp=True).expires_at == 0.0, "such a time never comes"
    assert judged({"exp": NOW - 5}).expires_at == 0.0, "nobody looks at it"


def test_a_token_before_its_time_is_refused() -> None:
    for nbf in (NOW + 10, "later"):
        with pytest.raises(ClaimRefused):
            judged({"nbf": nbf})
    judged({"nbf": NOW + 10}, leeway=10)
    judged({"nbf": NOW})
    judged({"nbf": NOW + 10}, nbf=False)


@pytest.mark.parametrize(
    ("wanted", "claim", "holds"),
    [
        (("me",), "me", True),
        (("you",), "me", False),
        (("you", "me"), "me", True),
        (("me",), ["x", "me"], True),
        (("me",), ["x"], False),
        (("me",), None, False),
        (("5",), 5, False),
        (("%c",), "me", True),
        (("${clientid}-%u",), "me-anna", True),
        (("${ipaddr}/${protocol}",), "192.0.2.7/5", True),
        (("%c",), "%c", False),
    ],
)
def test_a_claim_must_be_one_of_the_values(wanted: tuple[str, ...], claim: object, holds: bool) -> None:
    if holds:
        judged({"x": claim}, {"x": wanted})
    else:
        with pytest.raises(ClaimRefused, match="its x is not"):
            judged({"x": claim}, {"x": wanted})


def test_placeholders_are_filled_in_once_and_literally() -> None:
    assert filled("%c", client("%u", "anna")) == "%u"
    assert filled("%u", client("a", None)) is None, "an empty name fits no empty claim"
    assert filled("100%", client("a")) == "100%"
    for wrong in ("${user}", "${", "a${clientid"):
        with pytest.raises(ValueError, match="no placeholder"):
            check_template(wrong)


@pytest.mark.parametrize("name", ["superuser", "is_superuser"])
def test_a_superuser_is_one_that_the_token_calls_so(name: str) -> None:
    assert judged({name: True}).superuser
    assert not judged({name: False}).superuser
    assert not judged({}).superuser
    with pytest.raises(ClaimRefused):
        judged({name: "true"})


def test_a_list_of_rules_decides_where_one_fits() -> None:
    rules = [
        {"permission": "deny", "action": "publish", "topic": "eq up/${clientid}/x"},
        {"permission": "allow", "action": "publish", "topic": "up/${clientid}/#", "qos": [1], "retain": False},
        {"permission": "allow", "action": "subscribe", "topic": "down/${username}/#"},
    ]
    grant = judged({"acl": rules})
    assert grant.otherwise == UNDECIDED
    assert judge_publish(grant.rules, "up/me/x", 1, False) == DENY
    assert judge_publish(grant.rules, "up/me/y", 1, False) == ALLOW
    assert judge_publish(grant.rules, "up/me/y", 0, False) == UNDECIDED
    assert judge_subscribe(grant.rules, "down/anna/+", 0) == ALLOW
    assert judge_subscribe(grant.rules, "down/#", 0) == UNDECIDED


def test_emqx_object_of_lists_denies_the_rest() -> None:
    grant = judged({"acl": {"pub": ["up/%c/#"], "sub": ["eq down/+"], "all": ["both/${username}"]}})
    assert grant.otherwise == DENY
    assert judge_publish(grant.rules, "up/me/y", 0, True) == ALLOW
    assert judge_publish(grant.rules, "both/anna", 0, True) == ALLOW
    assert judge_publish(grant.rules, "down/x", 0, True) == UNDECIDED
    assert judge_subscribe(grant.rules, "down/+", 2) == ALLOW
    assert judge_subscribe(grant.rules, "down/x", 2) == UNDECIDED
    assert judged({"acl": {}}).otherwise == DENY


@pytest.mark.parametrize(
    "acl",
    ["all", 1, [{}], [{"permission": "allow"}], {"publish": ["a"]}, {"pub": "a"}, {"pub": [1]}, {"pub": ["a/#/b"]}],
)
def test_an_acl_that_cannot_be_read_lets_nobody_in(acl: object) -> None:
    with pytest.raises(ClaimRefused, match="its acl can't be read"):
        judged({"acl": acl})
