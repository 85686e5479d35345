"""Interpreted classes derive only from compiled ones that allow it: of any other no object can be made, in a wheel."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import hot_modules, modules, tree

ALLOWS = "allow_interpreted_subclasses"


def compiled_classes() -> dict[str, dict[str, bool]]:
    """By hot module and name: whether an interpreted class may derive from it."""
    return {
        module: {node.name: allows(node) for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)}
        for module, path in hot_modules().items()
    }


def allows(node: ast.ClassDef) -> bool:
    return any(
        keyword.arg == ALLOWS and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
    )


def bases_of(path: Path) -> Iterator[tuple[str, str, str]]:
    """Class, module and name of each base that the file imports by name."""
    module = tree(path)
    origin = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id in origin:
                    yield node.name, *origin[base.id]


def test_interpreted_classes_derive_from_what_allows_it() -> None:
    compiled = compiled_classes()
    hot = set(hot_modules().values())
    found = []
    for path in modules().values():
        if path in hot:
            continue
        for name, module, base in bases_of(path):
            if compiled.get(module, {}).get(base) is False:
                found.append(f"{path}: {name} derives from {module}.{base}")
    assert not found, "\n".join(found)


def test_bases_are_recognized() -> None:
    """The one that the listener derives from, so that the test above cannot see nothing and pass."""
    assert compiled_classes()["rmq.net.connection_owner"]["ConnectionOwner"] is True
    assert any(not allowed for classes in compiled_classes().values() for allowed in classes.values())
