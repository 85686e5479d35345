"""The keys of rmq-auto-subscription: the shipped file, and what is said about wrong values."""

import pytest
from pydantic import ValidationError
from rmq_plugins.auto_subscription.config import AutoSubscriptionConfig

from tests.support.plugin_keys import explains_every_key, has_every_key

NAME = "rmq-auto-subscription"


def read(entries: object) -> AutoSubscriptionConfig:
    return AutoSubscriptionConfig.model_validate({"subscribes": entries})


def test_the_shipped_file_has_every_key_with_its_default_and_explains_it() -> None:
    has_every_key(NAME, AutoSubscriptionConfig)
    explains_every_key(NAME)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"topic_filter": "a/#/b"}, "isn't a topic filter"),
        ({"topic_filter": "a/${peerhost}"}, "${peerhost} isn't a placeholder"),
        ({"qos": 3}, "less than or equal to 2"),
        ({"qos": True}, "integer"),
        ({"retain_handling": 3}, "less than or equal to 2"),
        ({"topic_filter": "$share/g/a", "no_local": True}, "isn't allowed for a shared subscription"),
        ({"nl": 1}, "nl"),
    ],
)
def test_a_wrong_subscription_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read([{"topic_filter": "a", "qos": 1, **keys}])
    assert said in str(caught.value)


def test_the_qos_must_be_said() -> None:
    with pytest.raises(ValidationError, match="qos"):
        read([{"topic_filter": "a"}])


def test_a_filter_stands_there_once() -> None:
    with pytest.raises(ValidationError, match="stands there twice"):
        read([{"topic_filter": "a", "qos": 1}, {"topic_filter": "a", "qos": 2}])


def test_there_are_only_so_many() -> None:
    with pytest.raises(ValidationError, match="at most 100"):
        read([{"topic_filter": f"{number}", "qos": 0} for number in range(101)])
