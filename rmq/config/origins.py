"""Where each configured value came from, so that an error names the file, variable or flag a person has to change."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rmq.config.cluster import ClusterSettings
    from rmq.config.model import Settings

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """One place a value was written. `text` is what was typed where the source has no types (environment, flags)."""

    name: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A key set by a command line flag: `Override("--set", "node.id", "2")`."""

    source: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, as one line: where it was written, which key, what to do."""

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class ConfigError(Exception):
    """Everything that is wrong with a configuration, found in one go."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Origins:
    """The origin of every value that isn't a default."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Origin] = {}

    def record(self, key: Key, origin: Origin) -> None:
        """A later source replaces the whole value at `key`, so what was recorded below it is gone too."""
        for below in [known for known in self._by_key if known[: len(key)] == key]:
            del self._by_key[below]
        self._by_key[key] = origin

    def get(self, key: Key) -> Origin | None:
        """The origin of exactly this key; None for a default."""
        return self._by_key.get(key)

    def nearest(self, key: Key) -> Origin | None:
        """Where a person should look for `key`: its own origin, its table's, or that of a value in or beside it."""
        for length in range(len(key), 0, -1):
            if key[:length] in self._by_key:
                return self._by_key[key[:length]]
        # A value beside it counts in a table somebody named (a listener, a plugin), not in a whole section.
        for length in (len(key), len(key) - 1) if len(key) > 2 else (len(key),):
            for known, origin in self._by_key.items():
                if known[:length] == key[:length]:
                    return origin
        return None

    def items(self) -> Iterator[tuple[Key, Origin]]:
        yield from self._by_key.items()


@dataclass(frozen=True, slots=True)
class Sources:
    """What `load` remembers beside the validated values.

    `read_again` reads the same sources once more, with another file in place of the one at `changes_path` if one is
    given; that file has the settings that were changed while the node ran.
    """

    config_file: Path | None = None
    plugin_configs: Mapping[str, dict[str, object]] = field(default_factory=dict)
    origins: Origins = field(default_factory=Origins)
    read_again: "Callable[[Path | None], Settings] | None" = None
    cluster: "ClusterSettings | None" = None
    changes_path: Path | None = None
