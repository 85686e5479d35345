"""Which plugins are started with which configuration, and every mistake named at once."""

import os
from pathlib import Path

import pytest

from rmq.config import ConfigError, Override, Settings, load
from rmq.plugin_host.catalog import Catalog
from rmq.plugin_host.selection import ChosenPlugin, ConfiguredPlugins, PluginChoice, choose_plugins
from tests.unit.plugin_host.samples import Broken, Sample, SampleConfig

SAMPLES = "tests.unit.plugin_host.samples"
CATALOG = Catalog(
    {"rmq-sample": f"{SAMPLES}:Sample", "rmq-broken": f"{SAMPLES}:Broken", "rmq-gone": "no.such.module:Gone"}
)


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_")]:
        monkeypatch.delenv(name)


def chosen(startups: str, **sizes: str) -> list[ChosenPlugin]:
    """``startups`` is a TOML list, ``sizes`` the configured size by plugin name."""
    overrides = [Override("--set", "plugins.default_startups", startups)]
    overrides += [Override("--set", f"plugins.{name.replace('_', '-')}.size", size) for name, size in sizes.items()]
    return choose_plugins(load(overrides=overrides), CATALOG)


def problems(startups: str, **sizes: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        chosen(startups, **sizes)
    return [str(problem) for problem in caught.value.problems]


def test_they_come_in_the_order_of_the_list() -> None:
    for names in ('["rmq-broken", "rmq-sample"]', '["rmq-sample", "rmq-broken"]'):
        classes = [choice.plugin_class.name for choice in chosen(names)]
        assert classes == [name.strip(' "') for name in names.strip("[]").split(",")]
    assert chosen("[]") == []
    assert {choice.plugin_class for choice in chosen('["rmq-sample", "rmq-broken"]')} == {Sample, Broken}


@pytest.mark.parametrize("listed", ["rmq-sample", "rmqtt-sample"])
@pytest.mark.parametrize("configured", ["rmq_sample", "rmqtt_sample"])
def test_either_name_finds_the_configuration(listed: str, configured: str) -> None:
    (choice,) = chosen(f'["{listed}"]', **{configured: "5"})
    assert choice.config == SampleConfig(size=5)


def test_without_configuration_the_defaults_hold() -> None:
    (choice,) = chosen('["rmq-sample"]')
    assert choice.config == SampleConfig()


def test_one_plugin_under_two_names_is_refused() -> None:
    assert problems('["rmqtt-sample", "rmq-sample"]') == [
        "--set: plugins.default_startups: rmqtt-sample and rmq-sample are one plugin"
    ]
    assert problems('["rmq-sample"]', rmq_sample="1", rmqtt_sample="2") == [
        "--set: plugins.rmqtt-sample: is the same plugin as rmq-sample, which is configured too"
    ]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    assert problems('["rmq-gone", "rmq-sample", "rmq-unknown"]', rmq_sample='"big"') == [
        "--set: plugins.default_startups: plugin rmq-gone can't be loaded: No module named 'no'",
        '--set: plugins.rmq-sample.size: must be a whole number, not "big"',
        "--set: plugins.default_startups: no plugin is called rmq-unknown",
    ]


def test_what_is_written_is_neither_checked_nor_filled_up() -> None:
    overrides = [Override("--set", "plugins.rmqtt-sample.size", '"${ENV:SIZE}"')]
    choice = ConfiguredPlugins(CATALOG, load(overrides=overrides), Settings)
    assert choice.written("rmq-sample", {}) == {"size": "${ENV:SIZE}"}
    assert choice.written("rmq-sample", {"size": 5, "kept": True}) == {"size": 5, "kept": True}
    assert choice.written("rmq-broken", {}) == {}
    given = PluginChoice(chosen('["rmq-sample"]', rmq_sample="7"))
    assert (given.written("rmq-sample", {}), given.written("rmq-sample", {"size": 8})) == ({"size": 7}, {"size": 8})
