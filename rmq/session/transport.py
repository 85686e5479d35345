"""What a channel may ask of the network connection that carries it; ``net`` implements it."""

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Transport:
    """The net layer's side of a channel; this base is a connection to nowhere."""

    def flush(self) -> None:
        """Hand the out-buffer to the socket now."""

    def resume_reading(self) -> None:
        """The channel is no longer paused."""

    def accepted(self) -> None:
        """The CONNECT was accepted: the handshake is over."""

    def is_held_back(self) -> bool:
        """Whether nothing is read because the client, or its listener, is over its inbound rate."""
        return False

    def certificate_name(self) -> str | None:
        """The user name that the peer's certificate gives it, empty when the certificate has none.

        None when there is no certificate, or names aren't taken from certificates here.
        """
        return None

    def abort(self) -> None:
        """Close at once; what is in the out-buffer is lost."""

    def addresses(self) -> tuple[str, int, int]:
        """The peer's host and port, and the local port."""
        return "", 0, 0
