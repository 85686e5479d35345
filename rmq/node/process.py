"""A node as a process: its data folder, its log, signals, and what it says when it is ready."""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import structlog
import trio

from rmq import __version__
from rmq.build_info import build_description
from rmq.config import ConfigError, Problem, Settings
from rmq.log import setup_logging
from rmq.node.auth import keys_that_open
from rmq.node.node import Node
from rmq.node.supervisor import Supervisor

log = structlog.get_logger(__name__)

# Tuned for many objects that live long: a full collection of a million sessions must be rare, and one of those that
# came lately short (2 ms of 10,000, 30 ms of 100,000 objects).
GC_THRESHOLDS: Final = (10_000, 10, 50_000)
# The node didn't stop within node.shutdown_timeout.
EXIT_NOT_STOPPED: Final = 1
# The node has stopped in good order and wants to be started again: a service manager does that, for this is no success
# (EX_TEMPFAIL of sysexits(3)), else whoever called ``run``.
EXIT_START_AGAIN: Final = 75


# Between being asked to end and ending: an answer that is ready goes out in this time.
ANSWERED_AFTER_S: Final = 0.1


class Clock:
    """Seconds since 1970 that never go back: trio's clock from the time of day at the start."""

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()

    def __call__(self) -> float:
        return self._offset + trio.current_time()


def run(settings: Settings) -> int:
    """Run a node until SIGINT or SIGTERM, or until management ends it; returns the exit code.

    Raises ``ConfigError`` when it can't start.
    """
    _prepare_data(settings)
    try:
        setup_logging(settings.log.to, settings.log.level, settings.log.format, settings.log_path)
    except OSError as error:
        raise ConfigError([Problem("", "log.file", f"{settings.log_path}: {error.strerror}")]) from None
    try:
        return trio.run(_serve, settings)
    except BaseExceptionGroup as group:
        wrong = group.subgroup(ConfigError)
        if wrong is None:
            raise
        raise ConfigError(_problems(wrong)) from None


class _Wish:
    """What management wants of the process (``management.life``); the first wish counts."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self.is_overruled = False
        self._wished = trio.Event()

    def stop(self) -> None:
        """End."""
        self._wish(0)

    def restart(self) -> None:
        """End, and begin again."""
        self._wish(EXIT_START_AGAIN)

    def overrule(self) -> None:
        """A signal says to end, and not to begin again."""
        self.is_overruled = True
        self.exit_code = 0

    def _wish(self, exit_code: int) -> None:
        if self.exit_code is None:
            self.exit_code = exit_code
        self._wished.set()

    async def granted(self) -> str:
        """Wait for a wish, and until who uttered it can have had an answer; says what it is."""
        await self._wished.wait()
        await trio.sleep(ANSWERED_AFTER_S)
        return "restart" if self.exit_code == EXIT_START_AGAIN else "stop"


def _problems(group: BaseExceptionGroup[ConfigError]) -> list[Problem]:
    problems: list[Problem] = []
    for error in group.exceptions:
        problems.extend(error.problems if isinstance(error, ConfigError) else _problems(error))
    return problems


def _prepare_data(settings: Settings) -> None:
    path: Path = settings.data_path
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        origin = settings.origin("node", "data_dir")
        raise ConfigError(
            [Problem(origin.name if origin else "", "node.data_dir", f"{path}: {error.strerror}")]
        ) from None


async def _serve(settings: Settings) -> int:
    with (
        _quiet_collector(),
        ExitStack() as stopping,
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals,
    ):
        supervisor = Supervisor(os.environ, os.getpid())
        node = Node(settings, Clock())
        wish = _Wish()
        node.management.local.operations.life = wish
        node.open()
        running = trio.CancelScope()

        def stop(why: str) -> None:
            log.info("stopping", by=why)
            stopping.enter_context(_time_limit(settings.node.shutdown_timeout))
            supervisor.stopping()
            running.cancel()

        async with trio.open_nursery() as nursery:

            def started() -> None:
                _announce(node)
                supervisor.ready(f"node {settings.node.id} serves")

            async def serve() -> None:
                with running:
                    await node.run(started)
                nursery.cancel_scope.cancel()

            async def grant() -> None:
                what = await wish.granted()
                if not running.cancel_called:
                    stop(f"management ({what})")

            nursery.start_soon(serve)
            nursery.start_soon(grant)
            nursery.start_soon(supervisor.watch)
            async for number in signals:
                if number == signal.SIGHUP:
                    node.reload.request()
                    continue
                if wish.is_overruled:
                    _exit_at_once(number, None)  # it came together with the first one
                wish.overrule()
                for other in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(other, _exit_at_once)
                if not running.cancel_called:
                    stop(signal.Signals(number).name)
    return wish.exit_code or 0


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    """Told twice to stop: no more waiting for anything. The exit code is that of a process that the signal killed."""
    os._exit(128 + number)


@contextmanager
def _time_limit(limit_s: float) -> Iterator[None]:
    """End the process after this time, whatever hangs: in a thread of its own, for a plugin may block all others."""
    timer = threading.Timer(limit_s, _give_up, (limit_s,))
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:  # no thread can be started: the kernel ends the process then, without a word
        signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        timer.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _give_up(limit_s: float) -> None:
    sys.stderr.write(f"rmq-node: not stopped after {limit_s:g} s, leaving all the same\n")
    os._exit(EXIT_NOT_STOPPED)


@contextmanager
def _quiet_collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _announce(node: Node) -> None:
    settings = node.settings
    lines = [f"rmq-node {__version__} ({build_description()}), node {settings.node.id}"]
    lines += [f"  listens  {listener.address} (MQTT 3.1, 3.1.1, 5.0; {listener.name})" for listener in node.listeners]
    for plugin in node.plugins:
        attrs = plugin.attrs()
        addresses = attrs.get("addresses", [attrs.get("address")])
        if isinstance(addresses, list):
            lines += [f"  listens  {each} ({plugin.name})" for each in addresses if isinstance(each, str)]
    lines.append(f"  data     {settings.data_path.resolve()}")
    lines.append(f"  config   {settings.config_file.resolve() if settings.config_file else 'built-in defaults'}")
    if settings.development:
        lines.append("  dev      plugins are reloaded when their files change: not for production")
    for key in keys_that_open(settings, node.hooks):
        log.warning("nobody can log in at a listener", mend=key)
        lines.append(f"  closed   nobody can log in there; write this to let everybody in: {key}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
