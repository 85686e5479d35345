"""What can be done to the data of a member that doesn't run: have it rebuilt, or have it go on alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rmq.config import ConfigError, Problem
from rmq.node.cluster import recovery_of_data
from rmq.node.member import FOLDER, STATE
from rmq.storage.record_file import CorruptFile
from rmq.storage.recovery import DataInUse, DataLock


def rebuild(data_path: Path) -> None:
    """Discard the data: at its next start the node takes them from the other members. Raises ``ConfigError``."""
    with _locked(data_path) as (folder, recover):
        recover.rebuild(folder, folder / STATE)


def rescue(data_path: Path, node_id: int) -> None:
    """Make the node the only member, with all that is in its log. Raises ``ConfigError``."""
    with _locked(data_path) as (folder, recover):
        recover.rescue(folder, node_id)


@contextmanager
def _locked(data_path: Path) -> Iterator[tuple[Path, Any]]:
    folder = data_path / FOLDER
    if not folder.is_dir():
        raise _problem(f"{data_path}: no data of a member of a cluster are there")
    recover = recovery_of_data()
    try:
        lock = DataLock(folder)
    except DataInUse as error:
        raise _problem(str(error)) from None
    except OSError as error:
        raise _problem(f"{folder}: {error.strerror}") from None
    try:
        yield folder, recover
    except (CorruptFile, recover.IdentityError) as error:
        raise _problem(str(error)) from None
    except OSError as error:
        raise _problem(f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        lock.release()


def _problem(text: str) -> ConfigError:
    return ConfigError([Problem("", "node.data_dir", text)])
