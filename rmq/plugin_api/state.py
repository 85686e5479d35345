"""What an operator is told of a plugin: the words are RMQTT's."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PluginState:
    """One plugin of one node at one moment.

    ``active``: it runs, and all of it. ``inited``: it has been built since the node started. ``immutable``: it can't be
    started, stopped or reloaded while the node runs. ``version``, ``descr`` and ``attrs`` are None for one whose code
    wasn't loaded. ``failure`` says why it isn't active; empty when it works, or was stopped on purpose.
    """

    name: str
    version: str | None
    descr: str | None
    active: bool
    inited: bool
    immutable: bool
    attrs: dict[str, object] | None
    failure: str
