"""The plugin: hears what is published and who subscribes."""

import fcntl
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import trio

from rmq.plugin_api import ClientInfo, Plugin, PluginError, PluginHost, Subscription, SubscriptionRequest, in_thread
from rmq_plugins.message_storage.config import MessageStorageConfig
from rmq_plugins.message_storage.finding import Finder
from rmq_plugins.message_storage.fresh import Fresh
from rmq_plugins.message_storage.intake import Intake
from rmq_plugins.message_storage.marks import CLOSED, LIVE, Marks
from rmq_plugins.message_storage.marks_file import MarksFile, row_of
from rmq_plugins.message_storage.replay import AT_ONCE, Replays, Wanted
from rmq_plugins.message_storage.store import Store

TICK_S: Final = 1.0
# What is over is looked for this often.
_TIDY_TICKS: Final = 5
# A segment is dropped when all in it is over: shorter ones give back their room sooner.
_SEGMENTS_PER_EXPIRY: Final = 4
_SHORTEST_EXPIRY_S: Final = 60.0
# Behind the other handlers: what they refuse isn't asked for.
_PRIORITY: Final = -1000


class MessageStoragePlugin(Plugin[MessageStorageConfig]):
    """What is published here is kept here; who subscribes at another node gets it from there."""

    name = "rmq-message-storage"
    descr = "Clients that subscribe later get messages that they missed"
    immutable = True
    Config = MessageStorageConfig

    def __init__(self, config: MessageStorageConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        folder = host.data_folder() if config.storage.type == "disk" else None
        self._folder: Path | None = folder
        age = min(config.max_age, max(config.default_expiry, _SHORTEST_EXPIRY_S)) / _SEGMENTS_PER_EXPIRY
        self._store = Store(folder, config.capacity, config.max_count, age, config.cleanup_count)
        self._marks = Marks(config.max_marks)
        self._marks_file = None if folder is None else MarksFile(folder / "marks")
        self._marks_error = ""
        self._fresh = Fresh(host)
        self._intake: Intake | None = None
        self._replays: Replays | None = None
        self._end_observing: Callable[[], None] | None = None
        self._here: dict[str, ClientInfo] = {}
        self._lock_fd = -1

    async def start(self) -> None:
        """Read what was kept, and hear of everything from now on."""
        config, host = self.config, self.host
        if self._folder is None and config.storage.type == "disk":
            host.logger.warning("the node keeps nothing on disk: messages are kept in memory, and are gone with it")
        try:
            if self._folder is not None:
                self._lock(self._folder)
            await self._store.open()
            alive_at = 0.0
            if self._marks_file is not None:
                alive_at = await in_thread(partial(self._marks_file.read, self._marks))
        except OSError as error:
            raise PluginError(f"what was kept can't be read: {error}") from None
        queue_max = config.storage.ram.queue_max
        self._intake = intake = Intake(
            self._store, config.topics, config.default_expiry, config.max_age, queue_max, host.now, host.logger
        )
        self._marks.crashed(max(self._store.last, int(alive_at * 1e6), 1))
        finder = Finder(self._store, intake, self._marks)
        self._replays = Replays(host, finder, self._marks, self._fresh, config.max_waiting)
        host.answer_nodes(finder.answer)
        self._end_observing = host.keeping.observe(intake.take)
        host.on("session_created", self._session_created)
        host.on("client_connected", self._connected)
        host.on("client_subscribe", self._subscribe, _PRIORITY)
        host.on("session_subscribed", self._subscribed)
        host.on("session_unsubscribed", self._unsubscribed)
        host.on("client_disconnected", self._disconnected)
        host.keep(intake.run)
        host.keep(self._tick)
        for _ in range(AT_ONCE):
            host.keep(self._replays.work)

    def _lock(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PluginError(f"{folder} is in use by another node") from None

    async def stop(self) -> None:
        """Have everything on disk."""
        if self._end_observing is not None:
            self._end_observing()
        if self._intake is not None:
            for client_id in list(self._here):
                self._marks.leave(client_id, self._intake.position())
            await self._intake.flush()
            await self._write_marks()
        await self._store.close()
        if self._marks_file is not None:
            self._marks_file.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def attrs(self) -> dict[str, object]:
        """What is kept, what had to be dropped and why, and what was given to whom."""
        store, intake, replays = self._store, self._intake, self._replays
        found: dict[str, object] = {
            "storage": "ram" if self._folder is None else "disk",
            "messages": store.count,
            "bytes": store.size,
            "marks": self._marks.count,
            "marks_lost": self._marks.lost,
            "dropped_capacity": store.dropped,
            "damaged_files": store.damaged,
            "files_not_removed": store.unremoved,
            "error": self._marks_error,
        }
        if intake is not None and replays is not None:
            found |= {
                "waiting": intake.waiting,
                "dropped_queue_full": intake.dropped,
                "dropped_storage": intake.failed,
                "error": intake.error or self._marks_error,
                "given": replays.given,
                "clients_waiting": replays.waiting,
                "subscriptions_lost": replays.lost,
                "subscriptions_stalled": replays.stalled,
                "nodes_unanswered": replays.unanswered,
                "reads_failed": replays.failed,
            }
        return found

    # Clients

    def _position(self) -> int:
        return 0 if self._intake is None else self._intake.position()

    def _last(self) -> int:
        """The last id until now; in a cluster ids of other nodes may be higher than those of this one."""
        if self._intake is None:
            return 0
        return self._intake.position() if self.host.is_clustered else self._intake.last

    def _session_created(self, client: ClientInfo) -> None:
        self._marks.begin_anew(client.client_id, self._position())

    def _connected(self, client: ClientInfo) -> None:
        client_id = client.client_id
        subscriptions = {s.topic_filter: s for s in self.host.keeping.subscriptions_of(client_id) if not s.share_group}
        if not subscriptions:
            return
        self._here[client_id] = client
        for topic_filter in self._marks.resume(client_id, list(subscriptions)):
            self._begin(client_id, subscriptions[topic_filter], None)

    def _subscribe(self, client: ClientInfo, request: SubscriptionRequest) -> SubscriptionRequest:
        """It will be entered in a moment."""
        client_id = client.client_id
        if self._intake is None or request.topic_filter.startswith("$share/"):
            return request
        if self.host.is_clustered or self.host.keeping.is_kept(client_id):
            self._fresh.begin(client_id, request.topic_filter, self._last())
        return request

    def _subscribed(self, client: ClientInfo, subscription: Subscription) -> None:
        client_id = client.client_id
        started = self._fresh.asked_at(client_id, subscription.key)
        if subscription.share_group:
            return
        mark = self._marks.of(client_id).get(subscription.topic_filter)
        self._here[client_id] = client
        if mark is not None and mark.state == LIVE:
            return  # the session has had it before
        is_new = mark is None or mark.state == CLOSED
        if not is_new or self._marks.enter(client_id, subscription.topic_filter):
            self._begin(client_id, subscription, started)

    def _begin(self, client_id: str, subscription: Subscription, started: int | None) -> None:
        if self._replays is None:
            return
        entered = self._last()
        wanted = Wanted(
            subscription.key,
            subscription.topic_filter,
            entered if started is None else started,
            entered,
            retained=subscription.retain_handling != 2,
        )
        self._replays.begin(client_id, wanted)

    def _unsubscribed(self, client: ClientInfo, subscription: Subscription) -> None:
        if self._replays is None or subscription.share_group:
            return
        self._replays.end(client.client_id, subscription.topic_filter)
        self._marks.end(client.client_id, subscription.topic_filter, self._position())

    def _disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        client_id = client.client_id
        if self._here.get(client_id) is not client or self._replays is None:
            return
        del self._here[client_id]
        self._replays.end(client_id)
        self._marks.leave(client_id, self._position())

    # What is done now and then

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await trio.sleep(TICK_S)
            ticks += 1
            self._fresh.tidy()
            self.host.keeping.show_count(self._store.count)
            if ticks % _TIDY_TICKS == 0:
                now = self.host.now()
                await self._store.tidy(now)
                self._marks.forget_before(int((now - self.config.max_age) * 1e6))
            await self._write_marks()

    async def _write_marks(self) -> None:
        file = self._marks_file
        changed, self._marks.changed = self._marks.changed, {}
        if file is None:
            return
        try:
            if file.is_long(self._marks.count):
                everything = [row_of(*row) for row in self._marks.all()]
                await in_thread(partial(file.write_anew, everything))
            elif changed:
                rows = [row_of(client_id, name, mark) for (client_id, name), mark in changed.items()]
                await in_thread(partial(file.write, rows))
            if self._here:
                file.alive(self.host.now())
        except OSError as error:
            self._marks.changed = changed | self._marks.changed
            self._marks_error = str(error)
        else:
            self._marks_error = ""
