"""HOCON as NanoMQ and EMQX write it; the only file that knows pyhocon.

A file may include others by name; what would be fetched from elsewhere is refused.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from pyhocon import ConfigFactory
from pyhocon.exceptions import ConfigException
from pyparsing import ParseBaseException

from rmq.migration.files import beside, read_text
from rmq.migration.findings import MigrationError

# include url("…"), package("…") and the like, and names that are addresses.
_REMOTE: Final = re.compile(
    r"""^[^#\n]*\binclude\s+(?:required\s*\(\s*)?(?:(?:url|package|classpath)\s*\(|(?:file\s*\(\s*)?"[^"\n]*://)""",
    re.MULTILINE,
)
# include "name", include file("name"), include required("name"), in a line that is no comment up to there.
_INCLUDED: Final = re.compile(
    r"""^([^#\n]*\binclude\s+(?:required\s*\(\s*)?(?:file\s*\(\s*)?")([^"\n]+)(")""", re.MULTILINE
)
MOST_DEPTH: Final = 32


def read_hocon(path: Path) -> dict[str, object]:
    """A file as tables within tables; ``MigrationError`` says where it isn't HOCON."""
    return parsed(path, read_text(path), path.parent)


def parsed(path: Path, text: str, folder: Path | None) -> dict[str, object]:
    """The same of its text; includes are looked for in ``folder``, None: there are none."""
    if _REMOTE.search(text):
        raise MigrationError(f"{path}: includes something from elsewhere: put it into the file")
    if folder is not None:
        text = _INCLUDED.sub(lambda found: found[1] + _included(path, found[2]) + found[3], text)
    elif _INCLUDED.search(text):
        raise MigrationError(f"{path}: includes a file, and there is none beside it")
    try:
        tree = ConfigFactory.parse_string(text, basedir=None if folder is None else str(folder), resolve=True)
    except (ConfigException, ParseBaseException, OSError, RecursionError, ValueError) as error:
        line = getattr(error, "lineno", 0)
        raise MigrationError(f"{path}: {f'line {line}: ' if line else ''}isn't HOCON that can be read") from None
    found = _plain(tree, 0)
    if not isinstance(found, dict):
        raise MigrationError(f"{path}: isn't a table of settings")
    return found


def _included(path: Path, named: str) -> str:
    """Where a file is that another one includes: what isn't there would be left out without a word."""
    found = beside(path, named)
    if not found.exists():
        raise MigrationError(f"{path}: includes {named}, which isn't there: copy it beside {path.name}")
    return str(found.absolute())


def _plain(value: object, depth: int) -> object:
    if depth > MOST_DEPTH:
        raise MigrationError("tables within tables without end")
    if isinstance(value, Mapping):
        return {str(name).strip('"'): _plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, timedelta):
        milliseconds = round(value.total_seconds() * 1000)
        return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
