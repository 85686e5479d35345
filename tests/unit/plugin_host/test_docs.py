"""docs/plugins.md tells the truth: its example works, its table of hook points is the real one."""

import re
from pathlib import Path

import trio

from rmq.hooks import chains
from rmq.hooks.points import POINTS
from rmq.plugin_api import ALLOW, DENY, UNDECIDED, ClientInfo, Plugin, PluginConfig, PluginHost
from rmq.plugin_host.manager import START_TIMEOUT_S, STOP_TIMEOUT_S, PluginManager
from rmq.plugin_host.selection import ChosenPlugin
from tests.support.plugins import PluginBench

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "plugins.md").read_text(encoding="utf-8")
CLIENT = ClientInfo(7, "c1", None, 5, "192.0.2.1", 1, "tcp.external", 1883)


def example() -> type[Plugin[PluginConfig]]:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(code, "docs/plugins.md", "exec"), names)
    plugin_class = names["ShallowTopics"]
    assert isinstance(plugin_class, type) and issubclass(plugin_class, Plugin)
    return plugin_class


async def test_the_example_works(plugin_bench: PluginBench, nursery: trio.Nursery) -> None:
    plugin_class = example()
    config = plugin_class.Config.model_validate({"max_levels": 2})
    assert isinstance(config, PluginConfig)
    manager = PluginManager(plugin_bench.services, [ChosenPlugin(plugin_class, config)])
    plugin_bench.host("other").on("message_publish_check_acl", lambda client, topic, qos, retain: ALLOW, priority=19)
    await manager.start(nursery)
    asked = ["a", "a/b", "a/b/c"]
    verdicts = [chains.message_publish_check_acl(plugin_bench.chains, CLIENT, topic, 0, False) for topic in asked]
    assert verdicts == [ALLOW, ALLOW, DENY]
    chains.client_connected(plugin_bench.chains, CLIENT)
    (message,) = plugin_bench.published
    assert (message.topic, message.payload, message.qos) == ("greetings/tcp.external", b"c1", 1)
    await manager.stop()
    assert plugin_bench.counters.hook_errors == 0
    assert chains.message_publish_check_acl(plugin_bench.chains, CLIENT, "a/b/c", 0, False) == ALLOW
    plugin_bench.registry.unregister_plugin("other")
    assert chains.message_publish_check_acl(plugin_bench.chains, CLIENT, "a/b/c", 0, False) == UNDECIDED


def test_the_table_of_hook_points_is_complete() -> None:
    rows = [row.strip("|").split("|") for row in TEXT.splitlines() if re.match(r"\| `\w+` \|", row)]
    written = {row[0].strip(" `"): tuple(cell.strip() for cell in row[1:]) for row in rows if len(row) == 5}
    expected = {}
    for point in POINTS.values():
        answer = "–"
        if point.answer is not None:
            answer = "verdict" if point.answer is int else f"{point.answer.__name__} or None"
        arguments = ", ".join(point.arguments) or "–"
        expected[point.name] = (arguments, answer, "yes" if point.may_wait else "no", point.description)
    assert written == expected


def test_every_call_of_the_host_is_listed() -> None:
    public = {name for name in vars(PluginHost) if not name.startswith("_")} | {"node_id", "node_name", "logger"}
    listed = TEXT[TEXT.index("## What the host offers") : TEXT.index("## Hook points")]
    assert {name for name in public if not re.search(rf"`{name}\b", listed)} == set()


def test_the_limits_are_the_real_ones() -> None:
    assert f"longer than {START_TIMEOUT_S:g} s" in TEXT
    assert f"{STOP_TIMEOUT_S:g} s each" in TEXT
