"""The keys of rmq-sys-topic."""

from pydantic import Field

from rmq.plugin_api import Duration, PluginConfig


class SysTopicConfig(PluginConfig):
    """All keys of etc/plugins/rmq-sys-topic.toml; intervals in seconds."""

    publish_qos: int = Field(1, ge=0, le=2)
    publish_interval: Duration = Field(10.0, ge=1.0)
    message_retain_available: bool = True
    message_expiry_interval: Duration = Field(300.0, ge=0.0)
