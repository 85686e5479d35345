"""The socket behind a listener: opened on an address or a path, and the options of the sockets it accepts."""

import errno
import os
import socket
import stat
from typing import Final

# How long a Unix socket that is there already may take to say that somebody listens on it.
PROBE_S: Final = 1.0


class ListenError(Exception):
    """A listener can't be opened. ``key`` is what is at fault in its configuration, the text says why."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


class SocketOptions:
    """Where to listen and how: ``path`` (a Unix socket, with its file ``mode``) or else ``host`` and ``port``."""

    __slots__ = (
        "backlog",
        "host",
        "is_ipv6",
        "mode",
        "nodelay",
        "path",
        "port",
        "reuseaddr",
        "reuseport",
        "tcp_keepalive",
    )

    def __init__(self, host: str, port: int, *, is_ipv6: bool = False) -> None:
        self.host = host
        self.port = port
        self.is_ipv6 = is_ipv6
        self.path = ""
        self.mode = 0o660
        self.backlog = 1024
        self.nodelay = True
        self.reuseaddr = True
        self.reuseport = False
        self.tcp_keepalive = True


class ListeningSocket:
    """One listening socket; ``port`` is the real one, 0 for a Unix socket. Raises ``ListenError``."""

    def __init__(self, options: SocketOptions) -> None:
        self._options = options
        self._inode = (0, 0)
        try:
            self.sock = self._open_unix() if options.path else self._open_tcp()
        except OSError as error:
            key, where = ("path", options.path) if options.path else ("addr", f"{options.host}:{options.port}")
            raise ListenError(key, f"{where}: {error.strerror or error}") from None
        self.port: int = 0 if options.path else self.sock.getsockname()[1]

    def _open_tcp(self) -> socket.socket:
        options = self._options
        sock = socket.socket(socket.AF_INET6 if options.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            if options.reuseaddr:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if options.reuseport:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setblocking(False)
            sock.bind((options.host, options.port))
            sock.listen(options.backlog)
        except OSError:
            sock.close()
            raise
        return sock

    def _open_unix(self) -> socket.socket:
        options = self._options
        _remove_stale(options.path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.bind(options.path)
            # Nobody can connect before listen(), so nobody gets in while the file has the permissions of the umask.
            os.chmod(options.path, options.mode)
            found = os.stat(options.path)
            self._inode = found.st_dev, found.st_ino
            sock.listen(options.backlog)
        except OSError:
            sock.close()
            raise
        return sock

    def prepare(self, sock: socket.socket) -> None:
        """Set the options of a connection that was accepted."""
        options = self._options
        sock.setblocking(False)
        if options.path:
            return
        if options.nodelay:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if options.tcp_keepalive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def close(self) -> None:
        """Close it; the file of a Unix socket goes with it, unless it is somebody else's by now."""
        path = self._options.path
        if path:
            try:
                found = os.stat(path)
                if (found.st_dev, found.st_ino) == self._inode:
                    os.unlink(path)
            except OSError:
                pass  # it is gone, or the folder isn't ours any more: nothing is left to be tidied up
        self.sock.close()


def _remove_stale(path: str) -> None:
    """Remove the socket that a broker left behind which was killed; raise ``OSError`` for anything else there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file that isn't a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except (TimeoutError, BlockingIOError):
            pass  # its queue is full: somebody listens
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
