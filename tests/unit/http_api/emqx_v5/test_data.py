"""/data: exported, listed, downloaded, uploaded, imported, deleted; and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rmq.engine.bans import KIND as BAN
from rmq.management.accounts.api_keys import NewApiKey
from rmq.management.queries import Paging
from rmq.management.requests import PublishRequest
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import Peers, World


def world_in(folder: Path, node_id: int = 1, peers: Peers | None = None) -> World:
    world = World(node_id, peers)
    world.local.operations.data_files.folder = folder / f"exports-{node_id}"
    return world


@pytest.fixture
def api(tmp_path: Path) -> Iterator[V5]:
    made = V5(world_in(tmp_path))
    yield made
    assert made.bugs == 0


async def fill(world: World) -> None:
    await world.service.api_keys.create(NewApiKey("script", "administrator"))
    await world.service.bans.create("clientid", "bad")
    await world.local.accounts.create("login_secret", "tokens", b"secret")
    full = PublishRequest(
        ("t/ü",),
        b"\0payload",
        1,
        retain=True,
        message_expiry_interval=100,
        payload_format=0,
        content_type="text",
        response_topic="r",
        correlation_data=b"\xff",
        user_properties=(("a", "1"), ("a", "2")),
    )
    await world.service.publish(full)
    await world.service.publish(PublishRequest(("t/2",), b"2", 0, retain=True))


def form(name: str, content: bytes) -> dict[str, object]:
    """What ``curl -F filename=@file`` sends."""
    request = httpx.Request("POST", "http://x", files={"filename": (name, content)})
    return {"content": request.read(), "headers": {"content-type": request.headers["content-type"]}}


async def test_what_is_exported_is_imported_elsewhere(api: V5, tmp_path: Path) -> None:
    await fill(api.world)
    answer = await api.ask("POST", "/data/export")
    assert answer.status_code == 200
    file = answer.json()
    assert file["node"] == "node-1" and file["size"] > 0
    assert file["filename"].startswith("rmq-export-2023-11-14-22-13-20.") and file["filename"].endswith(".gz")
    assert file["created_at"] == "2023-11-14T22:13:20+00:00" and file["created_at_sec"] == 1_700_000_000
    content = (await api.ask("GET", f"/data/files/{file['filename']}")).content
    assert b"login_secret" not in gzip.decompress(content)

    other = V5(world_in(tmp_path, 2))
    assert (await other.ask("POST", "/data/files", **form("mine.gz", content))).status_code == 204  # type: ignore[arg-type]  # keyword arguments of two kinds
    assert (await other.ask("POST", "/data/import", json={"filename": "mine.gz"})).status_code == 204
    for kind in ("api_key", BAN):
        accounts = [(a.name, a.value) for a in other.world.local.accounts.all(kind)]
        assert accounts == [(a.name, a.value) for a in api.world.local.accounts.all(kind)] and accounts
    assert other.world.local.accounts.all("login_secret") == []
    before = (await api.world.service.retained("#", Paging(after=""))).items
    after = (await other.world.service.retained("#", Paging(after=""))).items
    assert [(m.topic, m.payload, m.qos, m.expires_at, m.properties) for m in after] == [
        (m.topic, m.payload, m.qos, m.expires_at, m.properties) for m in before
    ]
    assert len(after) == 2
    assert (await other.ask("POST", "/data/import", json={"filename": "mine.gz"})).status_code == 204, "once more"


async def test_what_is_there_is_overwritten_and_the_rest_stays(api: V5) -> None:
    keys = api.world.service.api_keys
    await keys.create(NewApiKey("a", description="then"))
    file = (await api.ask("POST", "/data/export")).json()["filename"]
    await keys.delete("a")
    await keys.create(NewApiKey("a", description="now"))
    await keys.create(NewApiKey("b"))
    assert (await api.ask("POST", "/data/import", json={"filename": file})).status_code == 204
    assert [(key.name, key.description) for key in keys.all()] == [("a", "then"), ("b", "")]


async def test_expired_messages_are_left_out(api: V5) -> None:
    await fill(api.world)
    file = (await api.ask("POST", "/data/export")).json()["filename"]
    for topic in ("t/ü", "t/2"):
        await api.world.service.delete_retained(topic)
    api.world.engine.advance(200)
    assert (await api.ask("POST", "/data/import", json={"filename": file})).status_code == 204
    assert [m.topic for m in (await api.world.service.retained("#")).items] == ["t/2"]


async def test_files_are_listed_newest_first_and_deleted(api: V5) -> None:
    assert await api.get("/data/files") == {"data": [], "meta": {"page": 1, "limit": 100, "count": 0, "hasnext": False}}
    names = []
    for _ in range(3):
        names.append((await api.ask("POST", "/data/export")).json()["filename"])
        api.world.engine.advance(1)
    page = await api.get("/data/files?page=1&limit=2")
    assert page["meta"] == {"page": 1, "limit": 2, "count": 3, "hasnext": True}
    assert {row["node"] for row in page["data"]} == {"node-1"}
    assert (await api.ask("DELETE", f"/data/files/{names[0]}?node=node-1")).status_code == 204
    assert sorted(row["filename"] for row in (await api.get("/data/files"))["data"]) == names[1:]
    assert problem(await api.ask("DELETE", f"/data/files/{names[0]}")) == (404, "NOT_FOUND")
    assert problem(await api.ask("GET", f"/data/files/{names[0]}")) == (404, "NOT_FOUND")


async def test_files_of_other_nodes(tmp_path: Path) -> None:
    other = world_in(tmp_path, 2)
    await fill(other)
    file = await other.service.data.export()
    api = V5(world_in(tmp_path, 1, Peers([other])))
    assert [(row["filename"], row["node"]) for row in (await api.get("/data/files"))["data"]] == [(file.name, "node-2")]
    content = (await api.ask("GET", f"/data/files/{file.name}?node=node-2")).content
    assert len(content) == file.size and gzip.decompress(content)
    assert problem(await api.ask("GET", f"/data/files/{file.name}")) == (404, "NOT_FOUND")
    answer = await api.ask("POST", "/data/import", json={"filename": file.name, "node": "node-2"})
    assert answer.status_code == 204
    assert [key.name for key in api.world.service.api_keys.all()] == ["script"]
    assert [row["node"] for row in (await api.get("/data/files"))["data"]] == ["node-2"], "nothing is left behind"
    assert (await api.ask("DELETE", f"/data/files/{file.name}?node=2")).status_code == 204
    assert problem(await api.ask("GET", f"/data/files/{file.name}?node=nobody")) == (400, "BAD_REQUEST")


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # else it holds the time, and so do the names of the tests


def lines(*rows: object) -> bytes:
    return packed(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


HEAD = {"rmq_export": 1}
ACCOUNT = {"account": {"kind": "x", "name": "n", "value": "e30="}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        packed(b""),
        packed(b"not json\n"),
        packed(b"[" * 100_000 + b"\n"),
        lines({"rmq_export": 2}),
        lines(HEAD),
        lines(HEAD, {"end": {"accounts": 1, "retained": 0}}),
        lines(HEAD, {"account": {"kind": "login_secret", "name": "n", "value": ""}}),
        lines(HEAD, {"account": {"kind": "user", "name": "n", "value": "bm8="}}),
        lines(HEAD, {"account": {"kind": "user", "name": 1, "value": "e30="}}),
        lines(HEAD, {"retained": {"topic": "a/#"}}),
        lines(HEAD, {"what": 1}),
        lines(HEAD, 1),
        lines(HEAD, ACCOUNT, {"end": {"accounts": 1, "retained": 0}})[:-12],
    ],
)
async def test_what_isnt_whole_isnt_taken(api: V5, content: bytes) -> None:
    assert problem(await api.ask("POST", "/data/files", **form("bad.gz", content))) == (400, "BAD_REQUEST")  # type: ignore[arg-type]  # keyword arguments of two kinds
    folder = api.world.local.operations.data_files.folder
    assert folder is not None and list(folder.iterdir()) == []
    (folder / "bad.gz").write_bytes(content)
    assert problem(await api.ask("POST", "/data/import", json={"filename": "bad.gz"})) == (400, "BAD_REQUEST")
    assert api.world.broker.state.accounts.count == 0


@pytest.mark.parametrize("name", ["../x.gz", "a.tar", ".hidden.gz", "a/b.gz", "%2e%2e.gz", "x" * 200 + ".gz", "ü.gz"])
async def test_names_lead_nowhere_else(api: V5, name: str) -> None:
    good = lines(HEAD, {"end": {"accounts": 0, "retained": 0}})
    assert problem(await api.ask("POST", "/data/files", **form(name, good)))[0] == 400  # type: ignore[arg-type]  # keyword arguments of two kinds
    assert problem(await api.ask("POST", "/data/import", json={"filename": name}))[0] == 400
    path = httpx.URL("http://x").copy_with(path=f"/data/files/{name.replace('/', '%2F')}").raw_path.decode()
    assert problem(await api.ask("GET", path))[0] in (400, 404)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"--b\r\n\r\n", b'--b\r\nfilename="a.gz"\r\n\r\nx', b"--b\r\n\r\nx\r\n--b--\r\n"]
)
async def test_an_upload_is_a_form_with_a_file(api: V5, content: bytes) -> None:
    assert problem(await api.ask("POST", "/data/files", content=content)) == (400, "BAD_REQUEST")


async def test_a_node_without_a_disk_keeps_no_files() -> None:
    api = V5()
    assert problem(await api.ask("POST", "/data/export")) == (400, "BAD_REQUEST")
    assert problem(await api.ask("POST", "/data/import", json={"filename": "a.gz"})) == (400, "BAD_REQUEST")
    assert (await api.get("/data/files"))["data"] == []
