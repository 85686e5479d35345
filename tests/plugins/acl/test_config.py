"""The keys of rmq-acl: the shipped file, how rules are written, and what is said about wrong ones."""

import tomllib

import pytest
from rmq_plugins.acl.config import AclConfig

from tests.support.plugin_keys import explains_every_key, has_every_key, printed, said_of

NAME = "rmq-acl"


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    has_every_key(NAME, AclConfig)


def test_every_key_of_the_shipped_file_is_explained() -> None:
    explains_every_key(NAME)


def test_rules_are_printed_as_they_are_written() -> None:
    rules = [
        ["deny", {"user": "u", "superuser": False, "protocol": 3}, "connect"],
        ["allow", {"ipaddr": "10.0.0.0/8", "clientid": "c"}, "pubsub", ["a/%c/#", {"eq": "#"}]],
        ["allow", "all", "all"],
    ]
    assert AclConfig.model_validate({"rules": rules}).model_dump(mode="json")["rules"] == rules


def test_printed_rules_are_read_back_but_for_their_passwords() -> None:
    rule = '[["allow",{user="u",password="tell nobody"},"publish",["a",{eq="b"}]],["deny","all"]]'
    shown = printed(NAME, AclConfig, {"rules": rule})
    assert "tell nobody" not in shown
    again = AclConfig.model_validate(tomllib.loads(shown)["plugins"][NAME])
    who = again.rules[0].who
    assert (who.user, who.password) == ("u", "********")
    assert [topic.text for topic in again.rules[0].topics] == ["a", "b"]


@pytest.mark.parametrize(
    ("rule", "key", "problem"),
    [
        ('["alow","all"]', "rules[0].access", 'must be one of "allow" or "deny", not "alow"'),
        ('"allow"', "rules[0]", "a rule is ["),
        ('["allow"]', "rules[0]", "a rule is ["),
        ('["allow","all","all",["a"],1]', "rules[0]", "a rule is ["),
        ('["allow","everybody"]', "rules[0].who", 'who is "all" or a table'),
        ('["allow",{}]', "rules[0].who", 'who is "all" or a table'),
        ('["allow",{usr="u"}]', "rules[0].who.usr", "unknown key"),
        ('["allow",{ipaddr="10.0.0.1/8"}]', "rules[0].who.ipaddr", "10.0.0.1/8 has host bits set"),
        ('["allow",{ipaddr="here"}]', "rules[0].who.ipaddr", "'here' does not appear to be"),
        ('["allow",{protocol=2}]', "rules[0].who.protocol", "must be one of 3, 4 or 5, not 2"),
        ('["allow","all","sub"]', "rules[0].action", 'must be one of "connect", "publish"'),
        ('["allow","all","publish",[]]', "rules[0]", "leave the empty list out"),
        ('["deny","all","connect",["a"]]', "rules[0]", "a rule about connecting has no topics"),
        ('["allow","all","publish","a"]', "rules[0].topics", "must be a list"),
        ('["allow","all","publish",["a/#/b"]]', "rules[0].topics[0]", "'a/#/b' isn't a topic filter"),
        ('["allow","all","publish",[{eq=""}]]', "rules[0].topics[0]", "'' isn't a topic filter"),
        ('["allow","all","publish",["a",{ew="b"}]]', "rules[0].topics[1]", "a topic is a topic filter or {"),
        ('["allow","all","subscribe",["$share/g/a"]]', "rules[0].topics[0]", "$share/g/a: write the filter alone"),
    ],
)
def test_a_wrong_rule_is_named_with_its_place(rule: str, key: str, problem: str) -> None:
    said = said_of(NAME, AclConfig, "rules", f"[{rule}]")
    assert said.startswith(f"--set: plugins.{NAME}.{key}: ")
    assert problem in said


def test_a_wrong_password_is_not_printed() -> None:
    said = said_of(NAME, AclConfig, "rules", '[["allow",{password=["hunter2"]}]]')
    assert said == f"--set: plugins.{NAME}.rules[0].who.password: must be a string"
