"""docs/deployment.md names what is there: ports, targets, profiles, files, versions."""

from __future__ import annotations

import re

from scripts.compose import NODES, PROFILES
from tests.integration.deploy.files import DEPLOY, ROOT, services, with_defaults

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def test_the_table_of_ports_is_that_of_the_compose_file() -> None:
    rows = [
        re.findall(r"127\.0\.0\.1:\d+", line) for line in PAGE.splitlines() if line.startswith(("| MQTT", "| HTTP"))
    ]
    published = [
        [with_defaults(services()[name]["ports"][which]).rpartition(":")[0] for name in (*NODES, "balancer")]
        for which in (0, 1)
    ]
    assert rows == published


def test_ports_of_what_stands_beside_are_named() -> None:
    for name in ("prometheus", "grafana"):
        (port,) = services()[name]["ports"]
        assert with_defaults(port).rpartition(":")[0] in PAGE


def test_targets_are_those_of_the_makefile() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    named = set(re.findall(r"\bmake ([a-z]+-[a-z]+)", PAGE))
    assert named >= {"compose-up", "compose-down", "compose-test"}
    assert named <= targets


def test_profiles_are_those_of_the_compose_file() -> None:
    named = set(re.findall(r"PROFILES=\"?([a-z ]+)", PAGE))
    assert {name for names in named for name in names.split()} == set(PROFILES)


def test_files_are_there() -> None:
    linked = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE)
    quoted = [path for path in re.findall(r"(?<![\w/-])(deploy/[\w./-]+)", PAGE) if path != "deploy/.env"]
    missing = [path for path in linked if not (ROOT / "docs" / path).exists()]
    missing += [path for path in quoted if not (ROOT / path).exists()]
    assert missing == []


def test_every_folder_is_on_the_page() -> None:
    folders = {path.name for path in DEPLOY.iterdir() if path.is_dir()}
    assert not [name for name in folders if f"deploy/{name}" not in PAGE]


def test_the_readme_names_the_page() -> None:
    assert "docs/deployment.md" in (ROOT / "README.md").read_text()
