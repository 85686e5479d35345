"""systemd's own opinion of the unit: nothing in it is misspelt, and little is left open to the service."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.deploy.files import DEPLOY

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing (Debian package systemd)"
)

# Of 10; below 2 is "OK" in systemd's own words.
EXPOSURE_ALLOWED = 1.5


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is here, because /opt/rmq is there only where it is installed."""
    program = tmp_path / "rmq-node"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "rmq-node.service"
    text = (DEPLOY / "systemd" / "rmq-node.service").read_text()
    path.write_text(text.replace("/opt/rmq/bin/rmq-node", str(program)))
    return path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_it_is_a_unit(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert complaints == []


def test_a_misspelt_key_is_told(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHoem="))
    assert "ProtectHoem" in analyze("verify", "--man=no", str(unit)).stderr


def test_little_is_left_open(unit: Path) -> None:
    done = analyze("security", "--offline=true", str(unit))
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd can't look at a unit that isn't loaded (it takes version 250)")
    level = re.search(r"Overall exposure level for rmq-node.service: ([\d.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) <= EXPOSURE_ALLOWED
