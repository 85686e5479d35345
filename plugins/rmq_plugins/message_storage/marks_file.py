"""The marks on disk: a line of JSON for each change, the last one counts; written anew when most lines are old.

Everything here blocks. The time of the file tells when the node was last alive.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rmq_plugins.message_storage.marks import CLOSED, ENTERING, LIVE, Mark, Marks

# More lines than this, and four times as many as there are marks: written anew.
_LINES: Final = 10_000

Row = tuple[str, str, int, int, int]


def row_of(client_id: str, topic_filter: str, mark: Mark | None) -> Row:
    """A mark as it is written; its state is -1 where it is gone."""
    if mark is None:
        return client_id, topic_filter, -1, 0, 0
    return client_id, topic_filter, mark.state, mark.until, mark.left


class MarksFile:
    """``path`` is there from ``read`` on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        self._fd = -1

    def read(self, marks: Marks) -> float:
        """Read all of them; answers when the node was last alive, in seconds since 1970, 0 if it never was."""
        try:
            alive_at = self._path.stat().st_mtime
            with self._path.open("rb") as file:
                for line in file:
                    _take(marks, line)
        except FileNotFoundError:
            alive_at = 0.0
        marks.changed.clear()
        return alive_at

    def write(self, rows: Iterable[Row]) -> None:
        """Add changes; raises ``OSError``."""
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        lines = [json.dumps(row, ensure_ascii=True).encode() + b"\n" for row in rows]
        # A line that a full disk has torn is ended first.
        os.write(self._fd, b"\n" + b"".join(lines))
        self._lines += len(lines)

    def is_long(self, count: int) -> bool:
        """Whether it should be written anew."""
        return self._lines > _LINES + 4 * count

    def write_anew(self, rows: Iterable[Row]) -> None:
        """Write these rows and no others; raises ``OSError``, and the file is as it was."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            lines = 0
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")
                lines += 1
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        self.close()
        self._lines = lines

    def alive(self, now: float) -> None:
        """The node is alive; raises ``OSError``."""
        os.utime(self._path, (now, now))

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _take(marks: Marks, line: bytes) -> None:
    try:
        match json.loads(line):
            case [str(client_id), str(topic_filter), -1, *_]:
                if topic_filter in marks.of(client_id):
                    marks.remove(client_id, topic_filter)
            case [str(client_id), str(topic_filter), int(state), int(until), int(left)] if state in (
                CLOSED,
                ENTERING,
                LIVE,
            ):
                marks.put(client_id, topic_filter, Mark(state, until, left))
    except ValueError:
        return  # torn by a crash
