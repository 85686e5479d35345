"""A checkout runs interpreted, an installed wheel runs compiled, and neither ever picks up the other's modules."""

from __future__ import annotations

import importlib.util
import os
import sys
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path

import pytest

import rmq
from rmq.build_info import build_description, is_compiled

ROOT = Path(__file__).resolve().parents[2]
EXPECT_COMPILED = os.environ.get("RMQ_EXPECT_COMPILED") == "1"


def hot_modules() -> list[str]:
    """The dotted names of the hot modules of the package under test."""
    home = Path(rmq.__file__).parent.parent
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["rmq"]["hot"]
    files = {path for pattern in patterns for path in home.glob(pattern) if path.name != "__init__.py"}
    return sorted(".".join(path.relative_to(home).with_suffix("").parts) for path in files)


def test_the_package_under_test_is_the_expected_one() -> None:
    home = Path(rmq.__file__).parent.parent
    if EXPECT_COMPILED:
        assert home.is_relative_to(sys.prefix), f"{home} is not what is installed in {sys.prefix}"
    else:
        assert home == ROOT


def test_hot_modules_were_found() -> None:
    assert {"rmq.mqtt.codes", "rmq.session.session"} <= set(hot_modules())


@pytest.mark.parametrize("name", hot_modules())
def test_every_hot_module_is_compiled_or_none_is(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert spec.origin.endswith(tuple(EXTENSION_SUFFIXES if EXPECT_COMPILED else SOURCE_SUFFIXES))


def test_build_info_tells_which() -> None:
    assert is_compiled() is EXPECT_COMPILED
    assert build_description() == ("compiled" if EXPECT_COMPILED else "interpreted")
