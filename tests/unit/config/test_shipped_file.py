"""etc/rmq.toml shows every key with its default, and says something about each.

Keys that all kinds of listener have stand in the table of tcp only; kinds without a default listener have a table to
start from, each of its lines behind a # without a space.
"""

import re
import tomllib
from pathlib import Path

import pytest

from rmq.config import Settings, load
from rmq.config.listener_kinds import DEFAULT_ADDRESSES, MODELS, listener_defaults
from rmq.config.load import DEFAULT_FILE

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / DEFAULT_FILE
TEXT = SHIPPED.read_text(encoding="utf-8")
WITH_EXAMPLES = re.sub(r"^#(?=\S)", "", TEXT, flags=re.MULTILINE)
WS = "listener.ws.external."


def leaves(table: dict[str, object], under: tuple[str, ...] = ()) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= leaves(value, (*under, name))
        else:
            found[".".join((*under, name))] = value
    return found


def keys_of(kind: str) -> set[str]:
    return set(MODELS[kind].model_fields)


DEFAULTS = leaves(Settings().model_dump(mode="json"))
WRITTEN = leaves(tomllib.loads(TEXT))


def test_the_shipped_file_has_every_key_and_no_other() -> None:
    of_all_kinds = {WS + key for key in keys_of("tcp") - {"addr"}}
    assert sorted(WRITTEN) == sorted(set(DEFAULTS) - of_all_kinds)


@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [("tls", "external", {"tcp"}), ("wss", "external", {"tls", "ws"}), ("unix", "local", {"tcp"})],
)
def test_the_examples_have_every_key_of_their_kind(kind: str, name: str, known: set[str]) -> None:
    example: dict[str, object] = tomllib.loads(WITH_EXAMPLES)["listener"][kind][name]
    model = MODELS[kind]
    required = {key for key, field in model.model_fields.items() if field.is_required()}
    assert set(example) == required | keys_of(kind) - set().union(*(keys_of(other) for other in known))
    defaults = listener_defaults(kind)
    assert {key: value for key, value in example.items() if key not in required and value != defaults[key]} == {}
    if "addr" in example:
        assert example["addr"] == str(DEFAULT_ADDRESSES[kind])


def test_the_shipped_file_changes_no_default() -> None:
    assert load(SHIPPED).model_dump() == Settings().model_dump()


def test_values_are_written_the_way_they_are_printed() -> None:
    assert {key: value for key, value in WRITTEN.items() if value != DEFAULTS[key]} == {}


def test_every_key_stands_below_a_comment() -> None:
    lines = TEXT.splitlines()
    key_line = re.compile(r"#?[a-z_]+ = ")
    keys = [number for number, line in enumerate(lines) if key_line.match(line)]
    assert len(keys) == len(leaves(tomllib.loads(WITH_EXAMPLES)))
    for number in keys:
        above = number - 1
        while key_line.match(lines[above]) or re.match(r"#?\[listener\.", lines[above]):
            above -= 1  # keys explained together stand together, and what a table is for stands above it
        assert lines[above].startswith("# "), f"line {number + 1} has no comment: {lines[number]}"
        assert not lines[above].startswith("# ---"), f"line {number + 1} has only a heading: {lines[number]}"
