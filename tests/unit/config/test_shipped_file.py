"""etc/rmq.toml shows every key with its default, and says something about each."""

import re
import tomllib
from pathlib import Path

from rmq.config import Settings, load
from rmq.config.load import DEFAULT_FILE

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / DEFAULT_FILE


def leaves(table: dict[str, object], under: tuple[str, ...] = ()) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= leaves(value, (*under, name))
        else:
            found[".".join((*under, name))] = value
    return found


DEFAULTS = leaves(Settings().model_dump(mode="json"))


def test_the_shipped_file_has_every_key_and_no_other() -> None:
    written = leaves(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    assert sorted(written) == sorted(DEFAULTS)


def test_the_shipped_file_changes_no_default() -> None:
    assert load(SHIPPED).model_dump() == Settings().model_dump()


def test_values_are_written_the_way_they_are_printed() -> None:
    written = leaves(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    assert {key: value for key, value in written.items() if value != DEFAULTS[key]} == {}


def test_every_key_stands_below_a_comment() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+ = ", line)]
    assert len(keys) == len(DEFAULTS)
    for number in keys:
        above = number - 1
        while re.match(r"[a-z_]+ = ", lines[above]):
            above -= 1  # keys explained together stand together
        assert lines[above].startswith("# "), f"line {number + 1} has no comment: {lines[number]}"
        assert not lines[above].startswith("# ---"), f"line {number + 1} has only a heading: {lines[number]}"
