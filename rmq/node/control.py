"""The control socket: commands about the cluster from this machine, one JSON line in, one JSON line out.

    {"command": "remove", "node_id": 3}      →  {"done": null}  or  {"refused": "node 3 isn't a member of the cluster"}

Who may connect is who may use the node's data: the file is its owner's only. A command goes on when whoever gave it is
gone, for half a change of the cluster is worse than one that nobody waits for.
"""

import dataclasses
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
import trio

from rmq.config import ConfigError, Problem
from rmq.management.cluster import LEAVE_RATE, ClusterControl
from rmq.management.errors import ManagementError
from rmq.net.listening_socket import ListenError, ListeningSocket, SocketOptions

log = structlog.get_logger(__name__)

MAX_CONNECTIONS: Final = 8
MAX_REQUEST_BYTES: Final = 64 * 1024
REQUEST_TIMEOUT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 5.0
# Accepting pauses so long when it fails.
ACCEPT_PAUSE_S: Final = 0.5
OWNER_ONLY: Final = 0o600

BUSY: Final = "too many commands are under way on this node"
BUG: Final = "a bug in the node: its log says more"


class BadRequest(Exception):
    """A line that is no command; the text says why."""


class ControlSocket:
    """The socket at ``path``, in the folder of the node's data. Opened once, served until cancelled or closed.

    ``count_bug`` is called for each command that failed by an exception that should not have been.
    """

    def __init__(self, path: Path, control: ClusterControl, count_bug: Callable[[], None]) -> None:
        self._path = path
        self._control = control
        self._count_bug = count_bug
        self._connections = 0
        self._listening: ListeningSocket | None = None
        self._folder: int | None = None

    def open(self) -> None:
        """Take the address; a socket of a node that was killed is replaced. Raises ``ConfigError``."""
        options = SocketOptions("", 0)
        options.mode = OWNER_ONLY
        options.backlog = MAX_CONNECTIONS
        try:
            self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
            # An address holds 107 bytes, a path far more: by its open folder every one is short.
            options.path = f"/proc/self/fd/{self._folder}/{self._path.name}"
            self._listening = ListeningSocket(options)
        except (OSError, ListenError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else str(error).rpartition(": ")[2]
            raise ConfigError([Problem("", "node.data_dir", f"{self._path}: {reason}")]) from None

    async def run(self) -> None:
        """Serve; must be open."""
        assert self._listening is not None, "not open"
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._listening.sock))
        fails = False
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:  # no descriptors left, say: it gets better
                    if not fails:
                        log.warning("the control socket can't accept", error=error.strerror)
                    fails = True
                    await trio.sleep(ACCEPT_PAUSE_S)
                else:
                    fails = False
                    nursery.start_soon(self._serve_guarded, stream)

    def close(self) -> None:
        """Give the address back."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    async def _serve_guarded(self, stream: trio.abc.Stream) -> None:
        try:
            await self.serve(stream)
        except Exception:
            log.exception("a connection to the control socket failed")
            self._count_bug()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer one request."""
        self._connections += 1
        try:
            async with stream:
                answer = await self._answer(stream)
                with trio.move_on_after(ANSWER_TIMEOUT_S):
                    await stream.send_all(answer + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # whoever asked is gone
        finally:
            self._connections -= 1

    async def _answer(self, stream: trio.abc.Stream) -> bytes:
        if self._connections > MAX_CONNECTIONS:
            return _refused(BUSY)
        try:
            done = await _run(self._control, await _request(stream))
            return json.dumps({"done": done}).encode()
        except (BadRequest, ManagementError) as error:
            return _refused(str(error))
        except trio.BrokenResourceError:
            raise
        except Exception:
            log.exception("a command to the cluster failed")
            self._count_bug()
            return _refused(BUG)


def _refused(reason: str) -> bytes:
    return json.dumps({"refused": reason}).encode()


async def _request(stream: trio.abc.Stream) -> "Request":
    line = b""
    with trio.move_on_after(REQUEST_TIMEOUT_S):
        while not line.endswith(b"\n") and len(line) <= MAX_REQUEST_BYTES:
            received = await stream.receive_some(MAX_REQUEST_BYTES)
            if not received:
                break
            line += received
    if not line.endswith(b"\n"):
        raise BadRequest(f"a request is one line of JSON, at most {MAX_REQUEST_BYTES} bytes")
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRequest("the request is no JSON") from None
    if not isinstance(request, dict):
        raise BadRequest("the request is no JSON object")
    return Request(request)


class Request:
    """What was asked for. Raises ``BadRequest`` for an argument that isn't there or isn't of the kind asked for."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """A string that isn't empty."""
        value = self._values.get(name)
        if not isinstance(value, str) or not value or "\0" in value:
            raise BadRequest(f"{name} must be a string")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._values.get(name)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise BadRequest(f"{name} must be a list of strings")
        return tuple(value)

    def path(self, name: str) -> Path:
        """An absolute path: where the node was started means nothing to whoever asks."""
        path = Path(self.text(name))
        if not path.is_absolute():
            raise BadRequest(f"{name} must be an absolute path")
        return path

    def number(self, name: str) -> int:
        """A whole number."""
        return _whole(name, self._values.get(name))

    def number_or_none(self, name: str) -> int | None:
        """The same, or nothing."""
        value = self._values.get(name)
        return None if value is None else _whole(name, value)

    def numbers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        value = self._values.get(name)
        if not isinstance(value, list):
            raise BadRequest(f"{name} must be a list of whole numbers")
        return tuple(_whole(name, one) for one in value)

    def rate(self, name: str, default: float | None = None) -> float:
        """A number."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadRequest(f"{name} must be a number")
        return float(value)

    def wish(self, name: str) -> bool:
        """true or false; false when nothing is said."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise BadRequest(f"{name} must be true or false")
        return value


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(f"{name} must be a whole number")
    return value


# One entry for each call of ClusterControl; the arguments have the names that they have there.
COMMANDS: Final[dict[str, Callable[[ClusterControl, Request], Awaitable[object]]]] = {
    "status": lambda control, request: control.status(),
    "join": lambda control, request: control.join(request.texts("members"), discard_data=request.wish("discard_data")),
    "leave": lambda control, request: control.leave(request.rate("rate", LEAVE_RATE)),
    "remove": lambda control, request: control.remove(request.number("node_id")),
    "drain": lambda control, request: control.drain(request.rate("rate")),
    "undrain": lambda control, request: control.undrain(),
    "transfer_leadership": lambda control, request: control.transfer_leadership(request.number_or_none("node_id")),
    "bootstrap": lambda control, request: control.bootstrap(request.numbers("node_ids")),
    "backup": lambda control, request: control.backup(request.path("path")),
    "restore": lambda control, request: control.restore(request.path("path")),
    "rescue_warnings": lambda control, request: control.rescue_warnings(),
    "rescue": lambda control, request: control.rescue(),
    "rebuild": lambda control, request: control.rebuild(),
}
# What only asks: no line in the log for each.
QUESTIONS: Final = frozenset({"status", "rescue_warnings"})


async def _run(control: ClusterControl, request: Request) -> object:
    name = request.text("command")
    command = COMMANDS.get(name)
    if command is None:
        raise BadRequest(f"there is no command {name!r}")
    call = command(control, request)
    if name not in QUESTIONS:
        log.info("command to the cluster", command=name)
    result = await call
    return dataclasses.asdict(result) if dataclasses.is_dataclass(result) and not isinstance(result, type) else result
