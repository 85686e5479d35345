"""The keys of rmq-topic-rewrite: the shipped file, and what is said about wrong values."""

import pytest
from pydantic import ValidationError
from rmq_plugins.topic_rewrite.config import TopicRewriteConfig

from tests.support.plugin_keys import explains_every_key, has_every_key

NAME = "rmq-topic-rewrite"


def read(entries: object) -> TopicRewriteConfig:
    return TopicRewriteConfig.model_validate({"rules": entries})


def test_the_shipped_file_has_every_key_with_its_default_and_explains_it() -> None:
    has_every_key(NAME, TopicRewriteConfig)
    explains_every_key(NAME)


def rule(**keys: object) -> dict[str, object]:
    return {"action": "all", "source_topic_filter": "a/#", "dest_topic": "b", **keys}


def test_the_rules_of_rmqtt_are_understood() -> None:
    """https://github.com/rmqtt/rmqtt: the examples of its configuration."""
    config = read(
        [
            {"action": "all", "source_topic_filter": "x/+/#", "dest_topic": "xx/$1/$2", "regex": "^x/(.+)/(.+)$"},
            {"action": "publish", "source_topic_filter": "x/y/#", "dest_topic": "z/y/${clientid}"},
            {"action": "subscribe", "source_topic_filter": "name/+/#", "dest_topic": "name/${username}/#"},
        ]
    )
    assert [one.action for one in config.rules] == ["all", "publish", "subscribe"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"action": "both"}, "'all', 'publish' or 'subscribe'"),
        ({"source_topic_filter": "a/#/b"}, "isn't a topic filter"),
        ({"source_topic_filter": "$share/g/a"}, "write the filter alone"),
        ({"source_topic_filter": "$delayed/5/a"}, "write the filter alone"),
        ({"dest_topic": ""}, "can't be a topic"),
        ({"dest_topic": "a/#/b", "action": "subscribe"}, "can't be a topic"),
        ({"dest_topic": "b/#"}, "has a wildcard"),
        ({"dest_topic": "b/$1"}, "wants $1, and regex captures 0"),
        ({"dest_topic": "b/$3", "regex": "(.)(.)"}, "wants $3, and regex captures 2"),
        ({"dest_topic": "b/$0"}, "$0 isn't a capture"),
        ({"dest_topic": "b/${peerhost}"}, "${peerhost} isn't a placeholder"),
        ({"regex": "(a"}, "isn't a regular expression of RE2"),
        ({"regex": "(?=a)"}, "isn't a regular expression of RE2"),
        ({"regex": "(a{1000}){1000}"}, "isn't a regular expression of RE2"),
        ({"regex": "a" * 513}, "no more than 512"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read([rule(**keys)])
    assert said in str(caught.value)


def test_of_two_rules_about_the_same_one_would_do_nothing() -> None:
    read([rule(action="publish"), rule(action="subscribe"), rule(regex="x")])
    with pytest.raises(ValidationError, match="rules 0 and 1 are about the same topics"):
        read([rule(action="publish"), rule(dest_topic="c")])


def test_there_are_only_so_many_rules() -> None:
    with pytest.raises(ValidationError, match="at most 200"):
        read([rule(source_topic_filter=f"{number}") for number in range(201)])
