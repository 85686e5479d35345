"""The keys of rmq-shared-subscription: the shipped file, and what is said about wrong values."""

import pytest
from pydantic import ValidationError
from rmq_plugins.shared_subscription.config import SharedSubscriptionConfig

from rmq.routing.share_groups import STRATEGY_NAMES
from tests.support.plugin_keys import explains_every_key, has_every_key, shipped_text

NAME = "rmq-shared-subscription"


def test_the_shipped_file_has_every_key_with_its_default_and_explains_it() -> None:
    has_every_key(NAME, SharedSubscriptionConfig)
    explains_every_key(NAME)


@pytest.mark.parametrize("strategy", STRATEGY_NAMES)
def test_every_strategy_of_the_engine_can_be_named_and_is_told_of(strategy: str) -> None:
    assert SharedSubscriptionConfig.model_validate({"strategy": strategy}).strategy == strategy
    assert f"#   {strategy} " in shipped_text(NAME)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"strategy": "fair"}, "round_robin_per_group"),
        ({"strategy": "hash"}, "hash_clientid"),
        ({"sticky_cache_size": 1}, "greater than or equal to 2"),
        ({"sticky_cache_size": 10**8}, "less than or equal to 10000000"),
        ({"stickyness": 1}, "stickyness"),
    ],
)
def test_a_wrong_value_says_what_is_wrong(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SharedSubscriptionConfig.model_validate(keys)
    assert said in str(caught.value)
