"""A disk that fails on demand, in place of the ``os`` of the modules that write."""

from __future__ import annotations

import errno
import os
from types import ModuleType

import pytest


class FaultyDisk(ModuleType):
    """``os`` with faults. ``room`` is how many bytes may still be written (None: any number), as on a full disk:
    what fits is written first. ``at_most`` limits one write. ``calls`` lists what was called, of the calls that write.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
        super().__init__("os")
        self.room: int | None = None
        self.at_most = 0
        self.calls: list[str] = []
        self._failing: dict[str, int] = {}
        for module in modules:
            monkeypatch.setattr(f"{module}.os", self)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def fail(self, call: str, number: int) -> None:
        """Have a call of ``os`` fail with this ``errno`` until it is mended."""
        self._failing[call] = number

    def mend(self, *calls: str) -> None:
        """Have calls work again; all of them if none is named."""
        for call in calls or list(self._failing):
            self._failing.pop(call, None)

    def _meet(self, call: str) -> None:
        self.calls.append(call)
        number = self._failing.get(call)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int, /) -> int:
        self._meet("pwrite")
        part = memoryview(data)
        if self.at_most:
            part = part[: self.at_most]
        if self.room is not None:
            part = part[: self.room]
            if not part and len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room -= len(part)
        return os.pwrite(fd, part, offset)

    def ftruncate(self, fd: int, length: int, /) -> None:
        self._meet("ftruncate")
        os.ftruncate(fd, length)

    def fdatasync(self, fd: int, /) -> None:
        self._meet("fdatasync")
        os.fdatasync(fd)

    def fsync(self, fd: int, /) -> None:
        self._meet("fsync")
        os.fsync(fd)

    def pread(self, fd: int, length: int, offset: int, /) -> bytes:
        self._meet("pread")
        return os.pread(fd, length, offset)
