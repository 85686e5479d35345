"""What the service needs from whoever runs the plugins; ``plugin_host`` stands above and fulfils it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rmq.management.models import PluginView


class PluginFacts(Protocol):
    """One plugin at one moment, as ``models.PluginView`` has it.

    ``descr`` is its description, ``failure`` why it isn't active although it should be, or "".
    """

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> str | None:
        """None while its code isn't loaded."""

    @property
    def descr(self) -> str | None:
        """None while its code isn't loaded."""

    @property
    def active(self) -> bool:
        """Whether it runs."""

    @property
    def inited(self) -> bool:
        """Whether it was built since the node started."""

    @property
    def immutable(self) -> bool:
        """Whether it must be left alone while the node runs."""

    @property
    def attrs(self) -> Mapping[str, object] | None:
        """What it tells of itself."""

    @property
    def failure(self) -> str:
        """Why it isn't active."""


class PluginControl(Protocol):
    """The plugins of this node, by either name.

    A name that isn't known raises ``errors.PluginNotFound``; what can't be done, ``errors.PluginRefused``.
    """

    def describe(self) -> Sequence[PluginFacts]:
        """All plugins that could run here."""

    def state(self, name: str) -> PluginFacts:
        """One plugin."""

    def config(self, name: str) -> Mapping[str, object]:
        """The configuration of a plugin as JSON, secrets masked."""

    def written_config(self, name: str, over: Mapping[str, object]) -> Mapping[str, object]:
        """What is written for a plugin with these keys put over it: unchecked and with its secrets, so never shown."""

    def check_config(self, name: str, values: Mapping[str, object]) -> None:
        """``errors.BadQuery`` where the plugin couldn't run with these keys put over what is configured."""

    async def preview(self, name: str) -> Mapping[str, object]:
        """What a reload of a running plugin's configuration would change, as JSON; nothing is changed."""

    async def load(self, name: str) -> bool:
        """Start a plugin; False when it ran already."""

    async def unload(self, name: str) -> bool:
        """Stop a plugin; False when it didn't run."""

    async def reload_config(self, name: str) -> None:
        """Have a running plugin take its configuration as it is now."""


def view_plugin(plugin: PluginFacts) -> PluginView:
    """A plugin as it is shown."""
    return PluginView(
        name=plugin.name,
        version=plugin.version,
        description=plugin.descr,
        active=plugin.active,
        inited=plugin.inited,
        immutable=plugin.immutable,
        attrs=plugin.attrs,
        failure=plugin.failure,
    )
