"""What APIs set in the configurations of plugins: the same on all nodes, kept by all, and put over what files say.

A value is an account of a kind of its own: it is replicated, in every snapshot and backup, and there after a restart.
Each node looks for what has changed and has its plugins take it: also what came while it was away.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog
import trio

from rmq.management.errors import AccountExists, AccountNotFound, ManagementError

if TYPE_CHECKING:
    from rmq.management.accounts.store import AccountStore
    from rmq.management.local import LocalNode

log = structlog.get_logger(__name__)

KIND: Final = "plugin_config"

# What is written for each of some plugins, and the keys that are to be others in each.
Written = Mapping[str, Mapping[str, object]]
Edit = Callable[[Written], Written]


class PluginConfigs:
    """Configurations by plugin: some of the keys, with all that is below them. Plugins by our names (``rmq-…``)."""

    def __init__(self, node: "LocalNode") -> None:
        self._node = node
        self._taken: dict[str, int] = {}
        self._taking = trio.Lock()
        self._changed = trio.Event()
        node.broker.account_watch.listen(KIND, self._note_change)

    def kept(self, plugin: str) -> Mapping[str, object]:
        """What is put over the plugin's configuration; empty where nothing is."""
        return kept_config(self._node.accounts, plugin)

    async def set(self, plugin: str, values: Mapping[str, object]) -> None:
        """Have the plugin run with these keys on every node, also after restarts; the others stay as files have them.

        It is taken here when this returns, and by other nodes a moment later; a plugin that doesn't run is started.
        Raises ``BadQuery`` for what isn't a configuration of it, ``PluginNotFound``, ``PluginRefused``, and what
        ``AccountStore`` raises.
        """
        self._node.plugin_control.check_config(plugin, values)
        value = _value(values)
        async with self._taking:  # from before it is there: else ``watch`` may take it, and learn what is wrong
            await self._store(plugin, lambda before: value)
            await self._take(plugin)

    async def edit(self, plugins: Sequence[str], edit: Edit) -> None:
        """Have plugins run with what ``edit`` makes of all that is written for them, as ``set`` does: all, or none.

        It sees secrets as they are written, and is asked again where somebody else was faster, maybe of what it has
        made itself. If a plugin can't take what it is given, what was kept before is kept again, on all nodes.
        Raises what ``set`` does.
        """
        async with self._taking:
            changes = [_Change(plugin) for plugin in self._edited(plugins, edit)]
            done: list[_Change] = []

            def make(before: bytes | None) -> bytes:
                change = done[-1]
                values = self._edited(plugins, edit).get(change.plugin)
                change.before = before
                change.after = (before or b"{}") if values is None else _value(values)
                return change.after

            try:
                for change in changes:
                    done.append(change)
                    await self._store(change.plugin, make)
                    await self._take(change.plugin)
            except ManagementError:
                for change in reversed(done):
                    await self._put_back(change)
                raise

    async def forget(self, plugin: str) -> None:
        """From now on files say all of it again; raises ``AccountNotFound``."""
        async with self._taking:
            await self._node.accounts.delete(KIND, plugin)
            await self._take(plugin)

    async def take_all(self) -> None:
        """Have plugins take what they don't have yet; one that can't is logged, and stays as it is."""
        async with self._taking:
            kept = {account.name: account.revision for account in self._node.accounts.all(KIND)}
            changed = [name for name, revision in kept.items() if self._taken.get(name) != revision]
            for plugin in [*changed, *(name for name in self._taken if name not in kept)]:
                try:
                    await self._take(plugin)
                except ManagementError as error:
                    log.error("a configuration of the API wasn't taken", plugin=plugin, problem=str(error))

    async def watch(self) -> None:
        """Take what changes, for ever."""
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            await self.take_all()

    def _edited(self, plugins: Sequence[str], edit: Edit) -> dict[str, Mapping[str, object]]:
        """What is to be kept of the plugins that become others by an edit, checked."""
        control = self._node.plugin_control
        kept = {plugin: self.kept(plugin) for plugin in plugins}
        written = {plugin: control.written_config(plugin, kept[plugin]) for plugin in plugins}
        found: dict[str, Mapping[str, object]] = {}
        for plugin, values in edit(written).items():
            if any(key not in written[plugin] or written[plugin][key] != value for key, value in values.items()):
                found[plugin] = {**kept[plugin], **values}
                control.check_config(plugin, found[plugin])
        return found

    async def _store(self, plugin: str, make: Callable[[bytes | None], bytes]) -> None:
        accounts = self._node.accounts
        try:
            await accounts.change(KIND, plugin, make)
        except AccountNotFound:
            try:
                await accounts.create(KIND, plugin, make(None))
            except AccountExists:  # somebody else was faster, and comes before us
                await accounts.change(KIND, plugin, make)

    async def _put_back(self, change: "_Change") -> None:
        account = self._node.accounts.find(KIND, change.plugin)
        if account is None or account.value != change.after:
            return  # it never got there, or is another one by now
        before = change.before
        try:
            if before is None:
                await self._node.accounts.delete(KIND, change.plugin)
            else:
                old = before
                await self._node.accounts.change(KIND, change.plugin, lambda now: old if now == change.after else now)
            await self._take(change.plugin)
        except ManagementError as error:
            log.error("a configuration that was refused is kept", plugin=change.plugin, problem=str(error))

    def _note_change(self, plugin: str | None) -> None:
        self._changed.set()

    async def _take(self, plugin: str) -> None:
        """Once each revision, whatever comes of it: what is wrong isn't tried again and again."""
        account = self._node.accounts.find(KIND, plugin)
        if account is None:
            self._taken.pop(plugin, None)
        elif self._taken.get(plugin) == account.revision:
            return
        else:
            self._taken[plugin] = account.revision
        control = self._node.plugin_control
        if control.state(plugin).active:
            await control.reload_config(plugin)
        elif account is not None:
            await control.load(plugin)


class _Change:
    """What an edit has made of what is kept for a plugin."""

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.before: bytes | None = None
        self.after = b""


def _value(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def kept_config(accounts: "AccountStore", plugin: str) -> Mapping[str, object]:
    """What is put over a plugin's configuration; empty where nothing is."""
    account = accounts.find(KIND, plugin)
    if account is None:
        return {}
    found: dict[str, object] = json.loads(account.value)
    return found
