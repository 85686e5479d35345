"""docs/plugins.md tells the truth: its example works, its tables are the lists of the code, its limits are real."""

import re
from pathlib import Path

import pytest

from rmq.config import Settings
from rmq.hooks import chains
from rmq.hooks.background import QUEUE_LIMIT
from rmq.hooks.points import FILTER, NOTIFY, POINTS, HookPoint
from rmq.node import PLUGINS
from rmq.plugin_api import ALLOW, DENY, UNDECIDED, ClientInfo, Plugin, PluginConfig, PluginHost
from rmq.plugin_host.running import DRAIN_TIMEOUT_S, START_TIMEOUT_S, STOP_TIMEOUT_S
from tests.support.plugins import PluginBench

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "plugins.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def row(point: HookPoint) -> str:
    failed = {NOTIFY: "—", FILTER: "value unchanged"}.get(point.kind, "no opinion")
    if point.denies_on_error:
        failed = "denial"
    may_wait = "yes" if point.may_wait else "no"
    arguments = ", ".join(point.arguments)
    return f"| `{point.name}` | {point.kind} | `({arguments})` | {may_wait} | {failed} | {point.description} |"


def test_the_table_of_hook_points_is_the_list_of_them() -> None:
    rows = re.findall(r"^\| `.*\|$", section("Hook points"), re.MULTILINE)
    assert rows == [row(point) for point in POINTS.values()]


def test_every_shipped_plugin_is_listed_with_its_file() -> None:
    assert re.findall(r"^\| `([^`]+)`.*`([^`]+)` \|$", section("Shipped plugins"), re.MULTILINE) == [
        (name, f"etc/plugins/{name}.toml") for name in PLUGINS
    ]


def test_every_call_of_the_host_is_listed() -> None:
    public = {name for name in vars(PluginHost) if not name.startswith("_")} | {"node_id", "node_name", "logger"}
    listed = section("What the host offers")
    assert {name for name in public if not re.search(rf"`{name}\b", listed)} == set()


def test_the_limits_are_the_real_ones() -> None:
    hooks = Settings().hooks
    assert f"longer than {START_TIMEOUT_S:g} s" in PROSE
    assert f"its `stop` is called, {STOP_TIMEOUT_S:g} s at most" in PROSE
    assert f"for {DRAIN_TIMEOUT_S:g} s at most" in PROSE
    assert f"`hooks.time_budget` ({hooks.time_budget * 1000:g} ms)" in PROSE
    assert f"`hooks.async_time_budget` ({hooks.async_time_budget:g} seconds at most)" in PROSE
    assert f"{QUEUE_LIMIT:,} are kept" in PROSE


def example() -> type[Plugin[PluginConfig]]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(code, "docs/plugins.md", "exec"), names)
    plugin_class = names["QuietHours"]
    assert isinstance(plugin_class, type) and issubclass(plugin_class, Plugin)
    return plugin_class


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
    plugin_class = example()
    config = plugin_class.Config()
    assert isinstance(config, PluginConfig)
    await plugin_class(config, plugin_bench.host(plugin_class.name)).start()
    client = ClientInfo(7, "c", username, 5, "192.0.2.1", 1, "tcp.external", 1883)
    assert chains.message_publish_check_acl(plugin_bench.chains, client, topic, 0, False) == verdict
    assert [(message.topic, message.payload, message.qos) for message in plugin_bench.published] == published
    assert plugin_bench.counters.hook_errors == 0
