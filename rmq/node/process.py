"""A node as a process: its data folder, its log, signals, and what it says when it is ready."""

import gc
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
import trio

from rmq import __version__
from rmq.build_info import build_description
from rmq.config import ConfigError, Problem, Settings
from rmq.log import setup_logging
from rmq.node.node import Node

log = structlog.get_logger(__name__)

# Tuned for many objects that live long: a full collection of a million sessions must be rare.
GC_THRESHOLDS: Final = (100_000, 50, 1000)


class Clock:
    """Seconds since 1970 that never go back: trio's clock from the time of day at the start."""

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()

    def __call__(self) -> float:
        return self._offset + trio.current_time()


def run(settings: Settings) -> int:
    """Run a node until SIGINT or SIGTERM; returns the exit code. Raises ``ConfigError`` when it can't start."""
    _prepare_data(settings)
    try:
        setup_logging(settings.log.to, settings.log.level, settings.log.format, settings.log_path)
    except OSError as error:
        raise ConfigError([Problem("", "log.file", f"{settings.log_path}: {error.strerror}")]) from None
    try:
        trio.run(_serve, settings)
    except BaseExceptionGroup as group:
        wrong = group.subgroup(ConfigError)
        if wrong is None:
            raise
        raise ConfigError(_problems(wrong)) from None
    return 0


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


async def _serve(settings: Settings) -> None:
    with _quiet_collector(), trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        node = Node(settings, Clock())
        node.open()
        running = trio.CancelScope()
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                with running:
                    await node.run(lambda: _announce(node))
                nursery.cancel_scope.cancel()

            nursery.start_soon(serve)
            async for number in signals:  # to the end: told twice is told once
                log.info("stopping", signal=signal.Signals(number).name)
                running.cancel()


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
    lines += [
        f"  listens  {listener.host}:{listener.port} (MQTT 3.1, 3.1.1, 5.0; {listener.name})"
        for listener in node.listeners
    ]
    lines.append(f"  data     {settings.data_path.resolve()}")
    lines.append(f"  config   {settings.config_file.resolve() if settings.config_file else 'built-in defaults'}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
