"""Reloading while the node runs (SIGHUP): a list of parts, each of which goes over to the new or stays with the old."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from rmq.config import ConfigError

log = structlog.get_logger(__name__)

# Does it at once or returns what is to be awaited; raises when the old one stays.
Part = Callable[[], Awaitable[None] | None]


class ReloadError(Exception):
    """Something wasn't reloaded, and the old one stays; ``problems`` say what is wrong, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Reload:
    """What is read again on request: ``parts`` are names and what reads each, in order; append yours."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, Part]] = []
        self._wanted = trio.Event()

    def request(self) -> None:
        """Have all parts reloaded soon; asked for twice before it begins, it is done once."""
        self._wanted.set()

    async def serve(self) -> None:
        """Reload whenever it is requested; a cancelled scope ends it."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            await self.run()

    async def run(self) -> bool:
        """Reload every part, whatever the others did; False when one of them stays as it was."""
        failed = [name for name, part in self.parts if not await _reload(name, part)]
        log.info("reloaded", parts=[name for name, _ in self.parts if name not in failed], failed=failed)
        return not failed


async def _reload(name: str, part: Part) -> bool:
    try:
        waiting = part()
        if waiting is not None:
            await waiting
    except ReloadError as error:
        problems = error.problems
    except ConfigError as error:
        problems = [str(problem) for problem in error.problems]
    except Exception as error:  # whatever a part meets, the node goes on with what it has
        problems = [str(error) or type(error).__name__]
    else:
        return True
    for problem in problems:
        log.error("not reloaded, the old one stays", part=name, problem=problem)
    return False
