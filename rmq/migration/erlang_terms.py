"""Terms of Erlang as text, each with a full stop behind it: acl.conf of EMQX. Tuples, lists, texts, atoms, numbers."""

import re
from collections.abc import Iterator
from typing import Final

from rmq.migration.findings import MigrationError

MOST_DEPTH: Final = 32
_TOKEN: Final = re.compile(
    r"""\s+|%[^\n]*|(?P<text>"(?:[^"\\]|\\.)*")|(?P<binary><<\s*"(?:[^"\\]|\\.)*"(?:/utf8)?\s*>>)"""
    r"""|(?P<number>-?\d+)|(?P<atom>[a-z][A-Za-z0-9_@]*|'(?:[^'\\]|\\.)*')|(?P<mark>[{}\[\],.])"""
)


class Atom(str):
    """A name, where a text is a text."""

    __slots__ = ()


Term = object
"""A tuple, a list, a text, an ``Atom`` or a whole number."""


def terms(text: str, name: str) -> list[Term]:
    """All terms of a file; ``MigrationError`` with its ``name`` and the line where it can't be read."""
    tokens = list(_tokens(text, name))
    reader = _Reader(tokens, name)
    found: list[Term] = []
    while not reader.is_done():
        found.append(reader.term(0))
        reader.expect(".")
    return found


def _tokens(text: str, name: str) -> Iterator[tuple[str, str, int]]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        line = text.count("\n", 0, place) + 1
        if found is None:
            raise MigrationError(f"{name}: line {line}: isn't a term of Erlang")
        place = found.end()
        if found.lastgroup is not None:
            yield found.lastgroup, found[0], line


class _Reader:
    def __init__(self, tokens: list[tuple[str, str, int]], name: str) -> None:
        self._tokens = tokens
        self._name = name
        self._place = 0

    def is_done(self) -> bool:
        return self._place >= len(self._tokens)

    def term(self, depth: int) -> Term:
        kind, text, line = self._next()
        if kind == "mark" and text in "{[" and depth < MOST_DEPTH:
            inner = self._until("}" if text == "{" else "]", depth + 1)
            return tuple(inner) if text == "{" else inner
        if kind == "text":
            return _unquoted(text)
        if kind == "binary":
            return _unquoted(text[text.index('"') : text.rindex('"') + 1])
        if kind == "number":
            return int(text)
        if kind == "atom":
            return Atom(_unquoted(text) if text.startswith("'") else text)
        raise MigrationError(f"{self._name}: line {line}: {text} is out of place")

    def expect(self, mark: str) -> None:
        kind, text, line = self._next()
        if kind != "mark" or text != mark:
            raise MigrationError(f"{self._name}: line {line}: {mark} is missing before {text}")

    def _until(self, end: str, depth: int) -> list[Term]:
        found: list[Term] = []
        if self._peek() == end:
            self._next()
            return found
        while True:
            found.append(self.term(depth))
            if self._peek() == end:
                self._next()
                return found
            self.expect(",")

    def _peek(self) -> str:
        return "" if self.is_done() else self._tokens[self._place][1]

    def _next(self) -> tuple[str, str, int]:
        if self.is_done():
            raise MigrationError(f"{self._name}: ends in the middle of a term")
        self._place += 1
        return self._tokens[self._place - 1]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
