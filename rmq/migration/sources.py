"""Which kinds of brokers there are, and who reads their files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rmq.migration import bridge_check, emqx, mosquitto, nanomq, rmqtt
from rmq.migration.findings import Findings

KINDS: Final[Mapping[str, Callable[[Path], Findings]]] = MappingProxyType(
    {"emqx": emqx.read, "mosquitto": mosquitto.read, "nanomq": nanomq.read, "rmqtt": rmqtt.read}
)


def read(kind: str, paths: list[Path]) -> Findings:
    """All files of one broker together; ``MigrationError`` for one that can't be read."""
    found = Findings()
    for path in paths:
        more = KINDS[kind](path)
        found.settings.update(more.settings)
        for user in more.users:
            found.add_user(user)
        found.rules += more.rules
        found.no_match = more.no_match or found.no_match
        found.bridges += more.bridges
        found.retained += more.retained
        found.carried += more.carried
        found.left += more.left
    if kind == "emqx":
        emqx.end_rules(found)
    bridge_check.check(found)
    return found
