"""What the process uses, and figures under NanoMQ's names."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from tests.unit.http_api.nanomq import NanoApi

NAMES = {
    *(
        f"nanomq_{name}_{what}"
        for name in ("connections", "sessions", "topics", "subscribers")
        for what in ("count", "max")
    ),
    *(f"nanomq_messages_{what}" for what in ("received", "sent", "dropped")),
    *(f"nanomq_{name}" for name in ("memory_usage", "memory_usage_max", "cpu_usage", "cpu_usage_max")),
}


async def figures(nano: NanoApi) -> dict[str, float]:
    answer = await nano.ask("GET", "/api/v4/prometheus")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    assert all(family.documentation for family in families)
    return {sample.name: sample.value for family in families for sample in family.samples}


async def test_every_figure_has_its_name(nano: NanoApi) -> None:
    text = (await nano.ask("GET", "/api/v4/prometheus")).text
    assert {line.split()[0] for line in text.splitlines() if not line.startswith("#")} == NAMES
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert kinds.keys() == NAMES
    assert {name for name, kind in kinds.items() if kind == "counter"} == {n for n in NAMES if "_messages_" in n}


async def test_figures_follow_what_clients_do(nano: NanoApi) -> None:
    engine = nano.world.engine
    client = engine.connect("a")
    client.subscribe(("t", 0), ("u", 0))
    gone = engine.connect("gone", expiry=100)
    await nano.get("/api/v1/stats")  # counted now
    gone.disconnect()
    client.publish("t", b"x")
    client.publish("nobody", b"x")
    await nano.get("/api/v1/stats")  # counted now
    found = await figures(nano)
    expected = {
        "connections_count": 1,
        "connections_max": 2,
        "sessions_count": 2,
        "sessions_max": 2,
        "topics_count": 2,
        "topics_max": 2,
        "subscribers_count": 2,
        "subscribers_max": 2,
        "messages_received": 2,
        "messages_sent": 1,
        "messages_dropped": 1,
    }
    shown = {name.removeprefix("nanomq_").removesuffix("_total"): value for name, value in found.items()}
    assert {name: shown[name] for name in expected} == expected
    assert shown["memory_usage_max"] >= shown["memory_usage"] > 1_000_000
    assert shown["cpu_usage_max"] >= shown["cpu_usage"] >= 0


async def test_what_the_process_uses(nano: NanoApi) -> None:
    found = await nano.get("/api/v4/metrics")
    assert found.keys() == {"code", "metrics", "cpuinfo", "memory"}
    assert (found["code"], found["metrics"]) == (0, [])
    assert re.fullmatch(r"\d+\.\d\d%", found["cpuinfo"]) and int(found["memory"]) > 1_000_000
    nano.world.engine.advance(1_000_000)  # what was used since is nothing beside that
    assert (await nano.get("/api/v4/metrics"))["cpuinfo"] == "0.00%"
