"""Whether the machine stopped while a node ran: what that node hadn't synced is lost then."""

import os
from pathlib import Path
from typing import Final

from rmq.storage.record_file import sync_directory

# Is in the data folder while a node runs, and holds the boot id of its machine.
RUNNING: Final = "running"


def boot_id() -> str:
    """What differs after each start of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def begin_run(folder: Path) -> bool:
    """A node begins to write; whether the last one was still at it when its machine stopped. Raises ``OSError``."""
    path = folder / RUNNING
    boot = boot_id()
    before = path.read_text() if path.exists() else boot
    with path.open("w") as file:
        file.write(boot)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(folder)
    return before != boot


def end_run(folder: Path) -> None:
    """Everything is written and synced. Raises ``OSError``."""
    (folder / RUNNING).unlink(missing_ok=True)
