"""setup.py compiles where it should, says so where it cannot, and never builds anything inside the checkout."""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.architecture.sources import ROOT, hot_modules

NO_COMPILER = "/bin/false"


class FakeSetuptools(ModuleType):
    """Stands in for setuptools and keeps what setup() was asked for."""

    def __init__(self) -> None:
        super().__init__("setuptools")
        self.asked: dict[str, Any] = {}

    def setup(self, **arguments: Any) -> None:
        self.asked = arguments


class Setup:
    """Runs setup.py with a command line, without building anything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.delenv("RMQ_COMPILE", raising=False)

    def run(self, *command: str, **environment: str) -> dict[str, Any]:
        setuptools = FakeSetuptools()
        self._monkeypatch.setitem(sys.modules, "setuptools", setuptools)
        self._monkeypatch.setattr(sys, "argv", ["setup.py", *command])
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        self.names = runpy.run_path(str(ROOT / "setup.py"))
        return setuptools.asked


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Setup:
    return Setup(monkeypatch)


def test_the_hot_list_is_what_gets_compiled(setup: Setup) -> None:
    setup.run("egg_info")
    assert setup.names["hot_files"]() == sorted(str(path.relative_to(ROOT)) for path in hot_modules().values())


@pytest.mark.parametrize("command", ["egg_info", "dist_info", "editable_wheel", "sdist"])
def test_only_a_wheel_compiles(setup: Setup, command: str) -> None:
    assert setup.run(command, RMQ_COMPILE="1")["ext_modules"] == []


def test_a_plain_wheel_on_request(setup: Setup) -> None:
    assert setup.run("bdist_wheel", RMQ_COMPILE="0")["ext_modules"] == []


def test_a_plain_wheel_without_a_compiler_says_so(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.run("bdist_wheel", CC=NO_COMPILER)["ext_modules"] == []
    assert "no C compiler" in capsys.readouterr().err


def test_no_compiler_is_an_error_where_compiling_was_asked_for(setup: Setup) -> None:
    with pytest.raises(SystemExit, match="no working C compiler"):
        setup.run("bdist_wheel", CC=NO_COMPILER, RMQ_COMPILE="1")


@pytest.mark.parametrize("command", [["build_ext", "--inplace"], ["develop"]])
def test_nothing_is_compiled_into_the_checkout(setup: Setup, command: list[str]) -> None:
    with pytest.raises(SystemExit, match="never belong in a checkout"):
        setup.run(*command)


def test_building_happens_in_a_temporary_directory(setup: Setup) -> None:
    build_base = Path(setup.run("egg_info")["options"]["build"]["build_base"])
    assert build_base.is_relative_to(tempfile.gettempdir())
    assert not build_base.is_relative_to(ROOT)
