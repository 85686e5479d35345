"""What rules say: order, who is meant, actions, topics; and what the shipped ones come to."""

import pytest
from rmq_plugins.acl.config import AclConfig
from rmq_plugins.acl.rules import HOSTS_REMEMBERED, RuleBook

from rmq.plugin_api import ClientInfo
from tests.plugins.acl.clients import client


def book(*rules: list[object]) -> RuleBook:
    return RuleBook(AclConfig.model_validate({"rules": list(rules)}).rules)


def may(rules: RuleBook, info: ClientInfo, passwords: int = 0) -> str:
    """What a client may do with topic a: c(onnect), p(ublish), s(ubscribe)."""
    answers = {
        "c": rules.may_connect(info, passwords),
        "p": rules.may_publish(info, "a", passwords),
        "s": rules.may_subscribe(info, "a", passwords),
    }
    return "".join(letter for letter, allowed in answers.items() if allowed)


def test_without_a_rule_that_fits_topics_are_denied_and_connecting_is_not() -> None:
    assert may(book(), client()) == "c"
    assert may(book(["allow", {"user": "other"}]), client()) == "c"


def test_the_first_rule_that_fits_decides() -> None:
    rules = book(["deny", {"clientid": "bad"}], ["allow", "all"], ["deny", "all"])
    assert may(rules, client("good")) == "cps"
    assert may(rules, client("bad")) == ""


@pytest.mark.parametrize(
    ("action", "denied"), [("connect", "c"), ("publish", "p"), ("subscribe", "s"), ("pubsub", "ps"), ("all", "cps")]
)
def test_an_action_is_about_what_it_says(action: str, denied: str) -> None:
    rules = book(["deny", "all", action], ["allow", "all"])
    assert may(rules, client()) == "".join(letter for letter in "cps" if letter not in denied)


def test_a_rule_about_topics_does_not_deny_connecting() -> None:
    assert may(book(["deny", "all", "all", ["a"]], ["allow", "all"]), client()) == "c"


@pytest.mark.parametrize(
    ("who", "fits", "differs"),
    [
        ({"user": "u"}, client(username="u"), client(username="v")),
        ({"user": "u"}, client(username="u"), client(username=None)),
        ({"clientid": "c"}, client("c"), client("C")),
        ({"superuser": True}, client(superuser=True), client()),
        ({"superuser": False}, client(), client(superuser=True)),
        ({"protocol": 4}, client(protocol=4), client(protocol=5)),
        ({"ipaddr": "10.1.2.3"}, client(host="10.1.2.3"), client(host="10.1.2.4")),
        ({"ipaddr": "10.0.0.0/8"}, client(host="10.9.9.9"), client(host="11.0.0.1")),
        ({"ipaddr": "10.0.0.0/8"}, client(host="::ffff:10.9.9.9"), client(host="::10.9.9.9")),
        ({"ipaddr": "fe80::/10"}, client(host="fe80::1%eth0"), client(host="2001:db8::1")),
        ({"ipaddr": "0.0.0.0/0"}, client(), client(host="::1")),
        ({"ipaddr": "0.0.0.0/0"}, client(), client(host="")),
        ({"user": "u", "clientid": "c"}, client("c", "u"), client("c", "v")),
        ({"user": "u", "clientid": "c"}, client("c", "u"), client("d", "u")),
    ],
)
def test_everything_that_is_said_about_a_client_has_to_fit(
    who: dict[str, object], fits: ClientInfo, differs: ClientInfo
) -> None:
    rules = book(["allow", who, "pubsub"])
    assert may(rules, fits) == "cps"
    assert may(rules, differs) == "c"


def test_a_password_rule_is_only_for_clients_that_showed_it() -> None:
    rules = book(["allow", {"user": "u", "password": "one"}, "publish"], ["allow", {"password": "two"}, "subscribe"])
    assert rules.uses_passwords
    someone = client(username="u")
    expected = {None: "c", b"": "c", b"one": "cp", b"two": "cs", b"three": "c"}
    assert {word: may(rules, someone, rules.fitting_passwords(word)) for word in expected} == expected
    assert may(rules, client(username="v"), rules.fitting_passwords(b"one")) == "c"


