"""Answers as tables for people or JSON for programs, on standard output."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import click

from rmq.ctl.table import Table, facts
from rmq.ctl.text import shown

Row = Mapping[str, Any]
Cells = Sequence[tuple[str, Callable[[Row], object]]]

# What JSON may hold raw and a terminal must not: DEL, the C1 controls, and what turns the direction of writing.
_UNSAFE: Final = re.compile("[\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ud800-\\udfff]")


def room() -> int | None:
    """How many columns there are: those of the terminal; None where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_lines(lines: Iterable[str]) -> None:
    """All of them with one write: tables can be long."""
    text = "\n".join(lines)
    if text:
        click.echo(text)


def print_json(value: object) -> None:
    """One value, indented."""
    click.echo(_json(value, indent=2))


def print_json_line(value: object) -> None:
    """One value on one line."""
    click.echo(_json(value, indent=None))


def print_rows_as_json(pages: Iterable[Sequence[object]]) -> None:
    """A long list as one JSON array, a row a line, as its pages come."""
    separator = "["
    for page in pages:
        for row in page:
            click.echo(f"{separator}\n{_json(row, indent=None)}", nl=False)
            separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def print_table(cells: Cells, pages: Iterable[Sequence[Row]], right: Iterable[str] = ()) -> None:
    """Rows as a table, as their pages come: each title with how a row's cell is found."""
    table = Table([title for title, _ in cells], right, room())
    is_first = True
    for page in pages:
        if page or is_first:
            print_lines(table.lines([[shown(cell(row)) for _, cell in cells] for row in page]))
        is_first = False


def print_facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line."""
    print_lines(facts([(name, shown(value)) for name, value in pairs]))


def of(key: str) -> Callable[[Row], object]:
    """The cell with the value of a key."""
    return lambda row: row[key]


def _json(value: object, indent: int | None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
