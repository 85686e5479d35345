"""The keys of rmq-auto-subscription, with RMQTT's names, checked when they are read."""

from typing import Annotated, Final

from pydantic import Field, field_validator, model_validator

from rmq.plugin_api import PluginConfig, is_valid_topic_filter
from rmq_plugins.auto_subscription import filters

# Each client that connects gets all of them.
MAX_SUBSCRIBES: Final = 100


class SubscribeConfig(PluginConfig):
    """One subscription, as it would stand in a SUBSCRIBE."""

    topic_filter: str
    qos: Annotated[int, Field(ge=0, le=2)]
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: Annotated[int, Field(ge=0, le=2)] = 0

    @field_validator("topic_filter")
    @classmethod
    def _is_filter(cls, value: str) -> str:
        if not is_valid_topic_filter(value):
            raise ValueError(f"{value!r} isn't a topic filter")
        filters.check(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "SubscribeConfig":
        if self.no_local and self.topic_filter.startswith("$share/"):
            raise ValueError("no_local isn't allowed for a shared subscription")  # [MQTT-3.8.3-4]
        return self


class AutoSubscriptionConfig(PluginConfig):
    """All keys of etc/plugins/rmq-auto-subscription.toml."""

    subscribes: Annotated[tuple[SubscribeConfig, ...], Field(strict=False, max_length=MAX_SUBSCRIBES)] = ()

    @field_validator("subscribes")
    @classmethod
    def _are_different(cls, value: tuple[SubscribeConfig, ...]) -> tuple[SubscribeConfig, ...]:
        seen: set[str] = set()
        for one in value:
            if one.topic_filter in seen:
                raise ValueError(f"{one.topic_filter} stands there twice")
            seen.add(one.topic_filter)
        return value
