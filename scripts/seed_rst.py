"""Reads an API document in reStructuredText: each definition with its JSON blocks, and the table of codes."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from scripts.seed_shapes import Json, read_json, shape_of

_DEFINITION = re.compile(r"^Definition::\s+(GET|POST|PUT|DELETE)\s+(\S+)", re.MULTILINE)
_BLOCK = re.compile(
    r"^(Req\w+ parameters|Response):\s+\.\. code-block:: \w+[^\n]*\n((?:[ \t][^\n]*\n|\s*\n)+)", re.MULTILINE
)
_CODE_ROW = re.compile(r"^\|\s*(\d+)\s*\|", re.MULTILINE)
_PORT = re.compile(r"https?\S*?://[\w.]+:(\d+)/")


def read_document(text: str) -> dict[str, Json]:
    """Everything this reader understands of one document."""
    starts = list(_DEFINITION.finditer(text))
    ends = [found.start() for found in starts[1:]] + [len(text)]
    operations = [_operation(found, text[found.end() : end]) for found, end in zip(starts, ends, strict=True)]
    return {
        "ports": [*sorted({int(port) for port in _PORT.findall(text)})],
        "codes": {"result": [int(code) for code in _CODE_ROW.findall(text)]},
        "operations": [*operations],
    }


def _operation(found: re.Match[str], rest: str) -> dict[str, Json]:
    url = urlsplit(found[2])
    operation: dict[str, Json] = {"method": found[1], "path": "/" + url.path.strip("/")}
    if url.query:
        operation["query"] = [name for name, _ in parse_qsl(url.query)]
    for kind, block in _BLOCK.findall(rest):
        known, value = read_json(block)
        if known:
            operation["request" if kind.startswith("Req") else "response"] = shape_of(value)
    return operation
