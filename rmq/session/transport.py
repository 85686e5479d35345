"""What a channel may ask of the network connection that carries it; ``net`` implements it."""

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Transport:
    """The net layer's side of a channel."""

    def flush(self) -> None:
        """Hand the out-buffer to the socket now."""

    def resume_reading(self) -> None:
        """The channel is no longer paused."""

    def abort(self) -> None:
        """Close at once; what is in the out-buffer is lost."""