def test_hosts_are_looked_up_again_when_too_many_were_remembered() -> None:
    rules = book(["allow", {"ipaddr": "10.0.0.0/8"}, "publish"])
    hosts = [f"10.0.{index >> 8}.{index & 255}" for index in range(HOSTS_REMEMBERED + 2)]
    assert all(rules.may_publish(client(host=host), "a", 0) for host in hosts)
    assert not rules.may_publish(client(host="11.0.0.0"), "a", 0)
    assert rules.may_publish(client(host=hosts[0]), "a", 0)


@pytest.mark.parametrize(
    ("filters", "asked", "allowed"),
    [
        (["a/#"], "a/#", True),
        (["a/#"], "a/b/+", True),
        (["a/#"], "a", True),
        (["a/+"], "a/#", False),
        (["a/b"], "a/+", False),
        (["a/b", "a/c"], "a/+", False),
        (["#"], "$SYS/#", False),
        (["a/#"], "$share/g/a/b", True),
        (["a/b"], "$share/g/a/#", False),
        ([{"eq": "a/#"}], "a/#", True),
        ([{"eq": "a/#"}], "a/b", False),
        ([{"eq": "a/#"}], "$share/g/a/#", True),
    ],
)
def test_a_subscription_is_allowed_when_it_is_covered_whole(filters: list[object], asked: str, allowed: bool) -> None:
    assert book(["allow", "all", "subscribe", filters]).may_subscribe(client(), asked, 0) is allowed


@pytest.mark.parametrize(
    ("filters", "asked", "denied"),
    [
        (["$SYS/#"], "$SYS/#", True),
        (["$SYS/#"], "$SYS/+/x", True),
        (["$SYS/#"], "$SYS", True),
        (["$SYS/#"], "$share/g/$SYS/brokers/#", True),
        (["$SYS/#"], "#", False),
        (["$SYS/#"], "+/x", False),
        (["secret/#"], "#", True),
        (["secret/#"], "+/x", True),
        (["secret/#"], "secrets/x", False),
        ([{"eq": "#"}], "#", True),
        ([{"eq": "#"}], "$share/g/#", True),
        ([{"eq": "#"}], "a/#", False),
        ([{"eq": "#"}], "+/#", False),
    ],
)
def test_a_subscription_is_denied_when_it_is_touched(filters: list[object], asked: str, denied: bool) -> None:
    rules = book(["deny", "all", "subscribe", filters], ["allow", "all"])
    assert rules.may_subscribe(client(), asked, 0) is not denied


def test_an_earlier_allow_opens_a_part_of_what_is_denied_later() -> None:
    rules = book(["allow", "all", "pubsub", ["a/open/#"]], ["deny", "all", "pubsub", ["a/#"]], ["allow", "all"])
    asked = ["a/open/x", "a/open/#", "a/#", "a/+/x", "b", "#"]
    assert [rules.may_subscribe(client(), name, 0) for name in asked] == [True, True, False, False, True, False]
    assert [rules.may_publish(client(), name, 0) for name in ("a/open/x", "a/x", "b")] == [True, False, True]


def test_placeholders_give_everybody_topics_of_their_own() -> None:
    rules = book(["allow", "all", "pubsub", ["dev/%c/#", {"eq": "who/%u"}]])
    someone = client("c1", username="u1")
    assert rules.may_publish(someone, "dev/c1/x", 0)
    assert rules.may_subscribe(someone, "dev/c1/#", 0)
    assert rules.may_publish(someone, "who/u1", 0)
    assert not rules.may_publish(someone, "dev/c2/x", 0)
    assert not rules.may_subscribe(someone, "dev/+/x", 0)


