"""What is installed with rmq is exactly what its modules import."""

from __future__ import annotations

import re
import sys

from tests.architecture.sources import PACKAGES, imported_names, modules, pyproject

# distribution -> import names, where they differ
IMPORT_NAMES = {
    "argon2-cffi": {"argon2"},
    "confluent-kafka": {"confluent_kafka"},
    "google-re2": {"re2"},
    "mypy-extensions": {"mypy_extensions"},
    "nats-py": {"nats"},
    "prometheus-client": {"prometheus_client"},
    "pydantic": {"pydantic", "pydantic_core"},
    "pyjwt": {"jwt"},
    "typing-extensions": {"typing_extensions"},
}

# The one library whose private names we use: another version is another library. See rmq_cluster.raft.library.
PINNED = ["pysyncobj==0.3.17"]

# Extras that a plugin needs, or some of its configurations do, and whether rmq imports them itself.
RUNTIME_EXTRAS = {"kafka": True, "mysql": False, "postgresql": False, "redis": True}

# pytest is what loads this module, so it is there: nobody who runs a node needs it.
PYTEST_PLUGIN = "rmq.testing.pytest_plugin"


def import_names(entries: list[str]) -> list[set[str]]:
    """Of each requirement."""
    names = [re.split(r"[\s\[<>=!~;]", entry, maxsplit=1)[0] for entry in entries]
    return [IMPORT_NAMES.get(name, {name}) for name in names]


def declared() -> list[set[str]]:
    """The import names of each dependency of everybody's."""
    return import_names(pyproject()["project"]["dependencies"])


def optional() -> list[set[str]]:
    """The import names of the extras that rmq imports."""
    extras = pyproject()["project"]["optional-dependencies"]
    return [names for extra, imports in RUNTIME_EXTRAS.items() if imports for names in import_names(extras[extra])]


def imported() -> set[str]:
    names = {
        found.partition(".")[0]
        for module, path in modules().items()
        for found in imported_names(path) - ({"pytest"} if module == PYTEST_PLUGIN else set())
    }
    return names - set(sys.stdlib_module_names) - set(PACKAGES)


def test_whatever_is_imported_is_declared() -> None:
    assert imported() <= set().union(*declared(), *optional())


def test_whatever_is_declared_is_imported() -> None:
    for names in [*declared(), *optional()]:
        assert imported() & names, names


def test_extras_are_installed_for_the_tests() -> None:
    extras = pyproject()["project"]["optional-dependencies"]
    assert extras.keys() == {*RUNTIME_EXTRAS, "test", "lint"}
    for extra in RUNTIME_EXTRAS:
        assert set(extras[extra]) <= set(extras["test"])


def test_every_dependency_has_a_lower_bound_and_no_upper_one() -> None:
    project = pyproject()["project"]
    for entries in (project["dependencies"], *project["optional-dependencies"].values()):
        for entry in entries:
            if entry in PINNED:
                continue
            assert ">=" in entry, entry
            assert "<" not in entry, entry
            assert "==" not in entry, entry
