"""What a connection asks of the reactor that drives it and of the listener that accepted it, as a base class."""

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

if TYPE_CHECKING:
    from rmq.net.connection import Connection


@mypyc_attr(allow_interpreted_subclasses=True)
class ConnectionOwner:
    """What a connection asks of the reactor that drives it and the listener that accepted it."""

    def watch(self, connection: "Connection") -> None:
        """What the connection waits for has changed."""

    def forget(self, connection: "Connection") -> None:
        """The connection's socket is about to be closed."""

    def lost(self, connection: "Connection", text: str) -> None:
        """The network connection ended without a DISCONNECT."""

    def limit_close(self, connection: "Connection") -> None:
        """The connection waits for its peer to take the last bytes: not for ever."""

    def handshake_over(self, connection: "Connection") -> None:
        """The CONNECT was accepted, or never will be."""

    def hold_back(self, connection: "Connection") -> None:
        """The connection has read as much as its meter allows; ``read_again`` is to be called when there is more."""

    def addresses(self, connection: "Connection") -> tuple[str, int, int]:
        """The client's host and port, as a proxy told them (``ByteLayer.source``) if one did, and the local port."""
        return "", 0, 0

    def certificate_name(self, connection: "Connection") -> str | None:
        """As ``Transport.certificate_name``."""
        return None

    def report_bug(self, connection: "Connection", where: str) -> None:
        """An exception came out of the handling of this connection; it is being handled."""
