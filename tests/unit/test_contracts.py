"""The extracted HTTP contracts are complete, agree with themselves, and with the documents where these are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.extract_contracts import DIALECTS, extract
from scripts.seed_shapes import Json

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "tests" / "contracts"
SEEDS = ROOT.parent / "shared" / "seeds"

Entry = dict[str, Json]


def contract(dialect: str) -> Entry:
    loaded: Entry = json.loads((CONTRACTS / f"{dialect}.json").read_text(encoding="utf-8"))
    return loaded


def entries(value: Json) -> list[Entry]:
    """A list of objects, as the type checker wants to be told."""
    assert isinstance(value, list)
    return [entry for entry in value if isinstance(entry, dict)]


def operations(dialect: str) -> dict[str, Entry]:
    return {f"{entry['method']} {entry['path']}": entry for entry in entries(contract(dialect)["operations"])}


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the API documents are not at hand; the extracted contracts stand alone")
def test_a_new_extraction_gives_the_same(tmp_path: Path) -> None:
    written = extract(SEEDS, tmp_path)
    assert {path.name for path in written} == {f"{dialect}.json" for dialect, _ in DIALECTS.values()}
    for path in written:
        assert path.read_text(encoding="utf-8") == (CONTRACTS / path.name).read_text(encoding="utf-8"), path.name


def test_rmqtt_routes_are_complete() -> None:
    routes = operations("rmqtt_v1")
    assert len(routes) == 27
    assert {method for method, _, _ in (route.partition(" ") for route in routes)} == {"GET", "POST", "PUT", "DELETE"}
    for route, operation in routes.items():
        assert entries(operation["response"]), route
        assert entries(operation["examples"]), route


def test_every_placeholder_of_a_path_is_a_parameter_and_nothing_else_is() -> None:
    for route, operation in operations("rmqtt_v1").items():
        named = {entry["name"] for entry in entries(operation["parameters"]) if entry["in"] == "path"}
        placeholders = {part.strip("{}") for part in str(operation["path"]).split("/") if part.startswith("{")}
        assert named == placeholders, route


def test_defaults_and_required_parameters_are_read() -> None:
    parameters = entries(operations("rmqtt_v1")["POST /api/v1/mqtt/publish"]["parameters"])
    publish = {str(entry["name"]): entry for entry in parameters}
    assert {name for name, entry in publish.items() if entry["required"]} == {"payload"}
    assert {name: entry["default"] for name, entry in publish.items() if "default" in entry} == {
        "clientid": "system",
        "encoding": "plain",
        "qos": 0,
        "retain": False,
    }


@pytest.mark.parametrize(("table", "count"), [("stats", 14), ("metrics", 19)])
def test_counted_keys_are_those_of_the_example(table: str, count: int) -> None:
    keys = contract("rmqtt_v1")[f"{table}_keys"]
    assert isinstance(keys, list)
    assert len(set(map(str, keys))) == count
    example = entries(operations("rmqtt_v1")[f"GET /api/v1/{table}"]["examples"])[0]
    answer = entries(example["response"])[0]
    shape = answer[table]
    assert isinstance(shape, dict)
    assert set(shape) == set(map(str, keys))


def test_client_fields_of_the_table_cover_the_example() -> None:
    operation = operations("rmqtt_v1")["GET /api/v1/clients"]
    described = {str(entry["name"]) for entry in entries(operation["response"])}
    shape = entries(entries(operation["examples"])[0]["response"])[0]
    assert set(shape) <= described


def test_no_sentence_of_the_documents_is_kept() -> None:
    def texts(value: Json) -> list[str]:
        if isinstance(value, dict):
            return [text for key, item in value.items() if key != "format" for text in (key, *texts(item))]
        if isinstance(value, list):
            return [text for item in value for text in texts(item)]
        return [value] if isinstance(value, str) else []

    for path in CONTRACTS.glob("*.json"):
        for text in texts(contract(path.stem)):
            assert len(text.split()) <= 5, f"{path.name}: {text}"
