"""Traces: what is written down about whom, for how long, and that nobody listens without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rmq.hooks.points import POINTS
from rmq.management.errors import AccountExists, AccountNotFound, BadQuery, TooManyTraces
from rmq.management.traces import files as trace_files
from rmq.management.traces.traces import MAX_TRACES
from rmq.management.traces.tracing import OWNER
from rmq.mqtt.message import FROM_ADMIN, Message
from tests.unit.management.world import Peers, World


@pytest.fixture
def traced(tmp_path: Path) -> World:
    made = World()
    made.local.operations.tracing.files._folder = tmp_path / "trace"
    return made


async def log_of(world: World, name: str) -> str:
    return (await world.local.operations.tracing.read(name, 0, 100_000)).decode()


def listens(world: World) -> bool:
    return any(handle.plugin == OWNER for point in POINTS for handle in world.engine.hooks.handles(point))


async def test_what_happens_to_one_client(traced: World) -> None:
    traces = traced.service.operations.traces
    assert not listens(traced)
    await traces.create("one", "clientid", "c1")
    assert listens(traced)
    client = traced.engine.connect("c1", username="eve")
    other = traced.engine.connect("c2")
    client.subscribe(("t/#", 1))
    other.publish("t/1", b"secret", qos=1)
    client.receive_all()
    client.publish("u", b"x")
    client.disconnect()
    text = await log_of(traced, "one")
    events = [line.split("[")[1].split("]")[0] for line in text.splitlines()]
    assert events == ["CONNECT", "CONNACK", "SUBSCRIBED", "DELIVERED", "ACKED", "PUBLISH", "DISCONNECTED"]
    assert '"c1"@127.0.0.1:' in text and "secret" not in text and "payload_bytes: 6" in text and "c2" in text
    await traces.stop("one")
    assert not listens(traced)
    traced.engine.connect("c1")
    assert await log_of(traced, "one") == text


async def test_by_topic_and_by_address(traced: World) -> None:
    traces = traced.service.operations.traces
    await traces.create("topic", "topic", "t/#", payloads="text", lines="json")
    await traces.create("here", "ip_address", "127.0.0.1", payloads="hex")
    await traces.create("there", "ip_address", "10.0.0.1")
    client = traced.engine.connect("c1")
    client.publish("t/1", b"seen\n2026")
    client.publish("u/1", b"\x00\xff")
    traced.broker.publish(Message("t/2", b"", 0, False, "", origin=FROM_ADMIN))
    rows = [json.loads(line) for line in (await log_of(traced, "topic")).splitlines()]
    assert [(row["event"], row["topic"], row["clientid"]) for row in rows[:1]] == [("PUBLISH", "t/1", "c1")]
    assert rows[0]["payload"] == "seen\n2026"
    text = await log_of(traced, "here")
    assert 'payload: "00ff"' in text and "[CONNECT]" in text
    assert await log_of(traced, "there") == ""


async def test_nothing_a_client_chooses_begins_a_line(traced: World) -> None:
    await traced.service.operations.traces.create("one", "topic", "#", payloads="text")
    client = traced.engine.connect("evil\x85id")
    client.publish("a b", b"1\n2026-01-01T00:00:00 [FORGED] x")
    lines = (await log_of(traced, "one")).split("\n")
    assert len(lines) == 2 and lines[1] == "" and "\x85" not in lines[0]


async def test_it_begins_and_ends_by_itself(traced: World) -> None:
    now = traced.engine.time
    traces = traced.service.operations.traces
    made = await traces.create("later", "clientid", "c", start_at=now + 10, end_at=now + 20)
    assert made.status(now) == "waiting" and not listens(traced)
    traced.engine.advance(10.2)
    assert traces.get("later").status(traced.engine.time) == "running" and listens(traced)
    traced.engine.advance(10)
    assert traces.get("later").status(traced.engine.time) == "stopped" and not listens(traced)


@pytest.mark.parametrize(
    ("name", "kind", "value", "end", "what"),
    [
        ("../x", "clientid", "c", None, "name"),
        ("", "clientid", "c", None, "name"),
        ("x", "clientid", "", None, "clientid"),
        ("x", "topic", "a#", None, "topic"),
        ("x", "ip_address", "host", None, "ip_address"),
        ("x", "clientid", "c", 0.0, "end_at"),
        ("x", "clientid", "c", 2e9, "end_at"),
    ],
)
async def test_what_cant_be_traced(traced: World, name: str, kind: str, value: str, end: float, what: str) -> None:
    with pytest.raises(BadQuery) as refused:
        await traced.service.operations.traces.create(name, kind, value, end_at=end)  # type: ignore[arg-type]  # a text
    assert refused.value.parameter == what


async def test_there_are_so_many_and_no_more(traced: World) -> None:
    traces = traced.service.operations.traces
    for number in range(MAX_TRACES):
        await traces.create(f"t{number}", "clientid", "c")
    with pytest.raises(TooManyTraces):
        await traces.create("more", "clientid", "c")
    await traces.delete("t0")
    with pytest.raises(AccountExists):
        await traces.create("t1", "clientid", "c")
    with pytest.raises(AccountNotFound):
        await traces.stop("t0")
    await traces.clear()
    assert traces.all() == [] and not listens(traced)


async def test_a_file_is_bounded_and_goes_with_its_trace(traced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_files, "MAX_FILE", 2000)
    traces = traced.service.operations.traces
    await traces.create("one", "topic", "#")
    client = traced.engine.connect("c")
    for _ in range(50):
        client.publish("t")
    (view,) = (await traced.service.operations.trace_files()).answers
    text = await log_of(traced, "one")
    assert len(text) == view.size <= 2000 and text.endswith(trace_files.FULL.decode())
    files = traced.local.operations.tracing.files
    assert files.file("one").left_out > 10
    path = files._folder / "one.log"
    assert path.stat().st_mode & 0o777 == 0o600
    await traces.delete("one")
    assert not path.exists()
    with pytest.raises(AccountNotFound):
        await log_of(traced, "one")


async def test_the_logs_of_all_nodes(traced: World, tmp_path: Path) -> None:
    other = World(2)
    other.local.operations.tracing.files._folder = tmp_path / "other"
    traced.service._peers = Peers([other])
    for world in (traced, other):
        await world.service.operations.traces.create("one", "topic", "#")
        world.engine.connect("c").publish("t")
    operations = traced.service.operations
    files = (await operations.trace_files()).answers
    assert [view.node.node_id for view in files] == [1, 2] and all(view.size for view in files)
    assert b"[PUBLISH]" in await operations.trace_log(2, "one", 0, 1000)
    assert await operations.trace_log(2, "one", files[1].size, 1000) == b""


def test_files_that_cant_be_removed_are_told_of_and_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = trace_files.TraceFiles(tmp_path)
    (tmp_path / "old.log").write_text("line")

    def unlink(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", unlink)
    files.keep_only(set())
    assert "can't be removed" in "".join(capsys.readouterr())
    assert (files.size("old"), files.size("none"), files.changed_at("none")) == (4, 0, None)
