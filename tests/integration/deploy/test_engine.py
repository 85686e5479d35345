"""Which Docker engine is used: none is ended but one that was started here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.docker_engine import Engine, NoEngine

STANDS_FOR_DOCKERD = "import signal; print(flush=True); signal.pause()"


def test_without_docker_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoEngine, match=r"docker\.io"):
        Engine(tmp_path).find()


def test_a_number_that_another_process_has_by_now_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "dockerd.pid").write_text(str(os.getpid()))
    engine = Engine(tmp_path)
    assert not engine.is_own
    engine.stop()  # and this process is still there


@pytest.mark.parametrize("written", [None, "", "many", "0"])
def test_without_a_process_there_is_nothing_to_end(tmp_path: Path, written: str | None) -> None:
    if written is not None:
        (tmp_path / "dockerd.pid").write_text(written)
    engine = Engine(tmp_path)
    assert not engine.is_own
    engine.stop()


def test_ours_is_found_again_and_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "dockerd.pid"
    process = subprocess.Popen(
        [sys.executable, "-c", STANDS_FOR_DOCKERD, "--pidfile", str(pid_file)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        pid_file.write_text(str(process.pid))
        engine = Engine(tmp_path)
        assert engine.is_own
        assert engine.environment["DOCKER_HOST"] == f"unix://{tmp_path}/docker.sock"
        engine.stop()
        assert not engine.is_own
        assert process.wait(10) == -15
    finally:
        process.kill()
        process.communicate()
