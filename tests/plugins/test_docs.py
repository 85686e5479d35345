"""docs/plugins.md tells the truth: its table is that of the hook points, its example works, its limits are real."""

import re
from pathlib import Path

import pytest

from rmq.config import Settings
from rmq.hooks import chains
from rmq.hooks.background import QUEUE_LIMIT
from rmq.hooks.points import FILTER, NOTIFY, POINTS, HookPoint
from rmq.hooks.registry import ASYNC_TIME_BUDGET_S
from rmq.node import PLUGINS
from rmq.plugin_api import ALLOW, DENY, UNDECIDED, ClientInfo, Plugin, PluginConfig
from tests.support.plugins import PluginBench

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())


def row(point: HookPoint) -> str:
    if point.denies_on_error:
        failed = "denial"
    elif point.kind == NOTIFY:
        failed = "—"
    else:
        failed = "value unchanged" if point.kind == FILTER else "no opinion"
    arguments = ", ".join(point.arguments)
    may_wait = "yes" if point.may_wait else "no"
    return f"| `{point.name}` | {point.kind} | `({arguments})` | {may_wait} | {failed} | {point.description} |"


def test_the_table_is_the_list_of_hook_points() -> None:
    assert re.findall(r"^\| `[a-z]+_.*\|$", PAGE, re.MULTILINE) == [row(point) for point in POINTS.values()]


def test_every_shipped_plugin_is_listed_with_its_file() -> None:
    assert set(re.findall(r"^\| `(rmq-[a-z-]+)`", PAGE, re.MULTILINE)) == set(PLUGINS)
    for name in PLUGINS:
        assert f"`etc/plugins/{name}.toml`" in PAGE


def test_the_limits_are_those_of_the_code() -> None:
    assert f"`hooks.time_budget` ({Settings().hooks.time_budget * 1000:g} ms)" in PROSE
    assert f"{ASYNC_TIME_BUDGET_S:g} seconds at most" in PROSE
    assert f"{QUEUE_LIMIT:,} are kept" in PROSE


def example() -> tuple[type[Plugin[PluginConfig]], PluginConfig]:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, type[Plugin[PluginConfig]]] = {"__name__": "example"}  # type: ignore[dict-item]  # a module's name
    exec(compile(source, "docs/plugins.md", "exec"), names)
    plugin = names["QuietHours"]
    config = plugin.Config()
    assert isinstance(config, PluginConfig)
    return plugin, config


@pytest.mark.parametrize(
    ("topic", "username", "verdict", "published"),
    [
        ("alarms/fire", "operator", ALLOW, []),
        ("alarms/fire", "guest", DENY, [("audit/alarms", b"somebody tried", 1)]),
        ("weather", "guest", UNDECIDED, []),
    ],
)
async def test_the_example_does_what_it_says(
    plugin_bench: PluginBench, topic: str, username: str, verdict: int, published: list[tuple[str, bytes, int]]
) -> None:
    plugin_class, config = example()
    plugin = plugin_class(config, plugin_bench.host(plugin_class.name))
    await plugin.start()
    client = ClientInfo(7, "c", username, 5, "192.0.2.1", 1, "tcp.external", 1883)
    assert chains.message_publish_check_acl(plugin_bench.chains, client, topic, 0, False) == verdict
    assert [(m.topic, m.payload, m.qos) for m in plugin_bench.published] == published
    assert plugin_bench.counters.hook_errors == 0
