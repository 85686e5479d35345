"""Reads an API document in Markdown: operations, their parameters, answers and examples, and the tables of codes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

from scripts.seed_shapes import Json, read_json, shape_of

_HEADING = re.compile(r"^#+\s+(.*)$")
_OPERATION = re.compile(r"^(?:.*\|\s*)?(GET|POST|PUT|DELETE)\s+(/\S+)$")
_SEPARATOR = re.compile(r"^\|?\s*:?-+:?\s*(\|\s*:?-*:?\s*)+$")
_FORMAT = re.compile(r'\bformat\s*(?:of|in)?\s*"([^"]+)"')
_VALUES = re.compile(r"values are\s*(.*)$")
_SEE = re.compile(r"\[((?:GET|POST|PUT|DELETE) /\S+?)\]")
_CODE = re.compile(r"^[A-Z0-9_]+$")
_WORD = re.compile(r"^[\w.-]+$")
_CODE_COLUMNS = {"status code": "http", "codes": "http", "return code": "result", "error codes": "error"}
_PLACES = {
    "path parameters": "path",
    "query string parameters": "query",
    "parameters (json)": "body",
    "success response body (json)": "response",
    "success response body (string)": "response",
}

Row = dict[str, str]


class Operation:
    """One route as the document describes it."""

    def __init__(self, method: str, path: str) -> None:
        self.method = method
        self.path = path
        self.parameters: list[dict[str, Json]] = []
        self.fields: list[dict[str, Json]] = []
        self.objects: dict[str, list[dict[str, Json]]] = {}
        self.examples: list[dict[str, Json]] = []

    def as_json(self) -> dict[str, Json]:
        parts: dict[str, Json] = {"method": self.method, "path": self.path}
        parts["parameters"] = [*self.parameters]
        parts["response"] = [*self.fields]
        if self.objects:
            parts["objects"] = {name: [*fields] for name, fields in self.objects.items()}
        parts["examples"] = [*self.examples]
        return parts

    def is_empty(self) -> bool:
        return not (self.parameters or self.fields or self.examples)


def read_document(text: str) -> dict[str, Json]:
    """Everything this reader understands of one document."""
    reader = _Reader(text.splitlines())
    reader.read()
    operations = [operation for operation in reader.operations if not operation.is_empty()]
    ports = sorted({int(port) for port in re.findall(r"https?://[\w.]+:(\d+)/", text)})
    return {
        "ports": [*ports],
        "codes": {kind: [*codes] for kind, codes in reader.codes.items()},
        "operations": [operation.as_json() for operation in operations],
    }


class _Reader:
    """Walks the lines once; knows which operation and which table it is in."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self._operation: Operation | None = None
        self._shared_route: tuple[str, str] | None = None  # one route for several commands, told apart by a field
        self._label = ""
        self.operations: list[Operation] = []
        self.codes: dict[str, list[int | str]] = {}

    def read(self) -> None:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            heading = _HEADING.match(line)
            if heading:
                self._enter(heading[1].strip(" *:"), shared="|" in heading[1])
            elif line.lstrip().startswith("$ curl"):
                self._read_example()
                continue
            elif self._is_table_here():
                self._read_table()
                continue
            elif line.strip() and "|" not in line:
                self._label = line.strip().strip("*").split(":")[0].strip("* ").lower()
            self._at += 1

    def _enter(self, title: str, shared: bool) -> None:
        found = _OPERATION.match(title)
        if found:
            route = (found[1], found[2])
            self._shared_route = route if shared else None
        elif self._shared_route and not title.lower().startswith("example"):
            route = self._shared_route
        else:
            if not title.lower().startswith("example"):
                self._operation = None
            return
        self._operation = Operation(*route)
        self.operations.append(self._operation)
        self._label = ""

    def _is_table_here(self) -> bool:
        following = self._lines[self._at + 1] if self._at + 1 < len(self._lines) else ""
        return "|" in self._lines[self._at] and _SEPARATOR.match(following) is not None

    def _rows(self) -> Iterator[Row]:
        names = [name.lower() for name in _cells(self._lines[self._at], 99) if name]
        self._at += 2
        while self._at < len(self._lines) and "|" in self._lines[self._at]:
            cells = _cells(self._lines[self._at], len(names))
            cells += [""] * (len(names) - len(cells))
            yield dict(zip(names, cells, strict=False))
            self._at += 1

    def _read_table(self) -> None:
        rows = list(self._rows())
        first_column = next(iter(rows[0])) if rows else ""
        if first_column in _CODE_COLUMNS:
            codes = self.codes.setdefault(_CODE_COLUMNS[first_column], [])
            for row in rows:
                code = row[first_column]
                if _CODE.match(code):
                    codes.append(int(code) if code.isdigit() else code)
        elif self._operation is not None and first_column == "name":
            self._add_table(self._operation, rows)

    def _add_table(self, operation: Operation, rows: list[Row]) -> None:
        place = _PLACES.get(self._label)
        if place == "response":
            operation.fields += [_field(row) for row in rows]
        elif place is not None or not operation.fields:
            operation.parameters += [_parameter(row, place or "query") for row in rows]
        else:
            operation.objects[self._label] = [_field(row) for row in rows]

    def _read_example(self) -> None:
        words = self._command()
        answer: list[str] = []
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip()
            if line.startswith("```") or line.lstrip().startswith("$ curl") or _HEADING.match(line):
                break
            answer.append(line)
            self._at += 1
        if self._operation is not None:
            self._operation.examples.append(_example(words, "\n".join(answer)))

    def _command(self) -> list[str]:
        """The words of a shell command that may go on over several lines."""
        text = self._lines[self._at].strip().removeprefix("$ ")
        self._at += 1
        while True:
            try:
                if not text.endswith("\\"):
                    return shlex.split(text)
            except ValueError:  # a quotation goes on in the next line
                pass
            if self._at >= len(self._lines):
                return text.split()
            text = f"{text.removesuffix(chr(92))}\n{self._lines[self._at]}"
            self._at += 1


