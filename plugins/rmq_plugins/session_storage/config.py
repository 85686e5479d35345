"""The keys of rmq-session-storage: RMQTT's, which are read and change nothing, and how often figures are counted."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from rmq.plugin_api import ByteSize, PluginConfig, SomeTime


def _is_ours(value: object) -> object:
    if value in ("redis", "redis-cluster"):
        raise ValueError(f"{value} isn't there: sessions are kept in the node's data folder ([storage] in rmq.toml)")
    return value


class SledConfig(PluginConfig):
    """RMQTT's, without effect."""

    path: str = ""
    cache_capacity: ByteSize = 3 * 1024**3


class RedisConfig(PluginConfig):
    """RMQTT's, without effect."""

    url: str = ""
    prefix: str = "session-{node}"


class RedisClusterConfig(PluginConfig):
    """RMQTT's, without effect."""

    urls: Annotated[tuple[str, ...], Field(strict=False)] = ()
    prefix: str = "session-{node}"


class StorageConfig(PluginConfig):
    """``engine`` is what there is; ``sled``, RMQTT's default, is understood as that."""

    type: Annotated[Literal["engine", "sled"], BeforeValidator(_is_ours)] = "engine"
    sled: SledConfig = SledConfig()
    redis: RedisConfig = RedisConfig()
    redis_cluster: Annotated[RedisClusterConfig, Field(alias="redis-cluster")] = RedisClusterConfig()


class SessionStorageConfig(PluginConfig):
    """All keys of etc/plugins/rmq-session-storage.toml."""

    storage: StorageConfig = StorageConfig()
    backend_timeout: SomeTime = 15.0
    update_interval: SomeTime = 10.0
