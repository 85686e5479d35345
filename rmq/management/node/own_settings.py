"""The settings of this node: read and changed while it runs; and the stand-in of a node without files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rmq.management.errors import SettingsRefused


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What became of a change, by key: what is in force now, and what will be when the node is started again."""

    applied: tuple[str, ...] = ()
    after_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingsOfAll:
    """The same of all nodes; ``failed``: a sentence for each of those where it isn't so."""

    after_restart: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class SettingsControl(Protocol):
    """Settings by key (``listener.tcp.external.addr``, ``plugins.rmq-acl.priority``), as a person would write them."""

    def values(self) -> Mapping[str, object]:
        """All of them as tables in tables, with what is changed and waits for a restart; secrets masked."""

    async def change(self, changes: Mapping[str, object]) -> SettingsChange:
        """Change these by key, all or none, and keep that over a restart; None: as the node's files have it.

        What only a start can do waits for the next one. ``SettingsRefused`` where a value is wrong, a key isn't to be
        changed so, or whoever is told can't do it: nothing is changed then. ``SettingsNotKept`` when they can't be
        written. Not for what all nodes share, nor for other nodes: these are the settings of one.
        """


class NoSettings:
    """A node that somebody's program made: that program has its settings."""

    def values(self) -> Mapping[str, object]:
        """None."""
        return {}

    async def change(self, changes: Mapping[str, object]) -> SettingsChange:
        """Refused."""
        raise SettingsRefused(
            "; ".join(f"{key}: this node was made by a program, which has its settings" for key in changes)
        )
