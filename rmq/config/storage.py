"""The keys of `[storage]`: what is kept, when publishers are answered, how much memory and disk it may take."""

from typing import Annotated

from pydantic import AfterValidator, Field

from rmq.config.listeners import AckPolicy, above_zero
from rmq.config.section import Section
from rmq.config.units import MIB, ByteSize, Duration


class StorageSettings(Section):
    """[storage]"""

    enable: bool = True
    ack_policy: AckPolicy = "quorum"
    timeout: Annotated[Duration, AfterValidator(above_zero)] = 5.0
    sync_interval: Annotated[Duration, AfterValidator(above_zero)] = 1.0
    memory_budget: ByteSize = 256 * MIB
    session_memory_budget: ByteSize = 16 * MIB
    pending_budget: Annotated[ByteSize, Field(ge=1 * MIB, le=512 * MIB)] = 64 * MIB
    disk_budget: ByteSize = 16 * 1024 * MIB
    snapshot_after: Annotated[ByteSize, Field(ge=1 * MIB)] = 64 * MIB
