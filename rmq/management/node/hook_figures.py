"""What the handlers of plugins cost: of one node, and of several added up."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True, slots=True)
class HookFigures:
    """What the handlers of a plugin cost at a hook point, see ``hooks.usage``; ``time_us`` in microseconds."""

    plugin: str
    point: str
    calls: int
    time_us: int
    errors: int
    overruns: int


def sum_hooks(nodes: Iterable[Iterable[HookFigures]]) -> list[HookFigures]:
    """What handlers of all nodes cost, added up by plugin and hook point."""
    found: dict[tuple[str, str], HookFigures] = {}
    for one in chain.from_iterable(nodes):
        key = (one.plugin, one.point)
        before = found.get(key, HookFigures(one.plugin, one.point, 0, 0, 0, 0))
        found[key] = HookFigures(
            one.plugin,
            one.point,
            before.calls + one.calls,
            before.time_us + one.time_us,
            before.errors + one.errors,
            before.overruns + one.overruns,
        )
    return [found[key] for key in sorted(found)]
