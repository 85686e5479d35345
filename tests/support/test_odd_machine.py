"""The odd machine of the cluster tests: what its record calls safe is what a sync has covered, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.odd_machine import undo_unsynced

pytestmark = pytest.mark.realtime

SETUP = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
from odd_machine import SyncRecord, put_clock_forward
SyncRecord({record!r}).install()
os.chdir({data!r})
def write(name, content, mode="ab"):
    file = open(name, mode, buffering=0)
    file.write(content)
    return file
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The disk of the machine."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def run(data: Path, script: str) -> None:
    """A program on a machine whose syncs are recorded, and then the power goes."""
    record = data.parent / "record"
    folder = str(Path(__file__).parent)
    setup = SETUP.format(folder=folder, record=str(record), data=str(data))
    subprocess.run([sys.executable, "-c", setup + script], check=True)
    undo_unsynced(data, record)


@pytest.mark.parametrize("sync", ["os.fsync(file)", "os.fdatasync(file.fileno())"])
def test_what_was_synced_is_kept_and_the_rest_is_gone(data: Path, sync: str) -> None:
    run(data, f"file = write('log', b'safe'); {sync}; file.write(b' and not'); write('new', b'never synced')")
    assert (data / "log").read_bytes() == b"safe"
    assert (data / "new").read_bytes() == b""


def test_a_file_keeps_what_is_safe_under_its_new_name(data: Path) -> None:
    run(data, "file = write('a', b'safe'); os.fsync(file); write('b', b'old'); Path('a').rename('b')")
    assert (data / "b").read_bytes() == b"safe" and not (data / "a").exists()


@pytest.mark.parametrize("removal", ["os.unlink('a')", "Path('a').unlink()", "os.replace('b', 'a')"])
def test_a_new_file_isnt_safe_because_its_inode_was(data: Path, removal: str) -> None:
    run(
        data,
        "file = write('a', b'safe'); os.fsync(file); write('b', b''); file.close()\n"
        f"{removal}\n"
        "for number in range(50): write(f'c{number}', b'not safe')",
    )
    assert all(path.read_bytes() == b"" for path in data.iterdir())


def test_what_is_written_behind_a_cut_isnt_safe(data: Path) -> None:
    run(data, "file = write('a', b'safe safe'); os.fsync(file); os.ftruncate(file.fileno(), 4); file.write(b'-----')")
    assert (data / "a").read_bytes() == b"safe"


def test_the_clock_is_wrong_and_goes_on() -> None:
    script = (
        f"import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r}); import odd_machine\n"
        "before, since = time.time(), time.monotonic()\n"
        "odd_machine.put_clock_forward(-3600)\n"
        "assert -3600 <= time.time() - before < -3590 and time.monotonic() - since < 10\n"
        "assert abs(time.time_ns() / 1e9 - time.time()) < 1\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
