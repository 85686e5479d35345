"""Settings changed while the node runs (``management.node_settings``): checked as at a start, kept in a file, applied.

What is changed goes into one file in the data folder (``config.changes``), so that a start has it too. A change is
checked with everything else that the node is configured with before anything is written, and taken back when
whoever is told afterwards refuses it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio
from pydantic import BaseModel

from rmq.config import (
    ConfigError,
    Settings,
    check_plugins,
    effective_values,
    flat,
    read_changes,
    write_changes,
)
from rmq.config.secrets import masked
from rmq.management.errors import SettingsNotKept, SettingsRefused
from rmq.management.node.own_settings import SettingsChange
from rmq.net.listener import Listener
from rmq.node.options import client_limits
from rmq.plugin_host.operations import PluginOperationError

log = structlog.get_logger(__name__)

Key = tuple[str, ...]

# What a running node can't be told apart from another one without.
FIXED: Final = (("node", "id"), ("node", "data_dir"), ("plugins", "dir"))
# What a listener's clients are given when they connect: those that are connected keep what they have.
OF_CLIENTS: Final = frozenset(
    {
        "allow_anonymous",
        "allow_zero_keepalive",
        "check_payload_format",
        "handshake_timeout",
        "keepalive_backoff",
        "limit_subscription",
        "max_clientid_len",
        "max_inflight",
        "max_keepalive",
        "max_mqueue_len",
        "max_outbound_topic_aliases",
        "max_packet_size",
        "max_qos_allowed",
        "max_session_expiry_interval",
        "max_topic_aliases",
        "max_topic_levels",
        "message_expiry_interval",
        "min_keepalive",
        "mqueue_drop_policy",
        "mqueue_rate_limit",
        "out_buffer_limit",
        "receive_maximum",
        "retain_available",
        "session_expiry_interval",
        "shared_subscription_available",
        "subscription_identifiers_available",
        "wildcard_subscription_available",
    }
)
# A WebSocket's frames are bounded by it too, from the start on.
OF_FRAMES: Final = "max_packet_size"


class RunningPlugins(Protocol):
    """The plugins, by the names that their configurations stand under."""

    def runs(self, name: str) -> bool:
        """Whether it is running."""

    async def reload_config(self, name: str) -> None:
        """Have it take its configuration as it is now; ``PluginOperationError`` when it stays with the old one."""


class ChangeableSettings:
    """The settings of a node that has files. ``models`` are those of plugins, ``listeners`` the running ones.

    ``limits_changed`` is called when these have got other ``limits``.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path,
        models: Callable[[], Mapping[str, type[BaseModel]]],
        listeners: Sequence[Listener],
        plugins: RunningPlugins,
        limits_changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._path = path
        self._models = models
        self._listeners = {listener.name: listener for listener in listeners}
        self._plugins = plugins
        self._limits_changed = limits_changed
        self._in_force: dict[Key, object] | None = None  # what the running parts have, once something is changed
        self._lock = trio.Lock()

    def values(self) -> Mapping[str, object]:
        """All tables; secrets masked."""
        found = effective_values(self._settings, check_plugins(self._settings, self._models()))
        return {name: masked(name, table) for name, table in found.items()}

    async def change(self, changes: Mapping[str, object]) -> SettingsChange:
        """Check, write, apply; as ``SettingsControl``."""
        wanted = {tuple(key.split(".")): value for key, value in changes.items()}
        async with self._lock:
            if self._in_force is None:
                self._in_force = self._flat(self._settings)
            before = self._read()
            # A key that was a table is replaced with all that is below it.
            after = {key: value for key, value in before.items() if not any(key[: len(new)] == new for new in wanted)}
            after.update((key, value) for key, value in wanted.items() if value is not None)
            self._refuse_what_has_no_effect(wanted)
            settings = await trio.to_thread.run_sync(self._checked, after)
            changed = self._changed(self._settings, settings)
            try:
                await trio.to_thread.run_sync(write_changes, self._path, after)
            except OSError as error:
                raise SettingsNotKept(f"{self._path}: {error.strerror or error}") from None
            plugins = {key[1] for key in changed if key[0] == "plugins" and len(key) > 2}
            try:
                await self._tell(sorted(name for name in plugins if self._plugins.runs(name)))
            except PluginOperationError as error:
                await self._take_back(before, sorted(plugins))
                raise SettingsRefused(str(error)) from None
            self._settings = settings
            self._apply_to_listeners(settings)
            configured = self._flat(settings)
            self._in_force.update((key, configured.get(key)) for key in changed if self._is_live(key))
        waiting = {key for key in configured.keys() | self._in_force if configured.get(key) != self._in_force.get(key)}
        late = {key for key in wanted if any(found[: len(key)] == key for found in waiting)}
        log.info("settings changed", keys=sorted(changes), after_restart=_dotted(late))
        return SettingsChange(_dotted(set(wanted) - late), _dotted(late))

    def _read(self) -> dict[Key, object]:
        try:
            return read_changes(self._path)
        except ConfigError as error:
            problems = "; ".join(f"{problem.key}: {problem.where} {problem.message}" for problem in error.problems)
            raise SettingsRefused(problems) from None

    def _refuse_what_has_no_effect(self, wanted: Mapping[Key, object]) -> None:
        problems: list[str] = []
        for key in wanted:
            fixed = [part for part in FIXED if part[: len(key)] == key or key[: len(part)] == part]
            if fixed or "" in key or len(key) < 2:
                problems.append(f"{'.'.join(key)}: can't be changed while the node runs")
                continue
            origin = self._settings.origin(*key)
            if origin is not None and origin.text is not None:
                problems.append(f"{'.'.join(key)}: is set by {origin.name}, which wins")
        if problems:
            raise SettingsRefused("; ".join(problems))

    def _checked(self, after: dict[Key, object]) -> Settings:
        """The settings with these changes. A listener that was there by default is named, if it would end otherwise."""
        trial = self._path.with_name(f".{self._path.name}.trial")
        try:
            settings = self._tried(trial, after)
            gone = [name for name in self._settings.listeners if name not in settings.listeners]
            unnamed = [tuple(f"listener.{name}.enable".split(".")) for name in gone]
            named = {key: True for key in unnamed if key not in after}
            if named:
                after.update(named)
                settings = self._tried(trial, after)
            check_plugins(settings, self._models())
        except ConfigError as error:
            raise SettingsRefused(
                "; ".join(f"{problem.key}: {problem.message}" for problem in error.problems)
            ) from None
        except OSError as error:
            raise SettingsNotKept(f"{self._path}: {error.strerror or error}") from None
        finally:
            trial.unlink(missing_ok=True)
        return settings

    def _tried(self, trial: Path, after: Mapping[Key, object]) -> Settings:
        write_changes(trial, after)
        return self._settings.read_again(trial)

    def _changed(self, old: Settings, new: Settings) -> set[Key]:
        before, after = self._flat(old), self._flat(new)
        return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}

    def _flat(self, settings: Settings) -> dict[Key, object]:
        return flat(effective_values(settings, check_plugins(settings, self._models())))

    async def _tell(self, plugins: Sequence[str]) -> None:
        for name in plugins:
            await self._plugins.reload_config(name)

    async def _take_back(self, before: Mapping[Key, object], plugins: Sequence[str]) -> None:
        try:
            await trio.to_thread.run_sync(write_changes, self._path, before)
            await self._tell(plugins)
        except (OSError, PluginOperationError) as error:
            log.error("a change of settings can't be taken back", file=str(self._path), error=str(error))

    def _apply_to_listeners(self, settings: Settings) -> None:
        for name, listener in self._listeners.items():
            found = settings.listeners.get(name)
            if found is None:
                continue
            limits = client_limits(settings, name, found)
            limits.allow_anonymous = settings.auth.allows_anonymous(found)
            old = listener.limits
            # Others go by these since the start, or change them themselves.
            limits.ack_policy, limits.max_subscriptions = old.ack_policy, old.max_subscriptions
            limits.delayed_publish = old.delayed_publish
            if listener.options.websocket_path:
                limits.max_packet_size = old.max_packet_size
            listener.limits = limits
        self._limits_changed()

    def _is_live(self, key: Key) -> bool:
        if key[0] == "plugins":
            return len(key) > 2 and self._plugins.runs(key[1])
        if key[0] != "listener" or len(key) != 4 or key[3] not in OF_CLIENTS:
            return False
        listener = self._listeners.get(f"{key[1]}.{key[2]}")
        return listener is not None and not (key[3] == OF_FRAMES and listener.options.websocket_path)


def _dotted(keys: set[Key]) -> tuple[str, ...]:
    return tuple(sorted(map(".".join, keys)))
