"""The plugins that ship with rmq are entry points of its distribution, as other people's plugins are of theirs."""

from __future__ import annotations

from rmq.node import PLUGINS
from rmq.plugin_host.catalog import ENTRY_POINT_GROUP
from tests.architecture.sources import pyproject


def test_the_shipped_plugins_are_the_entry_points() -> None:
    assert pyproject()["project"]["entry-points"][ENTRY_POINT_GROUP] == PLUGINS
