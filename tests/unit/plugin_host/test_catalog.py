"""Names become classes, and what can't be loaded is said plainly."""

import sys
from pathlib import Path

import pytest

from rmq.config import ConfigError
from rmq.node import PLUGINS
from rmq.plugin_host.catalog import ENTRY_POINT_GROUP, Catalog, CatalogError
from tests.unit.plugin_host.samples import Sample, SampleConfig

SAMPLES = "tests.unit.plugin_host.samples"


def test_a_plugin_is_loaded_by_its_name_or_rmqtts() -> None:
    catalog = Catalog({"rmq-sample": f"{SAMPLES}:Sample"})
    assert catalog.load("rmq-sample") is Sample
    assert catalog.load("rmqtt-sample") is Sample
    assert dict(catalog.models()) == {"rmq-sample": SampleConfig, "rmqtt-sample": SampleConfig}


@pytest.mark.parametrize("name", ["rmq-sample", "rmqtt-sample", "rmqtt-other", "sample"])
def test_only_rmqtts_names_of_our_plugins_are_translated(name: str) -> None:
    catalog = Catalog({"rmq-sample": f"{SAMPLES}:Sample"})
    assert catalog.canonical(name) == ("rmq-sample" if name == "rmqtt-sample" else name)


def test_a_plugin_that_is_really_called_so_keeps_its_name() -> None:
    paths = {"rmq-x": f"{SAMPLES}:Sample", "rmqtt-x": f"{SAMPLES}:Sample"}
    assert Catalog(paths).canonical("rmqtt-x") == "rmqtt-x"


@pytest.mark.parametrize(
    ("name", "path", "problem"),
    [
        ("rmq-x", "no.such.module:X", "plugin rmq-x can't be loaded: No module named 'no'"),
        ("rmq-x", f"{SAMPLES}:Gone", f"plugin rmq-x can't be loaded: {SAMPLES}:Gone isn't a plugin class"),
        ("rmq-x", SAMPLES, f"plugin rmq-x can't be loaded: {SAMPLES} isn't a plugin class"),
        ("rmq-not-a-plugin", f"{SAMPLES}:NotAPlugin", f"{SAMPLES}:NotAPlugin isn't a plugin class"),
        ("rmq-x", f"{SAMPLES}:Sample", f"plugin rmq-x can't be loaded: {SAMPLES}:Sample calls itself rmq-sample"),
    ],
)
def test_what_cannot_be_loaded_is_named(name: str, path: str, problem: str) -> None:
    with pytest.raises(CatalogError) as caught:
        Catalog({name: path}).load(name)
    assert str(caught.value).endswith(problem)


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(CatalogError, match="no plugin is called rmq-x"):
        Catalog({}).load("rmq-x")


@pytest.mark.parametrize("name", PLUGINS)
def test_every_plugin_of_a_node_can_be_loaded(name: str) -> None:
    plugin_class = Catalog(PLUGINS).load(name)
    assert plugin_class.descr
    assert plugin_class.version
    assert plugin_class.Config.model_config.get("extra") == "forbid"
    assert plugin_class.Config.model_config.get("frozen") is True
    plugin_class.Config()  # every plugin can run without a word of configuration


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution with entry points of ours and of somebody else."""
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{ENTRY_POINT_GROUP}]\nrmq-sample = {SAMPLES}:Sample\nrmq-acl = {SAMPLES}:Broken\nrmq-faulty = faulty:X\n"
        f"[other.group]\nrmq-other = {SAMPLES}:Broken\n"
    )
    (tmp_path / "faulty.py").write_text("1 / 0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.mark.usefixtures("distribution")
def test_entry_points_are_found_and_take_no_shipped_name() -> None:
    catalog = Catalog.installed(PLUGINS)
    assert {"rmq-sample", *PLUGINS} <= set(catalog.names())
    assert "rmq-other" not in catalog.names()
    assert catalog.load("rmq-sample") is Sample
    assert catalog.load("rmq-acl").__module__.startswith("rmq_plugins.")


@pytest.mark.usefixtures("distribution")
def test_code_is_imported_when_it_is_needed_and_what_is_wrong_with_it_is_one_line() -> None:
    catalog = Catalog.installed({})
    assert catalog.loaded("rmq-sample") is None
    models = catalog.models()
    assert "rmq-faulty" in models and "rmq-none" not in models and len(models) >= 2
    assert models["rmq-sample"] is SampleConfig
    assert catalog.loaded("rmq-sample") is Sample
    with pytest.raises(ConfigError) as caught:
        models["rmq-faulty"]
    (problem,) = caught.value.problems
    assert str(problem) == "plugins: plugin rmq-faulty can't be loaded: ZeroDivisionError: division by zero"