@pytest.mark.parametrize("name", ["+", "#", "c1/x", "../c1", "a+"])
def test_a_client_id_cannot_widen_a_rule(name: str) -> None:
    rules = book(["allow", "all", "pubsub", ["dev/%c/#", {"eq": "eq/%c"}]])
    intruder = client(name)
    for asked in ("dev/+/#", "dev/#", "dev/c1/#", f"dev/{name}/x", "eq/#", "eq/+", f"eq/{name}"):
        assert not rules.may_subscribe(intruder, asked, 0), asked
    for topic in ("dev/c1/x", f"dev/{name}/x", f"eq/{name}"):
        assert not rules.may_publish(intruder, topic, 0), topic


SHIPPED = RuleBook(AclConfig().rules)


@pytest.mark.parametrize(
    ("info", "allowed"),
    [
        (client(), ["a", "a/#", "+/#", "$share/g/a"]),
        (client(username="dashboard"), ["a", "a/#", "+/#", "$share/g/a", "$SYS/#", "$SYS/+/x", "$share/g/$SYS/#"]),
        (client(host="127.0.0.1"), "all"),
        (client(host="::1"), "all"),
        (client(host="::ffff:127.0.0.1"), "all"),
    ],
)
def test_who_may_subscribe_by_the_shipped_rules(info: ClientInfo, allowed: list[str] | str) -> None:
    asked = ["a", "a/#", "+/#", "$share/g/a", "$SYS/#", "$SYS/+/x", "$share/g/$SYS/#", "#", "$share/g/#"]
    assert [name for name in asked if SHIPPED.may_subscribe(info, name, 0)] == (asked if allowed == "all" else allowed)


def test_anybody_may_connect_and_publish_by_the_shipped_rules() -> None:
    assert not SHIPPED.denies_connections
    assert not SHIPPED.uses_passwords
    assert may(SHIPPED, client()) == "cps"
    assert SHIPPED.may_publish(client(), "a/b", 0)


NAMES = ["#", "+", "a/b", "a/#", "/", "$SYS", "$share", "$share/g", "%c", "%u", "a\0b", "", " ", "ü"]
ONE_LEVEL = {"%c", "%u", " ", "ü", "$SYS", "$share"}


@pytest.mark.parametrize("placeholder", ["%u", "%c"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_gains_nothing_but_its_own_level(name: str, placeholder: str) -> None:
    rules = book(["allow", "all", "pubsub", [f"home/{placeholder}/#"]])
    info = client(name, "other") if placeholder == "%c" else client("other", name)
    for topic in ("home/x/y", "home/a/b/y", "home/a/y", "x", "home", "home/%x/y", "$SYS/x"):
        assert not rules.may_publish(info, topic, 0), topic
    for asked in ("#", "+/#", "home/#", "home/+/#", "home/+", "home/a/#", "$SYS/#", "$share/g/home/#", "$share/g/#"):
        assert not rules.may_subscribe(info, asked, 0), asked
    assert rules.may_publish(info, f"home/{name}/y", 0) is (name in ONE_LEVEL)
    assert rules.may_subscribe(info, f"home/{name}/#", 0) is (name in ONE_LEVEL)


@pytest.mark.parametrize("placeholder", ["%u", "%c"])
@pytest.mark.parametrize("name", ["$SYS", "$share", "$SYS/brokers", "#", "+", "$"])
def test_a_name_at_the_beginning_opens_nothing_of_the_broker(name: str, placeholder: str) -> None:
    rules = book(["allow", "all", "pubsub", [f"{placeholder}/#", f"{placeholder}SYS/#", {"eq": placeholder}]])
    info = client(name, "other") if placeholder == "%c" else client("other", name)
    for topic in ("$SYS/x", "$SYS", "$share/g/x", "x"):
        assert not rules.may_publish(info, topic, 0), topic
    for asked in ("$SYS/#", "#", "+", "+/#", "$SYS/+", "$share/g/#", "$share/g/$SYS/#"):
        assert not rules.may_subscribe(info, asked, 0), asked


@pytest.mark.parametrize("name", ["#", "+", "a/b", "$SYS"])
def test_a_user_in_who_is_compared_as_text(name: str) -> None:
    rules = book(["allow", {"user": name}, "pubsub"], ["allow", {"clientid": name}, "connect"])
    assert may(rules, client(username=name)) == "cps"
    assert may(rules, client(username="a")) == "c"