def _cells(line: str, count: int) -> list[str]:
    """The cells of a table's row; bars in the last one, the description, are part of it."""
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|", count - 1)]


def _field(row: Row) -> dict[str, Json]:
    field: dict[str, Json] = {"name": _name(row["name"]), "type": row.get("type", "")}
    return field | _details(row)


def _parameter(row: Row, place: str) -> dict[str, Json]:
    parameter: dict[str, Json] = {"in": place, "name": _name(row["name"]), "type": row.get("type", "")}
    parameter["required"] = row.get("required", "").lower() in {"true", "required"}
    for column in ("default", "value"):
        if _WORD.match(row.get(column, "")):
            known, literal = read_json(row[column])
            parameter[column] = literal if known else row[column]
    return parameter | _details(row)


def _details(row: Row) -> dict[str, Json]:
    """What of a description is data: a format, the values of an enumeration, the route described elsewhere."""
    description = row.get("description", "")
    details: dict[str, Json] = {}
    if found := _FORMAT.search(description):
        details["format"] = found[1]
    if row.get("type") == "Enum" and (found := _VALUES.search(description)):
        details["values"] = [*re.findall(r"[\w-]+", found[1])]
    if found := _SEE.search(description):
        details["see"] = found[1]
    return details


def _name(text: str) -> str:
    return re.sub(r"^(?:\[0\]|\{\})?\.(?=\w)", "", text.removeprefix("-").strip("` "))


# Stands for the body in the command of an example.
BODY = "<body>"


def _example(words: list[str], answer: str) -> dict[str, Json]:
    options = dict(zip(words, [*words[1:], ""], strict=True))
    url = urlsplit(next(word for word in words if word.startswith("http")))
    example: dict[str, Json] = {"method": options.get("-X", "GET"), "path": url.path}
    if url.query:
        example["query"] = [name for name, _ in parse_qsl(url.query)]
    known, body = read_json(options.get("-d", ""))
    # As it was written, but for its body, which is data of its own.
    example["command"] = [BODY if known and before == "-d" else word for before, word in pairwise(["", *words])]
    if known:
        example["request"] = shape_of(body)
        example["body"] = body
    known, body = read_json(answer)
    example["response"] = shape_of(body) if known else "text"
    return example
