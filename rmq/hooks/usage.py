"""What the handlers of each plugin cost at each hook point: calls, time, and what went wrong."""

from collections.abc import Sequence


class HookUse:
    """All calls of one plugin's handlers at one point since the node's start, also of handlers that are gone.

    ``seconds`` is the time from call to answer: of an asynchronous handler with all that it waited for. ``errors`` and
    ``overruns`` are the calls that count as in ``hooks.errors`` and ``hooks.overruns``.
    """

    __slots__ = ("calls", "errors", "overruns", "plugin", "point", "seconds")

    def __init__(self, plugin: str, point: str) -> None:
        self.plugin = plugin
        self.point = point
        self.calls = 0
        self.seconds = 0.0
        self.errors = 0
        self.overruns = 0


class HookUses:
    """One ``HookUse`` for each plugin and point that had a handler; there are as many as that, at most."""

    def __init__(self) -> None:
        self._uses: dict[tuple[str, str], HookUse] = {}

    def of(self, plugin: str, point: str) -> HookUse:
        """The one that calls are counted in."""
        return self._uses.setdefault((plugin, point), HookUse(plugin, point))

    def all(self) -> Sequence[HookUse]:
        """Every one, by plugin and point."""
        return [self._uses[key] for key in sorted(self._uses)]

    def of_plugin(self, plugin: str) -> Sequence[HookUse]:
        """Those of one plugin, by point."""
        return [use for use in self.all() if use.plugin == plugin]
