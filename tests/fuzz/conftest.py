"""The figures of the fuzz tests in pytest's summary, so that the seed and the counts are seen when all is well too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Add a line to the summary at the end of the run."""
    lines = request.config.stash.setdefault(_LINES, [])
    name = request.node.name

    def add(line: str) -> None:
        lines.append(f"{name}: {line}")

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the lines."""
    for line in config.stash.get(_LINES, []):
        terminalreporter.write_line(line)
