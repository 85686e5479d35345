"""Every test here may ask for a group of three."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member

Three = tuple[Member, Member, Member]


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    """No node yet; at the end all replicas must be equal, and no test may leave a bug behind."""
    made = Group(tmp_path)
    yield made
    made.settle()
    made.check()


@pytest.fixture
def three(group: Group) -> Three:
    """Nodes 1 (which leads), 2 and 3, all up."""
    return group.start(1), group.start(2), group.start(3)
