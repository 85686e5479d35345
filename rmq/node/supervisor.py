"""Tells the service manager that the node serves, still turns, and stops: sd_notify(3), without a library for it."""

import os
import socket
from collections.abc import Mapping
from typing import Final

import structlog
import trio

log = structlog.get_logger(__name__)

# How long the manager may take to make room for what is said once. A sign of life that finds no room is left out.
SAID_ONCE_WITHIN_S: Final = 1.0


class Supervisor:
    """Whoever started the process and listens at ``NOTIFY_SOCKET``; nobody does where that isn't set.

    ``environment`` is that of the process, ``pid`` its number. What can't be said is one line in the log: a node that
    serves isn't ended by it.
    """

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._failed = False
        self.watchdog_s = _watchdog(environment, pid) if self._address else 0.0
        """The node is taken for hung when it has said nothing for so long; 0: nobody minds."""

    def ready(self, status: str) -> None:
        """The node serves; ``status`` is what `systemctl status` shows."""
        self._say(f"READY=1\nSTATUS={status}", SAID_ONCE_WITHIN_S)

    def stopping(self) -> None:
        """The node was told to stop, and does."""
        self._say("STOPPING=1\nSTATUS=stopping", SAID_ONCE_WITHIN_S)

    async def watch(self) -> None:
        """Give a sign of life twice in each watchdog interval, from trio's loop: a loop that hangs gives none."""
        while self.watchdog_s:
            self._say("WATCHDOG=1", 0.0)
            await trio.sleep(self.watchdog_s / 2)

    def _say(self, message: str, timeout_s: float) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(timeout_s)
                sender.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._failed:
                log.warning("the service manager can't be told", said=message.partition("\n")[0], error=str(error))
            self._failed = True
        else:
            self._failed = False


def _address(name: str) -> str | bytes:
    """The address of a Unix socket: a path, or after "@" a name without one (unix(7), abstract); "" is none."""
    if name.startswith("@"):
        return b"\0" + os.fsencode(name[1:])
    if name and not name.startswith("/"):
        log.warning("NOTIFY_SOCKET is no Unix socket: the service manager isn't told anything", address=name)
        return ""
    return name


def _watchdog(environment: Mapping[str, str], pid: int) -> float:
    """Seconds of the watchdog, if it is for this process (sd_watchdog_enabled(3))."""
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return 0.0
    written = environment.get("WATCHDOG_USEC", "0")
    if not (written.isascii() and written.isdigit()):
        log.warning("WATCHDOG_USEC is no number: there is no watchdog", value=written)
        return 0.0
    return int(written) / 1_000_000
