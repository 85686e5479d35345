"""Stopping and restarting this node; and the stand-in of a node in somebody's program."""

from typing import Protocol

from rmq.management.errors import NotInCharge


class LifeControl(Protocol):
    """Both return at once, and what they ask for begins when who asked can have had an answer.

    A node ends in good order: clients are told, what is kept is written, a member leaves its work to others.
    """

    def stop(self) -> None:
        """End the process."""

    def restart(self) -> None:
        """End, and begin again with the configuration as it is then."""


class NoLife:
    """A node in a program, which lives as long as that wants."""

    def stop(self) -> None:
        """Refused."""
        raise NotInCharge

    def restart(self) -> None:
        """Refused."""
        raise NotInCharge
