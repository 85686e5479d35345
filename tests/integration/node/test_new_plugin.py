"""What `rmq-ctl plugins new` makes: it passes its own tests and every check of its own, and runs in a node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rmq.ctl.new_plugin import rendered
from tests.integration.node.node_command import environment
from tests.integration.node.watched_node import WatchedNode, install_entry_points
from tests.support.broker_process import REPOSITORY
from tests.support.client import Client
from tests.support.wire_parser import Puback

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

TIMEOUT_S = 180
NAME = "rmq-quiet-hours"
NOT_AUTHORIZED = 0x87
NOBODY_THERE = 0x10


def run(folder: Path, *command: str, **variables: str) -> str:
    """What a program writes, which has to end well."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command],
        cwd=folder,
        env={**environment(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout)
    return done.stdout


@pytest.fixture(scope="module", params=[NAME, "a-plugin-with-a-name-as-long-as-it-may-b"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was made for a plugin of this name."""
    folder = tmp_path_factory.mktemp("plugins")
    run(folder, "rmq.ctl", "plugins", "new", request.param)
    return folder / str(request.param)


@pytest.fixture(scope="module")
def site(made: Path) -> Path:
    """What `pip install -e .` leaves in an environment: the entry points of its pyproject.toml."""
    project = tomllib.loads((made / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["rmq.plugins"]
    return install_entry_points(made.parent / "site", project["name"].replace("-", "_"), points)


def path_of(made: Path, site: Path) -> str:
    """PYTHONPATH with it installed."""
    return os.pathsep.join([str(site), str(made / "src"), environment().get("PYTHONPATH", "")])


def test_its_own_tests_pass(made: Path, site: Path) -> None:
    written = run(
        made, "pytest", "-p", "no:cacheprovider", "-W", "error", "-p", "no:asyncio", PYTHONPATH=path_of(made, site)
    )
    assert "1 passed" in written


def test_ruff_finds_nothing(made: Path) -> None:
    run(made, "ruff", "check", "--no-cache", ".")
    run(made, "ruff", "format", "--no-cache", "--check", ".")


def test_mypy_finds_nothing(made: Path) -> None:
    # rmq is found by its sources here, which others' checks needn't look into.
    run(made, "mypy", "--strict", "--follow-imports=silent", "--cache-dir", os.devnull, MYPYPATH=str(REPOSITORY))


def test_a_node_runs_it_and_takes_over_what_changes(made: Path, site: Path) -> None:
    source = made / "src" / made.name.replace("-", "_") / "__init__.py"
    text = source.read_text()
    node = WatchedNode(made, plugins=[site, made / "src"], flags=["--dev"])
    try:
        guest = Client(node.address, "g")
        guest.connect(username="guest")

        def raise_alarm() -> int:
            guest.send_publish("alarms/fire", b"!", 1)
            return guest.expect(Puback).code

        assert raise_alarm() == NOT_AUTHORIZED
        source.write_text(text.replace("return DENY", "return ALLOW"))
        node.wait_for("plugin reloaded with new code")
        assert raise_alarm() == NOBODY_THERE
        source.write_text(text.replace("return DENY", "return DENY("))
        assert f"{source}:{text[: text.index('return DENY')].count(chr(10)) + 1}: " in node.wait_for("not reloaded")
        assert raise_alarm() == NOBODY_THERE, "the old one goes on"
        source.write_text(text)
        node.wait_for("plugin reloaded with new code")
        assert raise_alarm() == NOT_AUTHORIZED
        keys = made / "etc" / "plugins" / f"{made.name}.toml"
        keys.write_text(keys.read_text().replace('= "operator"', '= "guest"'))
        node.wait_for("plugin reloaded")
        assert raise_alarm() == NOBODY_THERE
        guest.close()
        assert node.stop() == 0
    finally:
        node.kill()


def test_a_node_without_the_flag_looks_at_no_files(made: Path, site: Path) -> None:
    node = WatchedNode(made, plugins=[site, made / "src"])
    try:
        assert not any("dev " in line for line in node.lines)
        assert node.stop() == 0
    finally:
        node.kill()


def test_the_page_begins_with_these_steps(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "plugins.md").read_text(encoding="utf-8")
    (steps,) = re.findall(r"^## From nothing to running\n.*?^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    first, *then = steps.splitlines()
    assert first == f"rmq-ctl plugins new {NAME}"
    # As the tests above take them; and as the program says itself.
    assert then == ["cd rmq-quiet-hours", "pip install -e .", "pytest", "rmq-node --dev"]
    assert run(tmp_path, "rmq.ctl", "plugins", "new", "other").splitlines()[2:] == [
        f"  {step.replace(NAME, 'other')}" for step in then
    ]
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert source == rendered(NAME)["src/rmq_quiet_hours/__init__.py"]
