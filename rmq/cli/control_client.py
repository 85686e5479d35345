"""Commands to a node that runs on this machine, by its control socket: one JSON line out, one back."""

import json
import os
import socket
from pathlib import Path
from typing import Final

# How long the node may take to be reached, and to answer what it knows without asking anybody.
QUICK_S: Final = 10.0
# An answer is a status of at most a few dozen nodes.
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


class NodeUnavailable(Exception):
    """The node can't be reached or gave no answer; the text says what that means for the command."""


class NotRunning(NodeUnavailable):
    """No node runs with these data."""


class Refused(Exception):
    """The node's own words about why it doesn't do what it was asked."""


def ask(path: Path, command: str, timeout_s: float | None = None, /, **arguments: object) -> object:
    """What the node at the socket ``path`` answers. Raises ``NodeUnavailable`` and ``Refused``.

    ``timeout_s``: None for what takes as long as it takes, such as moving data.
    """
    line = json.dumps({"command": command, **arguments}).encode() + b"\n"
    with _connected(path) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.sendall(line)
            answer = _line(sock)
        except TimeoutError:
            raise NodeUnavailable(f"the node at {path} doesn't answer") from None
        except OSError:
            answer = b""
    if not answer.endswith(b"\n"):
        raise NodeUnavailable(f"the node ended before it answered: whether {command} was done, its log says")
    content: dict[str, object] = json.loads(answer)
    if "done" in content:
        return content["done"]
    raise Refused(content["refused"])


def _connected(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(QUICK_S)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            # An address holds 107 bytes, a path far more: by its open folder every one is short.
            sock.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        text = f"no node that is in a cluster runs with the data in {path.parent} (say which: --id, --data-dir)"
        raise NotRunning(text) from None
    except OSError as error:
        sock.close()
        raise NodeUnavailable(f"{path}: {error.strerror or error}") from None
    return sock


def _line(sock: socket.socket) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n") and len(line) <= MAX_ANSWER_BYTES:
        received = sock.recv(65536)
        if not received:
            break
        line += received
    return bytes(line)
