"""Who may import whom: the import-linter contracts of pyproject.toml hold, and agree with the list of hot modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import PACKAGES, ROOT, modules, pyproject

BESIDE_THE_LAYERS = {"__main__", "build_info", "config", "log"}


def contracts() -> dict[str, dict[str, list[str]]]:
    return {contract["id"]: contract for contract in pyproject()["tool"]["importlinter"]["contracts"]}


def test_every_import_contract_is_kept(tmp_path: Path) -> None:
    path = ":".join(str(folder.parent) for folder in PACKAGES.values())
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--cache-dir", str(tmp_path), "--no-logo"],
        cwd=ROOT,
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_hot_contract_names_the_hot_list() -> None:
    hot = pyproject()["tool"]["rmq"]["hot"]
    names = [pattern.removesuffix("/*.py").removesuffix(".py").replace("/", ".") for pattern in hot]
    assert contracts()["hot-plain"]["source_modules"] == names


def test_doors_forbid_every_layer_they_do_not_open() -> None:
    """A new package of the engine must be put behind, or into, the doors of plugins and HTTP dialects on purpose."""
    engine = {name for name in modules() if name.count(".") == 1 and name.startswith("rmq.")}
    engine -= {"rmq.__main__", "rmq.build_info", "rmq.log", "rmq.pem", "rmq.threads"}
    open_to = {
        "plugins-door": {"rmq.plugin_api", "rmq.testing"},
        "http-api-door": {"rmq.plugin_api", "rmq.management", "rmq.metrics", "rmq.testing"},
        "leaves": {"rmq.config"},
    }
    for door, opened in open_to.items():
        forbidden = set(contracts()[door]["forbidden_modules"])
        assert engine - opened <= forbidden, f"{door}: {sorted(engine - opened - forbidden)}"
