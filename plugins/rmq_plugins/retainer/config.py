"""The keys of rmq-retainer, with RMQTT's names; those of its stores are understood, and have no effect."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from rmq.plugin_api import ByteSize, Duration, PluginConfig, RetainRules, WholeSeconds

MOST: Final = 2**31 - 1


def _at_most(value: int) -> int:
    if value > MOST:
        raise ValueError(f"must be at most {MOST}")
    return value


class SledConfig(PluginConfig):
    """RMQTT's store in files."""

    path: str = ""
    cache_capacity: ByteSize = 0


class RedisConfig(PluginConfig):
    """RMQTT's store in Redis."""

    url: str = ""
    prefix: str = ""


class StorageConfig(PluginConfig):
    """Where RMQTT keeps retained messages; here the engine does, whatever stands here."""

    type: Literal["engine", "ram", "sled", "redis"] = "engine"
    sled: SledConfig = SledConfig()
    redis: RedisConfig = RedisConfig()


class RetainerConfig(PluginConfig):
    """All keys of etc/plugins/rmq-retainer.toml."""

    max_retained_messages: Annotated[int, Field(ge=0, le=MOST)] = 0
    max_payload_size: Annotated[ByteSize, AfterValidator(_at_most)] = 1024 * 1024
    retained_message_ttl: Annotated[WholeSeconds, AfterValidator(_at_most)] = 0
    batch_messages_limit: Annotated[int, Field(ge=0)] = 500
    backend_timeout: Duration = 8.0
    storage: StorageConfig = StorageConfig()

    def rules(self) -> RetainRules:
        """What the engine is to go by."""
        return RetainRules(self.max_retained_messages, self.max_payload_size, self.retained_message_ttl)

    def without_effect(self) -> list[str]:
        """The keys that somebody has set and that nothing here goes by."""
        said = self.model_dump()
        meant = RetainerConfig().model_dump()
        names = ["batch_messages_limit", "backend_timeout"]
        found = [name for name in names if said[name] != meant[name]]
        storage, usual = said["storage"], meant["storage"]
        found += ["storage.type"] if storage["type"] != usual["type"] else []
        for table in ("sled", "redis"):
            found += [f"storage.{table}.{key}" for key in storage[table] if storage[table][key] != usual[table][key]]
        return found
