"""The keys of rmq-message-storage: RMQTT's names, and those of its own beside them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from rmq.plugin_api import ByteSize, PluginConfig, SomeTime, is_valid_topic_filter

MIN_CAPACITY = 1024 * 1024


def _is_filter(text: str) -> str:
    if not is_valid_topic_filter(text) or text.startswith("$share/"):
        raise ValueError(f"{text!r} isn't a topic filter")
    return text


def _is_capacity(size: int) -> int:
    if size < MIN_CAPACITY:
        raise ValueError("must be at least 1MB")
    return size


def _is_ours(value: object) -> object:
    if value in ("redis", "redis-cluster"):
        raise ValueError(f"{value} isn't there: messages are kept on the node's own disk (disk) or in memory (ram)")
    return value


Capacity = Annotated[ByteSize, AfterValidator(_is_capacity)]
Count = Annotated[int, Field(ge=1, le=100_000_000)]
Topics = Annotated[tuple[Annotated[str, AfterValidator(_is_filter)], ...], Field(strict=False, max_length=1000)]


class DiskConfig(PluginConfig):
    """Bounds of what is kept on disk."""

    capacity: Capacity = 3 * 1024**3
    max_count: Count = 1_000_000


class RamConfig(PluginConfig):
    """RMQTT's keys. ``encode`` is without effect: messages are always kept as bytes."""

    cache_capacity: Capacity = 3 * 1024**3
    cache_max_count: Count = 1_000_000
    encode: bool = False
    queue_max: Count = 300_000


class RedisConfig(PluginConfig):
    """Read so that a file of RMQTT's is understood; without effect."""

    url: str = ""
    prefix: str = "message-{node}"


class RedisClusterConfig(PluginConfig):
    """As ``RedisConfig``."""

    urls: Annotated[tuple[str, ...], Field(strict=False)] = ()
    prefix: str = "message-{node}"


class StorageConfig(PluginConfig):
    """Where messages are kept, and how many."""

    type: Annotated[Literal["disk", "ram"], BeforeValidator(_is_ours)] = "disk"
    disk: DiskConfig = DiskConfig()
    ram: RamConfig = RamConfig()
    redis: RedisConfig = RedisConfig()
    redis_cluster: Annotated[RedisClusterConfig, Field(alias="redis-cluster")] = RedisClusterConfig()


class MessageStorageConfig(PluginConfig):
    """All keys of etc/plugins/rmq-message-storage.toml."""

    storage: StorageConfig = StorageConfig()
    topics: Topics = ("#",)
    default_expiry: SomeTime = 300.0
    max_age: SomeTime = 86_400.0
    cleanup_count: Count = 5000
    backend_timeout: SomeTime = 15.0
    max_marks: Count = 200_000
    max_waiting: Count = 10_000

    @property
    def capacity(self) -> int:
        """How many bytes may be kept."""
        return self.storage.disk.capacity if self.storage.type == "disk" else self.storage.ram.cache_capacity

    @property
    def max_count(self) -> int:
        """How many messages may be kept."""
        return self.storage.disk.max_count if self.storage.type == "disk" else self.storage.ram.cache_max_count
