"""Fixtures for tests of plugins."""

import pytest
import trio

from tests.support.plugins import PluginBench


@pytest.fixture
def plugin_bench(nursery: trio.Nursery) -> PluginBench:
    """Hooks and a host, without a node."""
    return PluginBench(nursery)
