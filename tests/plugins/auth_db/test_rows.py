"""What rows mean, as the drivers of all databases give them."""

import pytest
from rmq_plugins.auth_db.rows import Row, read_user, rule_items, rule_of_field

from rmq.plugin_api import ALLOW, DENY, UNDECIDED, judge_publish, judge_subscribe, read_rules
from tests.plugins.acl.clients import client

RULE: Row = {"permission": "allow", "action": "publish", "topic": "t"}


@pytest.mark.parametrize("value", [1, True, "1", "true", "T", b"1", b"\1", "yes"])
def test_a_superuser(value: object) -> None:
    user = read_user({"password_hash": b"h", "is_superuser": value}, "u")
    assert user is not None and user.superuser and user.password_hash == "h" and user.salt == ""


@pytest.mark.parametrize("value", [0, False, "0", "false", None, "", b"\0", b"0"])
def test_no_superuser(value: object) -> None:
    user = read_user({"password_hash": "h", "salt": "s", "is_superuser": value}, "u")
    assert user is not None and not user.superuser and user.salt == "s"


def test_a_row_of_another_name_is_not_the_user() -> None:
    row = {"username": "alice", "password_hash": "h"}
    assert read_user(row, "alice") is not None and read_user(row, None) is not None
    assert read_user(row, "ALICE") is None and read_user(row, "alice ") is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"hash": "h"}, "password_hash"),
        ({"password_hash": 5}, "password_hash must be text"),
        ({"password_hash": "h", "is_superuser": "perhaps"}, "is_superuser must be 0 or 1"),
        ({"password_hash": "h", "is_superuser": 2}, "is_superuser must be 0 or 1"),
        ({"password_hash": b"\xff"}, "no UTF-8"),
    ],
)
def test_what_is_no_user(row: Row, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_user(row, "u")


@pytest.mark.parametrize(
    ("given", "levels"),
    [(None, (0, 1, 2)), (1, (1,)), ("0,2", (0, 2)), ("", (0, 1, 2)), ([1, 2], (1, 2)), (b"2", (2,)), ("0, 1", (0, 1))],
)
def test_levels_of_a_rule(given: object, levels: tuple[int, ...]) -> None:
    rules = read_rules(rule_items([{**RULE, "qos": given}]), client())
    verdicts = [judge_publish(rules, "t", qos, False) for qos in (0, 1, 2)]
    assert verdicts == [ALLOW if qos in levels else UNDECIDED for qos in (0, 1, 2)]


@pytest.mark.parametrize(
    ("given", "says"), [(None, (ALLOW, ALLOW)), (1, (UNDECIDED, ALLOW)), (False, (ALLOW, UNDECIDED)), ("all", (1, 1))]
)
def test_retain_of_a_rule(given: object, says: tuple[int, int]) -> None:
    rules = read_rules(rule_items([{**RULE, "retain": given}]), client())
    assert tuple(judge_publish(rules, "t", 0, retain) for retain in (False, True)) == says


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"permission": "maybe"}, "permission must be"),
        ({"action": "read"}, "action must be"),
        ({"qos": 3}, "qos must be"),
        ({"qos": "1;2"}, "qos must be"),
        ({"topic": "a/#/b"}, "isn't a topic filter"),
        ({"topic": None}, "isn't a topic filter"),
        ({"retain": "sometimes"}, "retain must be 0 or 1"),
    ],
)
def test_what_is_no_rule(changed: Row, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_rules(rule_items([{**RULE, **changed}]), client())


def test_a_query_without_what_a_rule_needs() -> None:
    with pytest.raises(ValueError, match="no column topic"):
        rule_items([{"permission": "allow", "action": "all"}])


def test_fields_of_redis_as_emqx_has_them() -> None:
    fields = {
        "t/1": "subscribe",
        "t/2": '{ "action": "subscribe", "qos": [1, 2] }',
        "t/3": '{ "action": "publish", "retain": false }',
        "t/4": '{"permission": "deny"}',
    }
    rules = read_rules(rule_items([rule_of_field(topic, value) for topic, value in fields.items()]), client())
    assert [judge_subscribe(rules, "t/2", qos) for qos in (0, 1)] == [UNDECIDED, ALLOW]
    assert [judge_publish(rules, "t/3", 0, retain) for retain in (False, True)] == [ALLOW, UNDECIDED]
    assert judge_subscribe(rules, "t/1", 0) == ALLOW and judge_publish(rules, "t/4", 0, False) == DENY
    with pytest.raises(ValueError, match="no JSON"):
        rule_of_field("t", "{nonsense")
