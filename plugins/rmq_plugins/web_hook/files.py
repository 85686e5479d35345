"""Events appended to a file, one JSON object a line."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit


def path_of(url: str) -> Path:
    """The file that a ``file://`` URL names."""
    return Path(unquote(urlsplit(url).path))


def append(path: Path, events: Sequence[bytes]) -> None:
    """Write events; the file is opened anew each time, so that it may be moved away. Blocks; raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"\n".join(events) + b"\n")
