"""Extracts the HTTP contracts from the API documents we are held to: `python -m scripts.extract_contracts FROM TO`.

FROM holds the documents, TO gets one JSON file a dialect: routes, parameters, field names, types, codes and the shapes
of the examples, and none of the documents' sentences. Tests read the JSON; tests/unit/test_contracts.py extracts again
where the documents are there, and compares.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from scripts import seed_emqx_v5, seed_markdown, seed_rst
from scripts.seed_shapes import Json

# Which document describes which dialect, by the number its file name begins with, and how it is written.
DIALECTS: dict[str, tuple[str, Callable[[str], dict[str, Json]]]] = {
    "000": ("nanomq_v1", seed_markdown.read_document),
    "001": ("nanomq_v4", seed_markdown.read_document),
    "002": ("emqx_v2", seed_rst.read_document),
    "003": ("emqx_v5", seed_emqx_v5.read_document),
    "004": ("rmqtt_v1", seed_markdown.read_document),
}
COUNTED = {"stats": "/api/v1/stats", "metrics": "/api/v1/metrics"}


def contract_of(dialect: str, document: dict[str, Json]) -> dict[str, Json]:
    """The document's content under the dialect's name, with the keys of stats and metrics as lists of their own."""
    contract: dict[str, Json] = {"dialect": dialect, **document}
    if dialect == "rmqtt_v1":
        for name, path in COUNTED.items():
            contract[f"{name}_keys"] = [*counted_keys(document, name, path)]
    return contract


def counted_keys(document: dict[str, Json], name: str, path: str) -> list[str]:
    """The names of one table of counted values."""
    operations = document["operations"]
    assert isinstance(operations, list)
    for operation in operations:
        assert isinstance(operation, dict)
        if operation["path"] == path:
            objects = operation["objects"]
            assert isinstance(objects, dict)
            rows = objects[name]
            assert isinstance(rows, list)
            return [str(row["name"]) for row in rows if isinstance(row, dict)]
    raise LookupError(f"no table of {name} below {path}")


def extract(source: Path, target: Path) -> list[Path]:
    """Write one file for every dialect whose document is in source."""
    written = []
    for number, (dialect, read_document) in DIALECTS.items():
        for path in sorted(source.glob(f"{number}_*.txt")):
            contract = contract_of(dialect, read_document(path.read_text(encoding="utf-8")))
            written.append(target / f"{dialect}.json")
            written[-1].write_text(json.dumps(contract, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return written


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: python -m scripts.extract_contracts FROM TO", file=sys.stderr)
        return 2
    source, target = map(Path, sys.argv[1:])
    written = extract(source, target)
    if not written:
        print(f"no API documents in {source}", file=sys.stderr)
        return 1
    print("\n".join(str(path) for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
