"""Every file has one job, says which in its first line, is short, and stands on its package's map."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, docstring, modules, tree

LONGEST_FILE = 400
LONGEST_FIRST_LINE = 120
# Programs that talk to a terminal; everything else logs.
TERMINAL_PROGRAMS = ("rmq.cli", "rmq.bench")

each_module = pytest.mark.parametrize(("name", "path"), modules().items(), ids=modules().keys())


@each_module
def test_is_short_enough_to_have_one_job(name: str, path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE, name


@each_module
def test_first_line_says_the_job(name: str, path: Path) -> None:
    first = docstring(path).partition("\n")[0].strip()
    assert first, f"{name} has no docstring"
    assert len(first) <= LONGEST_FIRST_LINE, name
    assert first[-1] in ".:;,)" or first.endswith("?"), f"{name}: not a sentence: {first}"


@each_module
def test_package_docstring_is_a_map(name: str, path: Path) -> None:
    if path.name != "__init__.py":
        return
    inside = {found.stem for found in path.parent.glob("*.py")} - {"__init__", "__main__"}
    inside |= {found.parent.name for found in path.parent.glob("*/__init__.py")}
    text = docstring(path)
    missing = sorted(module for module in inside if not re.search(rf"\b{re.escape(module)}\b", text))
    assert not missing, f"{name} does not say what these are for: {missing}"


@each_module
def test_library_code_prints_nothing(name: str, path: Path) -> None:
    if name.startswith(TERMINAL_PROGRAMS):
        return
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    assert not prints, f"{name}: lines {prints}"


def test_every_folder_of_modules_is_a_package() -> None:
    for path in modules().values():
        assert (path.parent / "__init__.py").exists(), path.parent


def test_no_compiled_module_lies_in_the_checkout() -> None:
    for folder in {path.parent for path in modules().values()} | {ROOT}:
        assert not [*folder.glob("*.so"), *folder.glob("*.pyd")], folder
