"""Hot modules stay what mypyc compiles well: plain synchronous classes and functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, hot_modules, imported_names, tree

FORBIDDEN_IMPORTS = {
    "asyncio",
    "dataclasses",
    "enum",
    "logging",
    "msgspec",
    "pydantic",
    "socket",
    "ssl",
    "structlog",
    "threading",
    "trio",
}
ASYNCHRONOUS = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
SLOW_BASES = {"Enum", "IntEnum", "NamedTuple", "Protocol", "TypedDict"}

each_hot_module = pytest.mark.parametrize("path", hot_modules().values(), ids=hot_modules().keys())


def lines(nodes: list[ast.AST]) -> list[int]:
    return [getattr(node, "lineno", 0) for node in nodes]


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]


def test_there_are_hot_modules() -> None:
    assert {"rmq.mqtt.framing", "rmq.session.session", "rmq.flow.publish"} <= set(hot_modules())


@each_hot_module
def test_imports_nothing_asynchronous_or_foreign(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imported_names(path)} & FORBIDDEN_IMPORTS


@each_hot_module
def test_has_nothing_asynchronous(path: Path) -> None:
    found = [node for node in ast.walk(tree(path)) if isinstance(node, ASYNCHRONOUS)]
    assert not found, f"{path}: lines {lines([*found])}"


@each_hot_module
def test_has_no_generator(path: Path) -> None:
    found = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Yield | ast.YieldFrom)]
    assert not found, f"{path}: lines {lines([*found])}"


@each_hot_module
def test_has_no_nested_function(path: Path) -> None:
    nested: list[ast.AST] = [
        inner
        for outer in functions(path)
        for inner in ast.walk(outer)
        if inner is not outer and isinstance(inner, ast.FunctionDef | ast.Lambda)
    ]
    assert not nested, f"{path}: lines {lines(nested)}"


@each_hot_module
def test_takes_no_argument_lists(path: Path) -> None:
    found: list[ast.AST] = [function for function in functions(path) if function.args.vararg or function.args.kwarg]
    assert not found, f"{path}: lines {lines(found)}"


@each_hot_module
def test_classes_are_plain_and_slotted(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
        assert not bases & SLOW_BASES, f"{path}: {node.name}"
        if not any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body):
            continue  # no attributes of its own: a port for others to subclass
        if any("Error" in base or base == "Exception" for base in bases):
            continue  # an exception is raised once in a while and carries a dict anyway
        assigned = [target for part in node.body if isinstance(part, ast.Assign) for target in part.targets]
        names = {target.id for target in assigned if isinstance(target, ast.Name)}
        assert "__slots__" in names, f"{path}: {node.name} has no __slots__"


def test_tests_of_the_wheel_do_not_ask_for_slots() -> None:
    """A compiled class has no __slots__ and cannot be made without its __init__; dir() and a real object serve both."""
    for folder in ("unit", "conformance"):
        for path in (ROOT / "tests" / folder).rglob("*.py"):
            asked = [node for node in ast.walk(tree(path)) if is_interpreted_only(node)]
            assert not asked, f"{path}: lines {lines(asked)}"


def is_interpreted_only(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and (
        node.attr == "__slots__" or (node.attr == "__new__" and isinstance(node.value, ast.Name))
    )
