"""What the documents of RMQTT's HTTP API say, parsed out of them by a script: operations, fields, types, keys."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from tests.support.broker_process import REPOSITORY

CONTRACT: Final[dict[str, Any]] = json.loads((REPOSITORY / "tests/contracts/rmqtt_v1.json").read_text(encoding="utf-8"))
STATS: Final[list[str]] = CONTRACT["stats_keys"]
METRICS: Final[list[str]] = CONTRACT["metrics_keys"]

# Where the documents are of two minds, or say less than they show.
NULL_TOO: Final = {"share", "version", "descr", "attrs"}
FORMATS: Final = {
    "YYYY-MM-DD HH:mm:ss": r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)?",
    "D days, H hours, m minutes, s seconds": r"\d+ days \d+ hours, \d+ minutes, \d+ seconds",
}
TYPES: Final[dict[str, tuple[type, ...]]] = {
    "Integer": (int,),
    "Float": (float,),
    "String": (str,),
    "Bool": (bool,),
    "Boolean": (bool,),
    "Array": (list,),
    "Object": (dict,),
    "Json Object": (dict,),
    "Json Objects": (dict,),
    "Json": (dict, list, str, int, float, bool, type(None)),
}


@dataclass(frozen=True)
class Field:
    """One field of an answer."""

    name: str
    type: str
    format: str | None

    def check(self, value: object) -> None:
        """Present and of its type."""
        if value is None and self.name.rpartition(".")[2] in NULL_TOO:
            return
        assert type(value) in TYPES[self.type], (self.name, self.type, value)
        if self.format is not None:
            assert isinstance(value, str) and re.fullmatch(FORMATS[self.format], value), (self.name, value)


@dataclass(frozen=True)
class Operation:
    """One endpoint: its fields without those that only name the whole answer."""

    method: str
    path: str
    parameters: tuple[str, ...]
    fields: tuple[Field, ...]
    whole: str

    @property
    def key(self) -> str:
        """What it is called in tables."""
        return f"{self.method} {self.path.removeprefix('/api/v1')}"


def _operation(raw: dict[str, Any]) -> Operation:
    fields = [Field(row["name"], row["type"], row.get("format")) for row in raw["response"]]
    inner = [field for field in fields if re.fullmatch(r"[a-z_0-9.]+", field.name) and field.name not in ("body", "id")]
    return Operation(
        raw["method"],
        raw["path"],
        tuple(parameter["name"] for parameter in raw["parameters"] if parameter["in"] == "query"),
        tuple(inner),
        fields[0].type,
    )


OPERATIONS: Final = {operation.key: operation for operation in map(_operation, CONTRACT["operations"])}


def check_row(operation: Operation, row: dict[str, Any]) -> None:
    """Every field of the operation is in the object, of its type."""
    for field in operation.fields:
        name, _, inner = field.name.partition(".")
        assert name in row, (operation.key, name, sorted(row))
        if not inner:
            field.check(row[name])
            continue
        for part in row[name]:
            field.check(part[inner])
