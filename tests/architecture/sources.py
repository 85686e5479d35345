"""What the architecture tests look at: the project's modules, as files and as syntax trees."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# import name -> folder
PACKAGES = {
    "rmq": ROOT / "rmq",
    "rmq_cluster": ROOT / "cluster" / "rmq_cluster",
    "rmq_http_api": ROOT / "http_api" / "rmq_http_api",
    "rmq_plugins": ROOT / "plugins" / "rmq_plugins",
}


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def modules() -> dict[str, Path]:
    """Every module of the four packages: dotted name -> file; a package stands for its __init__.py."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def hot_modules() -> dict[str, Path]:
    """The modules that mypyc compiles, by [tool.rmq] hot."""
    patterns = pyproject()["tool"]["rmq"]["hot"]
    hot = {path for pattern in patterns for path in ROOT.glob(pattern) if path.name != "__init__.py"}
    return {name: path for name, path in modules().items() if path in hot}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_names(path: Path) -> set[str]:
    """The absolute dotted names that a module imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names


def docstring(path: Path) -> str:
    return ast.get_docstring(tree(path)) or ""
