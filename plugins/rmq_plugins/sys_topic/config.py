"""The keys of rmq-sys-topic."""

from typing import Annotated

from pydantic import AfterValidator, Field

from rmq.plugin_api import Duration, PluginConfig


def _at_least_a_second(interval_s: float) -> float:
    if interval_s < 1:
        raise ValueError("must be at least 1s")
    return interval_s


class SysTopicConfig(PluginConfig):
    """All keys of etc/plugins/rmq-sys-topic.toml; intervals in seconds."""

    publish_qos: Annotated[int, Field(ge=0, le=2)] = 1
    publish_interval: Annotated[Duration, AfterValidator(_at_least_a_second)] = 10.0
    message_retain_available: bool = True
    message_expiry_interval: Duration = 300.0
    classic_topics: bool = False
