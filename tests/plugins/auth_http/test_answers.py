"""What answers mean, and the rules they may list."""

from collections.abc import Mapping

import orjson
import pytest
from rmq_plugins.auth_http.answers import Answer, understood

from rmq.plugin_api import ALLOW, DENY, UNDECIDED, NoAnswerError, judge_publish, judge_subscribe, read_rules
from tests.plugins.acl.clients import client

ME = client("me", "you")


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return understood(status, headers or {}, raw, ME)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"allow", ALLOW),
        (201, b" Deny\n", DENY),
        (200, b"ignore", UNDECIDED),
        (401, b"allow", DENY),
        (403, b"", DENY),
        (404, b"allow", UNDECIDED),
        (200, b'{"result":"allow"}', ALLOW),
        (200, b'{"result":"deny","superuser":true}', DENY),
        (200, b'{"result":"ignore"}', UNDECIDED),
    ],
)
def test_verdicts(status: int, body: bytes, verdict: int) -> None:
    found = answer(body, status)
    assert found.verdict == verdict and not found.superuser


@pytest.mark.parametrize("status", [204, 200, 100, 302, 408, 429, 500, 503])
def test_nothing_said_is_no_answer(status: int) -> None:
    with pytest.raises(NoAnswerError):
        answer(b"", status)


@pytest.mark.parametrize(
    "body",
    [
        b"yes",
        b"{",
        b"\xff\xfe",
        b"[]",
        {},
        {"result": 1},
        {"result": "allow", "superuser": "yes"},
        {"result": "allow", "expire_at": "tomorrow"},
        {"result": "allow", "expire_at": -1},
        {"result": "allow", "acl": {}},
        {"result": "allow", "acl": [{"permission": "perhaps", "topic": "a"}]},
        {"result": "allow", "acl": [{"permission": "allow", "action": "sub", "topic": "a"}]},
        {"result": "allow", "acl": [{"permission": "allow", "topic": "a/#/b"}]},
        {"result": "allow", "acl": [{"permission": "allow", "topic": "${password}"}]},
        {"result": "allow", "acl": [{"permission": "allow", "topic": "a", "qos": [3]}]},
        {"result": "allow", "acl": [{"permission": "allow", "topic": "a", "retain": 1}]},
        {"result": "allow", "acl": [{"permission": "allow"}]},
        {"result": "allow", "acl": [{"permission": "allow", "topic": "a"}] * 1001},
    ],
)
def test_garbage_lets_nobody_in(body: object) -> None:
    with pytest.raises(NoAnswerError) as caught:
        answer(body)
    assert caught.value.kind == "garbled"


def test_superusers() -> None:
    assert answer(b"allow", headers={"x-superuser": "true"}).superuser
    assert not answer(b"allow", headers={"x-superuser": "false"}).superuser
    assert answer({"result": "allow", "superuser": True}).superuser
    assert answer({"result": "allow", "is_superuser": True}).superuser


@pytest.mark.parametrize(("given", "seconds"), [(1_800_000_000, 1.8e9), (1_800_000_000_500, 1_800_000_000.5), (0, 0.0)])
def test_the_end_of_a_login_is_in_seconds_or_milliseconds(given: int, seconds: float) -> None:
    assert answer({"result": "allow", "expire_at": given}).expires_at == seconds


@pytest.mark.parametrize(("header", "kept"), [("1500", 1500), ("-1", -1), ("-7", -1), ("0", 0), ("soon", None)])
def test_the_cache_header(header: str, kept: int | None) -> None:
    assert answer(b"allow", headers={"x-cache": header}).cache_ms == kept


def test_the_first_rule_that_fits_decides() -> None:
    rules = read_rules(
        [
            {"permission": "deny", "action": "publish", "topic": "a/secret"},
            {"permission": "allow", "action": "publish", "topic": "a/+", "qos": [0, 1], "retain": False},
            {"permission": "allow", "action": "subscribe", "topic": "eq b/#"},
            {"permission": "deny", "action": "subscribe", "topic": "c/#"},
            {"permission": "allow", "topic": "${clientid}/${username}/#"},
        ],
        ME,
    )
    assert judge_publish(rules, "a/secret", 0, False) == DENY
    assert judge_publish(rules, "a/x", 1, False) == ALLOW
    assert judge_publish(rules, "a/x", 2, False) == UNDECIDED
    assert judge_publish(rules, "a/x", 0, True) == UNDECIDED
    assert judge_subscribe(rules, "b/#", 0) == ALLOW
    assert judge_subscribe(rules, "$share/g/b/#", 0) == ALLOW
    assert judge_subscribe(rules, "b/x", 0) == UNDECIDED
    assert judge_subscribe(rules, "#", 0) == DENY
    assert judge_publish(rules, "me/you/x", 2, True) == ALLOW
    assert judge_subscribe(rules, "me/you/+/x", 2) == ALLOW
    assert judge_subscribe(rules, "me/+/x", 2) == UNDECIDED


@pytest.mark.parametrize("name", ["#", "+", "a/b", "$SYS", ""])
def test_a_name_widens_nothing(name: str) -> None:
    rules = read_rules([{"permission": "allow", "topic": "${clientid}/#"}], client(name))
    assert judge_subscribe(rules, f"{name}/#", 0) == UNDECIDED
    assert judge_publish(rules, "a/b/c", 0, False) == UNDECIDED
