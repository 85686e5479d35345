"""The pytest plugin as people meet it: installed with rmq, beside other plugins, and free of charge when unused."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import rmq.testing
from tests.architecture.sources import ROOT
from tests.testing.run_pytest import Run

pytestmark = pytest.mark.realtime


def test_is_an_entry_point() -> None:
    (found,) = entry_points(group="pytest11", name="rmq")
    assert found.value == "rmq.testing.pytest_plugin"


def test_imports_next_to_nothing() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import rmq.testing.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = {"rmq", "rmq.testing", "rmq.testing.pytest_plugin"}
    foreign = {name.partition(".")[0] for name in set(done.stdout.split()) - ours}
    assert foreign <= set(sys.stdlib_module_names), done.stdout


def test_every_public_name_is_found() -> None:
    for name in rmq.testing.__all__:
        assert getattr(rmq.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = rmq.testing.nonsense


def test_fixtures_and_marker(tmp_path: Path) -> None:
    source = """
import pytest
from rmq.testing import ThreadedBroker

seen = []

def test_fixture(rmq_broker):
    assert isinstance(rmq_broker, ThreadedBroker)
    rmq_broker.publish("a", "1", retain=True)
    seen.append(rmq_broker)

def test_each_test_has_its_own(rmq_broker):
    assert rmq_broker.messages() == [] and rmq_broker.retained() == []
    with pytest.raises(RuntimeError, match="stopped"):
        seen[0].messages()

@pytest.mark.rmq(listener={"tcp": {"mine": {}}})
class TestMarked:
    def test_class(self, rmq_broker):
        assert rmq_broker.address() == rmq_broker.address("tcp.mine")

    @pytest.mark.rmq(listener={"tcp": {"other": {}}})
    def test_nearest_counts(self, rmq_broker):
        assert rmq_broker.address() == rmq_broker.address("tcp.other")

def test_factory(rmq_broker_factory, rmq_broker, tmp_path):
    brokers = [rmq_broker_factory(), rmq_broker_factory(listener={"tcp": {"x": {}}}), rmq_broker]
    assert len({broker.port for broker in brokers}) == 3
"""
    Run(tmp_path, [source]).passed(5)


def test_mistakes_are_told(tmp_path: Path) -> None:
    source = """
import pytest

@pytest.mark.rmq({"mqtt": {}})
def test_positional(rmq_broker): pass

@pytest.mark.rmq(mqtt={"max_sesions": 1})
def test_key(rmq_broker): pass
"""
    run = Run(tmp_path, [source])
    assert run.code == 1 and "2 errors" in run.output
    assert "takes keywords only" in run.output
    assert "rmq.testing: mqtt.max_sesions: unknown key (did you mean max_sessions?)" in run.output


def test_can_be_left_out(tmp_path: Path) -> None:
    run = Run(tmp_path, ["def test_it(rmq_broker): pass"], "-p", "no:rmq")
    assert "fixture 'rmq_broker' not found" in run.output


def test_trio_and_asyncio_without_their_plugins(tmp_path: Path) -> None:
    source = """
import asyncio, trio, rmq.testing

def test_asyncio(rmq_broker):
    async def main():
        rmq_broker.publish("a", "1")
        message = await asyncio.to_thread(rmq_broker.wait_for_message, "a")
        assert message.text == "1"
    asyncio.run(main())

def test_trio_beside_the_thread(rmq_broker):
    async def main():
        async with rmq.testing.Broker() as other:
            rmq_broker.publish("a", "1")
            assert other.messages() == [] and len(rmq_broker.messages()) == 1
    trio.run(main)
"""
    Run(tmp_path, [source], "-p", "no:trio").passed(2)


ASYNCIO = """
import asyncio, pytest

{mark}
async def test_it(rmq_broker):
    rmq_broker.publish("a", "1")
    assert (await asyncio.to_thread(rmq_broker.wait_for_message, "a")).text == "1"

def test_plain(rmq_broker):
    assert rmq_broker.messages() == []
"""


@pytest.mark.parametrize(
    ("module", "mark", "arguments"),
    [
        ("pytest_asyncio", "", ("--asyncio-mode=auto", "-p", "no:trio")),
        ("anyio", "@pytest.mark.parametrize('anyio_backend', ['asyncio'])\n@pytest.mark.anyio", ("-p", "no:trio")),
        ("xdist", "@pytest.mark.asyncio", ("-n", "2")),
    ],
    ids=["asyncio", "anyio", "xdist"],
)
def test_beside_other_plugins(module: str, mark: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} isn't installed; it belongs to the extra `test`")
    Run(tmp_path, [ASYNCIO.format(mark=mark)], *arguments).passed(2)


def test_trio_fixture_and_mode(tmp_path: Path) -> None:
    source = """
import trio

async def test_it(rmq_broker, autojump_clock):
    rmq_broker.publish("a", "1")
    await trio.sleep(3600)
    message = await trio.to_thread.run_sync(rmq_broker.wait_for_message, "a")
    assert message.text == "1"
"""
    Run(tmp_path, [source], "-o", "trio_mode=true").passed(1)
