"""plugins new: what is made, under which names, and that nothing is ever replaced."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from rmq.config import CLUSTER_TABLE
from rmq.config.model import PluginsSettings
from rmq.ctl.new_plugin import LONGEST_NAME, RESERVED, class_of
from tests.unit.ctl.desk import Desk

FILES = {
    ".gitignore",
    "README.md",
    "etc/plugins/rmq-door-bell.toml",
    "etc/rmq.toml",
    "pyproject.toml",
    "src/rmq_door_bell/__init__.py",
    "src/rmq_door_bell/py.typed",
    "tests/test_rmq_door_bell.py",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is given."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_made_and_no_api_asked(desk: Desk, here: Path) -> None:
    result = desk.run("plugins", "new", "rmq-door-bell")
    assert (result.exit_code, desk.asked) == (0, [])
    assert "  cd rmq-door-bell" in result.stdout.splitlines()
    made = {str(path.relative_to(here / "rmq-door-bell")) for path in here.rglob("*") if path.is_file()}
    assert made == FILES
    project = tomllib.loads((here / "rmq-door-bell" / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["rmq.plugins"] == {"rmq-door-bell": "rmq_door_bell:DoorBell"}
    for path in here.rglob("*.toml"):
        tomllib.loads(path.read_text())
    assert not any("${" in path.read_text() for path in here.rglob("*") if path.is_file())


def test_it_can_be_quiet(desk: Desk, here: Path) -> None:
    assert desk.run("plugins", "new", "x1-y2", "-q").output == ""
    assert (here / "x1-y2" / "src" / "x1_y2").is_dir()
    assert class_of("x1-y2") == "X1Y2"


@pytest.mark.parametrize(
    "name",
    [
        *["Rmq-bell", "rmq_bell", "1bell", "bell-", "-bell", "a--b", "a/b", "../bell", "bell.py", "glocke-ä", ""],
        *["a b", "a" * (LONGEST_NAME + 1), "rmq-bell\n", "rmqtt-bell", "rmq-1", "json", "class", *sorted(RESERVED)],
    ],
)
def test_names_that_cannot_be(desk: Desk, here: Path, name: str) -> None:
    result = desk.run("plugins", "new", "--", name)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["rmq-acl", "rmq-http-api", "trio", "rmq-cluster"])
def test_names_that_are_taken(desk: Desk, here: Path, name: str) -> None:
    result = desk.run("plugins", "new", name)
    assert result.exit_code == 1, result.output
    assert list(here.iterdir()) == []


def test_keys_and_files_beside_plugins_are_reserved() -> None:
    keys = set(PluginsSettings.model_fields)
    assert {key for key in keys if "_" not in key} | {CLUSTER_TABLE} == RESERVED


@pytest.mark.parametrize("kind", ["folder", "file", "dangling"])
def test_nothing_is_replaced(desk: Desk, here: Path, kind: str) -> None:
    there = here / "rmq-door-bell"
    if kind == "folder":
        there.mkdir()
        (there / "mine").write_text("kept")
    elif kind == "file":
        there.write_text("kept")
    else:
        there.symlink_to(here / "elsewhere")
    result = desk.run("plugins", "new", "rmq-door-bell")
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert not (here / "elsewhere").exists()
    assert {path.read_text() for path in here.rglob("*") if path.is_file()} <= {"kept"}


def test_a_folder_that_cannot_be_written(desk: Desk, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def full(path: Path, text: str, encoding: str) -> int:
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return len(text)

    monkeypatch.setattr(Path, "write_text", full)
    result = desk.run("plugins", "new", "rmq-door-bell")
    assert (result.exit_code, len(written)) == (1, 3)
    assert "No space left on device" in result.stderr
    assert list(here.iterdir()) == []
