"""The plugin: a lane for each URL, fed by what happens on the node."""

import hashlib
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import trio

from rmq.plugin_api import Handle, Plugin, PluginError, PluginHost, in_thread
from rmq_plugins.web_hook.config import Event, WebHookConfig
from rmq_plugins.web_hook.disk_queue import DiskQueue
from rmq_plugins.web_hook.events import Body, time_text
from rmq_plugins.web_hook.files import append, path_of
from rmq_plugins.web_hook.lane import Lane, Send
from rmq_plugins.web_hook.listeners import CONNECT_PRIORITY, PRIORITY, Listeners
from rmq_plugins.web_hook.posting import FAILED, SENT, Poster, trusted
from rmq_plugins.web_hook.routing import Route, routes, urls_of

# Handlers that other events need: who a client is, and whether its session is a new one.
_ALWAYS: frozenset[Event] = frozenset({"session_created", "client_connected", "client_disconnected"})


class WebHookPlugin(Plugin[WebHookConfig]):
    """Tells of events, each at least once, in order for each URL."""

    name = "rmq-web-hook"
    descr = "Events sent to HTTP servers and files"
    Config = WebHookConfig

    def __init__(self, config: WebHookConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._lanes: dict[str, Lane] = {}
        self._routes: dict[Event, list[Route]] = {}
        self._listeners = Listeners(host, lambda event: event in self._routes, self._tell)
        self._handles: dict[Event, Handle] = {}
        self._poster: Poster | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._folder = host.data_folder()
        self._ids = f"{host.node_id}-{uuid4().hex[:12]}"
        self._told = 0

    async def start(self) -> None:
        """Open the queues and listen."""
        table, poster = await self._prepared(self.config)
        if self._folder is None:
            # The node keeps nothing: a queue may still be longer than what memory is for.
            self._temporary = tempfile.TemporaryDirectory(prefix="rmq-web-hook-")
            self._folder = Path(self._temporary.name)
        self._follow(table, poster, self.config)

    async def stop(self) -> None:
        """Have everything on disk; what hasn't been sent is sent after the next start."""
        for handle in self._handles.values():
            self.host.off(handle)  # what nobody writes down any more needn't be heard
        async with trio.open_nursery() as nursery:
            for lane in self._lanes.values():
                nursery.start_soon(lane.close)
        if self._poster is not None:
            await self._poster.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def reload(self, config: WebHookConfig) -> None:
        """Go over to other rules and URLs. What waits for a URL that is gone stays on disk, should it come back."""
        table, poster = await self._prepared(config)
        before = self._poster
        wanted = urls_of(table)
        gone = [self._lanes.pop(url) for url in list(self._lanes) if url not in wanted]
        self.config = config
        self._follow(table, poster, config)
        for lane in gone:
            await lane.close()
        if before is not None:
            await before.close()

    def attrs(self) -> dict[str, object]:
        """How each URL is doing, and all of them."""
        lanes = {lane.name: lane.attrs() for lane in self._lanes.values()}
        return {
            "queued": sum(lane.length for lane in self._lanes.values()),
            "sent": sum(lane.sent for lane in self._lanes.values()),
            "failed": sum(lane.failed for lane in self._lanes.values()),
            "dropped": sum(sum(lane.dropped.values()) for lane in self._lanes.values()),
            "urls": lanes,
        }

    async def _prepared(self, config: WebHookConfig) -> tuple[dict[Event, list[Route]], Poster]:
        table = routes(config)
        if not table:
            self.host.logger.warning("nobody is told of anything: there is no URL that any event goes to")
        try:
            return table, Poster(config, await trusted(config.http_ca_file), self.host.now)
        except OSError as error:
            raise PluginError(f"http_ca_file: {config.http_ca_file}: {error}") from None

    def _follow(self, table: dict[Event, list[Route]], poster: Poster, config: WebHookConfig) -> None:
        self._routes = table
        self._poster = poster
        for url in urls_of(table):
            send = _sender(url, poster)
            lane = self._lanes.get(url)
            if lane is not None:
                lane.configure(config, send)
                continue
            names = [other.name for other in self._lanes.values()]
            name = _shown(url)
            # What tells two URLs apart may be their secret.
            name = name if name not in names else f"{name} ({len(names) + 1})"
            lane = Lane(name, self._queue(url, config), send, config, self.host.now, self.host.logger)
            self._lanes[url] = lane
            self.host.spawn(lane.run)
        for event, handler in self._listeners.handlers().items():
            handle = self._handles.get(event)
            if event in table or (table and event in _ALWAYS):
                if handle is None:
                    priority = CONNECT_PRIORITY if event == "client_connect" else PRIORITY
                    self._handles[event] = self.host.on(event, handler, priority)
            elif handle is not None:
                self.host.off(self._handles.pop(event))

    def _queue(self, url: str, config: WebHookConfig) -> DiskQueue:
        if self._folder is None:
            raise RuntimeError("a queue before the start")
        return DiskQueue(self._folder / hashlib.sha256(url.encode()).hexdigest()[:32], config.queue_sync)

    def _tell(self, event: Event, topic: str | None, is_filter: bool, body: Body) -> None:
        now = self.host.now()
        for route in self._routes.get(event, ()):
            if topic is not None and not (route.wants_filter(topic) if is_filter else route.wants_topic(topic)):
                continue
            self._told += 1
            head: Body = {"action": route.action, "event_id": f"{self._ids}-{self._told}"}
            content = orjson.dumps(head | body | {"time": time_text(now)})
            for url in route.urls:
                lane = self._lanes.get(url)
                if lane is not None:
                    lane.put(now, content)


def _sender(url: str, poster: Poster) -> Send:
    if urlsplit(url).scheme != "file":
        return partial(poster.send, url)
    path = path_of(url)

    async def write(events: Sequence[bytes]) -> tuple[int, str]:
        try:
            await in_thread(partial(append, path, events))
        except OSError as error:
            return FAILED, str(error)
        return SENT, ""

    return write


def _shown(url: str) -> str:
    """The URL for people: without user, password and query."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return url
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"
