"""Which interop tests run: those that need npm packages only where somebody asked for them."""

from __future__ import annotations

import os

import pytest

from .adapters.mqttjs_client import JS_DIRECTORY

MARK = "interop_js"
REASON = "mqtt.js comes from npm, which `make test` must not need; `make test-interop` runs them"

_DESELECTED = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without RMQ_INTEROP_JS=1 the mqtt.js tests are left out, and the summary says so."""
    if os.environ.get("RMQ_INTEROP_JS") == "1":
        return
    deselected = [item for item in items if item.get_closest_marker(MARK) is not None]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item.get_closest_marker(MARK) is None]
        config.stash[_DESELECTED] = len(deselected)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the reason in plain words."""
    count = config.stash.get(_DESELECTED, 0)
    if count:
        terminalreporter.write_line(f"{count} interop tests deselected: {REASON}")


@pytest.fixture(autouse=True)
def _mqttjs_is_installed(request: pytest.FixtureRequest) -> None:
    """A wanted mqtt.js that is missing is a failure, not a skip."""
    if request.node.get_closest_marker(MARK) is None:
        return
    if not (JS_DIRECTORY / "node_modules" / "mqtt").is_dir():
        pytest.fail(f"RMQ_INTEROP_JS=1, but mqtt.js is not installed: run `npm ci` in {JS_DIRECTORY}")
