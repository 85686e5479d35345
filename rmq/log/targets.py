"""Where lines go: standard error, and a file that can be opened again."""

import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from structlog.typing import Processor

# A log that can't be written is told of no more often than this.
TELL_AGAIN_S: Final = 60.0


class Target(logging.StreamHandler[TextIO]):
    """A stream of lines; ``render`` makes one of an event."""

    def __init__(self, stream: TextIO, render: Processor) -> None:
        super().__init__(stream)
        self.render = render
        self._told_at = -TELL_AGAIN_S

    def handleError(self, record: logging.LogRecord) -> None:
        """A line can't be written: standard error says so, now and then; a bug in a line is told as logging does.

        Each line's stack, as logging tells it, would fill what gathers standard error when the log's disk is full.
        """
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        now = time.monotonic()
        if now < self._told_at + TELL_AGAIN_S:
            return
        self._told_at = now
        with suppress(OSError, AttributeError):  # there may be no standard error, or it is what fails
            sys.stderr.write(f"rmq-node: the log can't be written: {error.strerror or error}\n")

    def write(self, text: str) -> None:
        """Write whole lines at once."""
        self.acquire()
        try:
            self.prepare()
            self.stream.write(text)
            self.flush()
        except Exception:
            self.handleError(logging.makeLogRecord({"msg": "lines that can't be written"}))
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.prepare()
        super().emit(record)

    def prepare(self) -> None:
        """Called before each write."""


class Console(Target):
    """Standard error."""

    def __init__(self, render: Processor) -> None:
        super().__init__(sys.stderr, render)


class LogFile(Target):
    """A file that is opened again when it was rotated away, and by ``reopen``. Raises ``OSError`` at first only."""

    def __init__(self, path: Path, render: Processor) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        stream = path.open("a", encoding="utf-8")
        super().__init__(stream, render)
        self._identity = _identity(os.fstat(stream.fileno()))

    def prepare(self) -> None:
        """Look whether the file is still at its place; where it can't be opened, the old one is written on."""
        try:
            in_place = _identity(os.stat(self._path)) == self._identity
        except OSError:
            in_place = False
        if not in_place:
            try:
                self.reopen()
            except OSError:
                pass

    def reopen(self) -> None:
        """Open the file again; after an ``OSError`` the old one stays open."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        stream = self._path.open("a", encoding="utf-8")
        self.acquire()
        try:
            old = self.setStream(stream)
            self._identity = _identity(os.fstat(stream.fileno()))
        finally:
            self.release()
        if old is not None:
            _close(old)

    def close(self) -> None:
        """Close the file, for good."""
        super().close()
        _close(self.stream)


def _close(stream: TextIO) -> None:
    with suppress(OSError):  # what is left can't be written, which was told of when it was
        stream.close()


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
