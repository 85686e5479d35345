"""What entries of all bridges have: a stream of messages from a topic here to one there, or the other way."""

import abc
import zlib
from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field

from rmq.plugin_api import PluginConfig, is_valid_topic_filter
from rmq_plugins.bridges.config import BridgeBaseConfig, Qos

# How many bridges there may be, and entries of one: each is a session.
MAX_BRIDGES: Final = 100
MAX_ENTRIES: Final = 100
MAX_SKIPPED: Final = 100


def entry_key(*parts: str) -> str:
    """A short name that is the same as long as these are."""
    return f"{zlib.crc32(repr(parts).encode()):08x}"


def _is_unshared_filter(text: str) -> str:
    if not is_valid_topic_filter(text) or text.startswith("$share/"):
        raise ValueError(f"{text!r} isn't a topic filter")
    return text


def shared_filter(bridge: str, entry_key: str, topic_filter: str) -> str:
    """A filter as several connections of an entry have it together."""
    return f"$share/rmq-bridge-{bridge}-{entry_key}/{topic_filter}"


class EntryBaseConfig(PluginConfig, abc.ABC):
    """One stream of messages, in order."""

    @property
    @abc.abstractmethod
    def ends(self) -> tuple[str, str]:
        """Where its messages come from and where they go, as the configuration has it."""

    @property
    @abc.abstractmethod
    def key(self) -> str:
        """What tells it from the others of its bridge: as long as that stays, so does what waits."""

    @property
    def description(self) -> str:
        """What only one entry of a bridge may be."""
        return " to ".join(self.ends)

    @property
    def label(self) -> str:
        """What it is called where its figures are shown."""
        return " -> ".join(self.ends)


class LocalFilterConfig(PluginConfig):
    """What of this node's goes out."""

    topic_filter: Annotated[str, AfterValidator(_is_unshared_filter)]


class EgressRemoteConfig(PluginConfig):
    """How it is published there."""

    topic: str
    skip_levels: Annotated[int, Field(ge=0, le=MAX_SKIPPED)] = 0


class EgressEntryConfig(EntryBaseConfig):
    """An entry of messages that go out; bridges have a ``remote`` of their own."""

    local: LocalFilterConfig
    remote: EgressRemoteConfig

    @property
    def ends(self) -> tuple[str, str]:
        """The filter here, the name there."""
        return self.local.topic_filter, self.remote.topic

    @property
    def key(self) -> str:
        """Of these three, so that what else is changed keeps what waits."""
        return entry_key(*self.ends, str(self.remote.skip_levels))

    @property
    def description(self) -> str:
        """Its ends, and what is left out of names on the way."""
        return f"{super().description}, {self.remote.skip_levels} skipped"


class IngressRemoteConfig(PluginConfig):
    """What comes from there."""

    topic: str


class IngressLocalConfig(PluginConfig):
    """How it is published here; without ``qos`` and ``retain`` as it came."""

    topic: str
    qos: Qos | None = None
    retain: bool | None = None


class IngressEntryConfig(EntryBaseConfig):
    """An entry of messages that come in; bridges have a ``remote`` and a ``local`` of their own."""

    remote: IngressRemoteConfig
    local: IngressLocalConfig

    @property
    def ends(self) -> tuple[str, str]:
        """The name or filter there, the name here."""
        return self.remote.topic, self.local.topic


E = TypeVar("E", bound=EntryBaseConfig)
B = TypeVar("B", bound=BridgeBaseConfig)


def _are_different(names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValueError(f"{name} stands there twice")


def _are_other_entries(entries: tuple[E, ...]) -> tuple[E, ...]:
    _are_different([entry.description for entry in entries])
    return entries


def _are_other_bridges(bridges: tuple[B, ...]) -> tuple[B, ...]:
    _are_different([bridge.name for bridge in bridges])
    return bridges


Entries = Annotated[
    tuple[E, ...], Field(strict=False, min_length=1, max_length=MAX_ENTRIES), AfterValidator(_are_other_entries)
]
# Where somebody changes them while the node runs there may be none for now.
AnyEntries = Annotated[tuple[E, ...], Field(strict=False, max_length=MAX_ENTRIES), AfterValidator(_are_other_entries)]
AllBridges = Annotated[tuple[B, ...], Field(strict=False, max_length=MAX_BRIDGES), AfterValidator(_are_other_bridges)]
