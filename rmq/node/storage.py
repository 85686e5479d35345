"""From settings to storage: the data is read, or the start refused, and the broker is given its journal."""

from typing import Final

import structlog

from rmq.config import ConfigError, Problem, Settings
from rmq.engine.broker import Broker
from rmq.engine.journal_port import JournalPort
from rmq.engine.restore import restore
from rmq.engine.stored_port import StorageOptions
from rmq.metrics.counters import Counters
from rmq.net.reactor import Reactor
from rmq.storage.events import StateEvents
from rmq.storage.record_file import CorruptFile
from rmq.storage.recovery import DataInUse, DataLock, Recovery, recover

log = structlog.get_logger(__name__)

FOLDER: Final = "storage"
REPAIR: Final = "`rmq-node --repair` starts with what is before it, and sets the rest aside"


class Storage:
    """The data of a node that keeps it on disk. Raises ``ConfigError`` when it can't be read."""

    def __init__(self, settings: Settings, broker: Broker, reactor: Reactor) -> None:
        folder = settings.data_path / FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = DataLock(folder)
        except DataInUse as error:
            raise _problem(settings, str(error)) from None
        except OSError as error:
            raise _problem(settings, f"{folder}: {error.strerror}") from None
        try:
            recovery = _recover(settings, broker)
            self.port = JournalPort(broker, recovery, storage_options(settings, StorageOptions()), reactor.wake)
        except BaseException:
            self._lock.release()
            raise
        broker.cluster = self.port
        broker.turn_storage = self.port.turn
        self._broker = broker

    def go_on(self) -> None:
        """Let time go on for what was read; wills that are due are published now, past the hooks of plugins."""
        restore(self._broker)

    def close(self) -> None:
        """Write and sync everything, and let go of the folder."""
        self.port.close()
        self._lock.release()


def _recover(settings: Settings, broker: Broker) -> Recovery:
    folder = settings.data_path / FOLDER
    ctx = broker.ctx
    counters = ctx.counters
    ctx.counters = Counters()  # what happened before this start was counted then
    broker.state.events = StateEvents()  # and done; ``restore`` goes on from where it ended
    try:
        budget = settings.storage.memory_budget
        recovery = recover(folder, broker.state, memory_budget=budget, repair=settings.repair)
    except CorruptFile as error:
        raise _problem(settings, f"{error}; {REPAIR}") from None
    except OSError as error:
        raise _problem(settings, f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        ctx.counters = counters
    if recovery.cut_off:
        log.warning("the journal's torn tail was cut off", bytes=recovery.cut_off, folder=str(folder))
    for damage in recovery.damaged:
        log.error("damaged data was set aside", error=str(damage))
    if recovery.batch:
        log.info(
            "data read",
            sessions=len(broker.state.sessions),
            retained=ctx.retained.count,
            operations=recovery.operations,
            folder=str(folder),
        )
    return recovery


def storage_options(settings: Settings, options: StorageOptions) -> StorageOptions:
    """What the settings say about storage."""
    storage = settings.storage
    options.disk_budget = storage.disk_budget
    options.pending_limit = storage.pending_budget
    options.snapshot_after = storage.snapshot_after
    options.sync_interval_s = storage.sync_interval
    options.timeout_s = storage.timeout
    return options


def _problem(settings: Settings, text: str) -> ConfigError:
    origin = settings.origin("node", "data_dir")
    return ConfigError([Problem(origin.name if origin else "", "node.data_dir", text)])
