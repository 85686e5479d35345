"""The guards hold for one version of pysyncobj: a missing name or another version is an error at the start."""

from __future__ import annotations

import importlib.metadata
import pickle
import random

import pysyncobj.syncobj
import pytest
from rmq_cluster.raft import library
from rmq_cluster.raft.library import CALLED, FIELDS, REPLACED, REPLACED_IN_MODULE, WrongLibrary, check_names

from tests.unit.cluster.raft.world import World


def test_the_installed_version_is_the_one() -> None:
    assert importlib.metadata.version("pysyncobj") == library.VERSION == pysyncobj.syncobj.VERSION


def test_every_private_name_that_is_used_exists(world: World) -> None:
    core = world.hosts[1].node._core.library
    assert [name for name in REPLACED_IN_MODULE if not hasattr(pysyncobj.syncobj, name)] == []
    for name in (*REPLACED, *CALLED):
        assert callable(getattr(pysyncobj.syncobj.SyncObj, name)), name
    for field in FIELDS.values():
        assert field.name in vars(core), field.name
    check_names(core)


@pytest.mark.parametrize("name", ["_SyncObj__raftNextIndex", "_SyncObj__sendAppendEntries", "_onTick"])
def test_a_missing_name_is_an_error(world: World, name: str) -> None:
    core = world.hosts[1].node._core.library

    class Without:
        def __getattr__(self, found: str) -> object:
            if found == name:
                raise AttributeError(found)
            return getattr(core, found)

    with pytest.raises(WrongLibrary, match=name):
        check_names(Without())


def test_another_version_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "VERSION", "0.3.18")
    with pytest.raises(WrongLibrary, match=r"0\.3\.18 is needed, 0\.3\.17"):
        library.private_module()


def test_nothing_is_pickled_and_nothing_of_the_library_itself_is_changed(world: World) -> None:
    module = library.private_module()
    assert module is not pysyncobj.syncobj
    own = type(world.hosts[1].node._core.library)
    other = type(world.hosts[2].node._core.library)
    assert own is not other and own is not pysyncobj.syncobj.SyncObj
    replaced = own.__init__.__globals__
    for call in ("loads", "dumps", "load", "dump"):
        with pytest.raises(WrongLibrary):
            getattr(replaced["pickle"], call)
    assert pysyncobj.syncobj.random is random
    assert pysyncobj.syncobj.pickle.loads(pickle.dumps([1])) == [1]
