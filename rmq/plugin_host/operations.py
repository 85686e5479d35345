"""Operations on plugins, one at a time, in tasks of the node: a plugin may ask for one that ends itself."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog
import trio

from rmq.config import ConfigError

log = structlog.get_logger(__name__)

T = TypeVar("T")


class PluginOperationError(Exception):
    """A plugin can't be started, stopped or reloaded; the text says why, with file and key where they matter."""


class UnknownPluginError(PluginOperationError):
    """No plugin has this name."""


class Operations:
    """Runs operations in ``nursery``; one whose caller is cancelled goes on, and none outlives the nursery."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._lock = trio.Lock()
        self._scopes: set[trio.CancelScope] = set()

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do ``work`` when the operations before it are done; raises what it raises."""
        outcome: _Outcome[T] = _Outcome()
        try:
            self._nursery.start_soon(self._run, work, outcome)
        except RuntimeError:  # the nursery is closed
            raise PluginOperationError("the node is stopping") from None
        await outcome.done.wait()
        if outcome.error is not None:
            raise outcome.error
        if not outcome.results:
            raise PluginOperationError("the node is stopping")
        return outcome.results[0]

    async def cancel(self) -> None:
        """Cancel all that run or wait, and wait until they have ended."""
        for scope in self._scopes:
            scope.cancel()
        async with self._lock:
            pass

    async def _run(self, work: Callable[[], Awaitable[T]], outcome: "_Outcome[T]") -> None:
        scope = trio.CancelScope()
        self._scopes.add(scope)
        try:
            with scope:
                async with self._lock:
                    outcome.results.append(await work())
        except PluginOperationError as error:
            outcome.error = error
        except ConfigError as error:
            outcome.error = PluginOperationError("; ".join(str(problem) for problem in error.problems))
        except Exception as error:  # a bug in the host must neither end the node nor leave the caller waiting
            log.exception("bug in an operation on plugins")
            outcome.error = PluginOperationError(f"internal error: {type(error).__name__}")
        finally:
            self._scopes.discard(scope)
            outcome.done.set()


class _Outcome(Generic[T]):
    def __init__(self) -> None:
        self.done = trio.Event()
        self.results: list[T] = []
        self.error: PluginOperationError | None = None
