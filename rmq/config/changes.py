"""Settings that were changed while the node ran: a file in its data folder, read behind the main file.

It is TOML with a line a key, ``listener.tcp.external.max_inflight = 64``: a person may read it, mend it and delete it.
"""

import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rmq.config.origins import ConfigError, Key, Problem
from rmq.config.render import toml_key, toml_value

FILE: Final = "settings.toml"
HEAD: Final = (
    "# Changed through the API. Environment and flags win over it; without this file the node has what files say."
)


def read_changes(path: Path) -> dict[Key, object]:
    """What is changed, by key; nothing where there is no file. ``ConfigError`` for one that can't be read."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"can't be read: {error.strerror or error}")]) from None
    except ValueError as error:
        raise ConfigError([Problem(str(path), "", f"is not valid TOML: {error}")]) from None
    return flat(document)


def flat(table: Mapping[str, object], under: Key = ()) -> dict[Key, object]:
    """All values of a table and of those in it, by key; an empty table is a value."""
    found: dict[Key, object] = {}
    for name, value in table.items():
        key = (*under, str(name))
        if isinstance(value, Mapping) and value:
            found.update(flat(value, key))
        else:
            found[key] = value
    return found


def write_changes(path: Path, values: Mapping[Key, object]) -> None:
    """Put these into the file in place of what it has, synced; its owner's only. Raises ``OSError``."""
    lines = [HEAD]
    lines += [f"{'.'.join(map(toml_key, key))} = {toml_value(value)}" for key, value in sorted(values.items())]
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
        temporary = ""
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        if temporary:
            os.unlink(temporary)
