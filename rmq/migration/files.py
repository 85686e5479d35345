"""Files of others: bounded in size, text that is UTF-8, and what is wrong in one line."""

from pathlib import Path
from typing import Final

from rmq.migration.findings import MigrationError

MOST_BYTES: Final = 512 * 1024 * 1024
MOST_TEXT: Final = 32 * 1024 * 1024


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """All of a file; ``MigrationError`` if it can't be read, or is too large."""
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except OSError as error:
        raise MigrationError(f"{path}: can't be read: {error.strerror or error}") from None
    if len(found) > most:
        raise MigrationError(f"{path}: has more than {most} bytes")
    return found


def read_text(path: Path) -> str:
    """All of a text file."""
    return decoded(path, read_bytes(path, MOST_TEXT))


def decoded(path: Path, content: bytes) -> str:
    """Bytes of a file as its text."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise MigrationError(f"{path}: line {line}: isn't UTF-8") from None


def beside(path: Path, named: str) -> Path:
    """A file that another one names: as it says, or of that name beside it, where files were copied together."""
    asked = Path(named)
    if not asked.is_absolute():
        return path.parent / asked
    return asked if asked.exists() or not (path.parent / asked.name).exists() else path.parent / asked.name
