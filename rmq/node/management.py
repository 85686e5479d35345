"""The management service of a node, made from its parts."""

from collections.abc import Mapping, Sequence

from rmq.config import Settings
from rmq.engine.broker import Broker
from rmq.hooks.registry import HookRegistry
from rmq.management import LocalNode, ManagementService
from rmq.management.errors import BadQuery, PluginNotFound, PluginRefused
from rmq.node.passwords import ArgonPasswords
from rmq.plugin_api import PluginState
from rmq.plugin_host.manager import PluginManager
from rmq.plugin_host.operations import PluginOperationError, UnknownPluginError


def make_management(
    settings: Settings, broker: Broker, hooks: HookRegistry, plugins: PluginManager
) -> ManagementService:
    """What ``Node.management`` is."""
    limits = {name: listener.max_subscriptions for name, listener in settings.listeners.items()}
    name = str(broker.node_id)
    is_at_home = broker.state.is_at_home if settings.cluster.enabled else None
    features = features_of(settings)
    control = ManagedPlugins(plugins)
    local = LocalNode(broker, hooks, control, name, str(settings.data_path), limits, is_at_home, features)
    storage = settings.storage
    if storage.enable:
        local.operations.data_files.folder = settings.data_path / "exports"
        local.figures.limits = {
            "storage.memory_budget": storage.memory_budget,
            "storage.disk_budget": storage.disk_budget,
        }
    return ManagementService(local, ArgonPasswords())


def features_of(settings: Settings) -> dict[str, bool]:
    """What a node with these settings can do, by RMQTT's names."""
    return {
        "retain": any(listener.retain_available for listener in settings.listeners.values()),
        "message_storage": "rmq-message-storage" in settings.plugins.default_startups,
        "session_storage": settings.storage.enable,
        "delayed": any(listener.delayed_publish for listener in settings.listeners.values()),
        "shared_subscription": any(listener.shared_subscription_available for listener in settings.listeners.values()),
        "auto_subscription": "rmq-auto-subscription" in settings.plugins.default_startups,
    }


class ManagedPlugins:
    """The plugins as management wants them (``PluginControl``): errors in its own words."""

    def __init__(self, plugins: PluginManager) -> None:
        self._plugins = plugins

    def describe(self) -> Sequence[PluginState]:
        """All plugins that could run here."""
        return self._plugins.describe()

    def state(self, name: str) -> PluginState:
        """One plugin."""
        try:
            return self._plugins.state(name)
        except PluginOperationError as error:
            raise _in_our_words(name, error) from error

    def config(self, name: str) -> Mapping[str, object]:
        """The configuration of a plugin as JSON, secrets masked."""
        try:
            return self._plugins.config(name)
        except PluginOperationError as error:
            raise _in_our_words(name, error) from error

    def written_config(self, name: str, over: Mapping[str, object]) -> Mapping[str, object]:
        """What is written for a plugin with these keys put over it: unchecked and with its secrets, so never shown."""
        try:
            return self._plugins.written_config(name, over)
        except PluginOperationError as error:
            raise _in_our_words(name, error) from error

    def check_config(self, name: str, values: Mapping[str, object]) -> None:
        """``BadQuery`` where the plugin couldn't run with these keys put over what is configured."""
        try:
            self._plugins.check_config(name, values)
        except UnknownPluginError as error:
            raise _in_our_words(name, error) from error
        except PluginOperationError as error:
            raise BadQuery("configuration", str(error)) from error

    async def preview(self, name: str) -> Mapping[str, object]:
        """What a reload of a running plugin's configuration would change, as JSON; nothing is changed."""
        try:
            return await self._plugins.preview(name)
        except PluginOperationError as error:
            raise _in_our_words(name, error) from error

    async def load(self, name: str) -> bool:
        """Start a plugin; False when it ran already."""
        try:
            return await self._plugins.load(name)
        except PluginOperationError as error:
            raise _in_our_words(name, error) from error

    async def unload(self, name: str) -> bool:
        """Stop a plugin; False when it didn't run."""
        try:
            return await self._plugins.unload(name)
        except PluginOperationError as error:
            raise _in_our_words(name, error) from error

    async def reload_config(self, name: str) -> None:
        """Have a running plugin take its configuration as it is now."""
        try:
            await self._plugins.reload_config(name)
        except PluginOperationError as error:
            raise _in_our_words(name, error) from error


def _in_our_words(name: str, error: PluginOperationError) -> PluginNotFound | PluginRefused:
    if isinstance(error, UnknownPluginError):
        return PluginNotFound(name)
    return PluginRefused(name, str(error))
