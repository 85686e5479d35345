"""Reads EMQX's document of version 5: tables of codes as every document in Markdown, and its examples beside them."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from urllib.parse import urlsplit

from scripts import seed_markdown
from scripts.seed_shapes import Json, read_json, shape_of

_BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_REQUEST = re.compile(r"^# (GET|POST|PUT|DELETE) (/\S+)\n")


def read_document(text: str) -> dict[str, Json]:
    """The codes; ``commands`` as they are written, each with the shape of its answer; ``errors`` that are shown."""
    document = seed_markdown.read_document(text)
    blocks = [block.strip() for block in _BLOCK.findall(text)]
    commands: list[Json] = []
    errors: list[Json] = []
    for block, following in pairwise([*blocks, ""]):
        request = _REQUEST.match(block)
        if request is not None:
            known, body = read_json(block[request.end() :])
            assert known, block
            errors.append({"method": request[1], "path": request[2], "body": body})
        elif block.startswith("curl "):
            known, answer = read_json(following)
            commands.append(_command(block, shape_of(answer) if known else None))
    return {**document, "commands": commands, "errors": errors}


def _command(text: str, answer: Json) -> Json:
    words = shlex.split(text.replace("\\\n", " "))
    options = [(option, value) for option, value in pairwise(words) if option in ("-u", "-X", "-H", "-d")]
    url = urlsplit(next(word for word in words if word.startswith("http")))
    known, body = read_json(dict(options).get("-d", ""))
    return {
        "method": dict(options)["-X"],
        "path": url.path,
        "user": dict(options)["-u"],
        "headers": [value for option, value in options if option == "-H"],
        "body": body if known else None,
        "answer": answer,
    }
