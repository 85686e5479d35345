"""--dev: what changes on disk is taken over; what is wrong with it is one line, and the plugin goes on as it was."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from rmq.config import load
from rmq.hooks import chains
from rmq.plugin_api import ClientInfo
from rmq.plugin_host.catalog import Catalog
from rmq.plugin_host.development import INTERVAL_S, Development
from rmq.plugin_host.manager import PluginManager
from rmq.plugin_host.selection import ConfiguredPlugins, choose_plugins
from tests.support.plugins import PluginBench

CLIENT = ClientInfo(7, "c", None, 5, "192.0.2.1", 1, "tcp.external", 1883)
NAMES = ("dev-door", "dev-window")

PLUGINS = """
from dev_house.answers import VERDICT
from rmq.plugin_api import Plugin, PluginConfig, PluginError


class KeysOfDoor(PluginConfig):
    qos: int = 0


class Door(Plugin[KeysOfDoor]):
    name = "dev-door"
    Config = KeysOfDoor

    async def start(self) -> None:
        self.host.on("message_publish_check_acl", self.check)

    def check(self, client, topic, qos, retain):
        from dev_house.lazy import FORBIDDEN

        if topic == FORBIDDEN or qos < self.config.qos:
            return 2
        return VERDICT if topic == "door" else 0


class Window(Plugin[PluginConfig]):
    name = "dev-window"

    async def start(self) -> None:
        self.host.on("message_publish_check_acl", self.check)

    def check(self, client, topic, qos, retain):
        return VERDICT if topic == "window" else 0
"""


class House:
    """Two plugins of one package, in files of their own."""

    def __init__(self, folder: Path, bench: PluginBench) -> None:
        self.bench = bench
        self.code = folder / "dev_house"
        self.keys = folder / "plugins" / "dev-door.toml"
        self.main = folder / "rmq.toml"
        self.code.mkdir()
        self.keys.parent.mkdir()
        (self.code / "__init__.py").write_text(PLUGINS)
        (self.code / "answers.py").write_text("VERDICT = 1\n")
        (self.code / "lazy.py").write_text("FORBIDDEN = 'x'\n")
        self.main.write_text('[plugins]\ndefault_startups = ["dev-door", "dev-window"]\n')
        catalog = Catalog({"dev-door": "dev_house:Door", "dev-window": "dev_house:Window"})
        settings = load(self.main, environ={})
        self.choice = ConfiguredPlugins(catalog, settings, settings.read_again)
        self.manager = PluginManager(bench.services, choose_plugins(settings, catalog), self.choice)
        self.development = Development(self.manager, self.choice, self.main, settings.plugins_path, INTERVAL_S)

    def ask(self, topic: str, qos: int = 0) -> int:
        """What the plugins say of a PUBLISH."""
        return chains.message_publish_check_acl(self.bench.chains, CLIENT, topic, qos, False)

    def plugins(self) -> list[int]:
        """Which objects run."""
        return [id(plugin) for plugin in self.manager]

    async def look(self) -> list[str]:
        """Have it look at the files; what it says is wrong."""
        with capture_logs() as lines:
            await self.development.look()
        assert all("\n" not in line.get("problem", "") for line in lines)
        return [line["problem"] for line in lines if line["log_level"] == "error"]


@pytest.fixture
async def house(tmp_path: Path, plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    async with trio.open_nursery() as nursery:
        house = House(tmp_path, plugin_bench)
        await house.manager.start(nursery)
        await house.development.begin()
        yield house
        await house.manager.stop()
    for name in [name for name in sys.modules if name.partition(".")[0] == "dev_house"]:
        del sys.modules[name]


async def test_nothing_is_reloaded_while_nothing_changes(house: House) -> None:
    before = house.plugins()
    assert await house.look() == []
    assert house.plugins() == before
    assert (house.ask("door"), house.ask("window"), house.ask("x")) == (1, 1, 2)


async def test_new_code_is_taken_over_in_all_modules_of_the_package(house: House) -> None:
    was = (house.code / "answers.py").stat()
    (house.code / "answers.py").write_text("VERDICT = 2\n")  # as long as before, and written in the same second
    os.utime(house.code / "answers.py", ns=(was.st_atime_ns, was.st_mtime_ns // 10**9 * 10**9 + 999_999_999))
    (house.code / "lazy.py").write_text("FORBIDDEN = 'yy'\n")
    assert await house.look() == []
    assert [house.ask(topic) for topic in ("door", "window", "x", "yy")] == [2, 2, 0, 2]
    assert not any(state.failure for state in house.manager.describe())
    assert [state.active for state in house.manager.describe()] == [True, True]
    assert await house.look() == []


@pytest.mark.parametrize(
    ("file", "text", "line", "problem"),
    [
        ("answers.py", "VERDICT = 2\nif True\n", 2, r"SyntaxError: expected ':'"),
        ("answers.py", "VERDICT = 2\n\nnobody.knows\n", 3, r"NameError: name 'nobody' is not defined"),
        ("answers.py", "import no_such_module\n", 1, r"ModuleNotFoundError: No module named 'no_such_module'"),
        ("answers.py", "VERDICTS = 2\n", 2, r"ImportError: cannot import name 'VERDICT' from 'dev_house.answers'.*"),
        (
            "__init__.py",
            PLUGINS.replace(
                "async def start(self) -> None:\n        self", "async def start(self) -> None:\n        oops", 1
            ),
            15,
            r"NameError: name 'oops' is not defined .*",
        ),
    ],
)
async def test_a_broken_file_is_one_line_with_file_and_line(
    house: House, file: str, text: str, line: int, problem: str
) -> None:
    before = house.plugins()
    (house.code / file).write_text(text)
    wrong = await house.look()
    assert len(wrong) == 1, wrong
    where = house.code / ("__init__.py" if "cannot import" in problem else file)
    assert re.fullmatch(rf"{re.escape(str(where))}:{line}: {problem}", wrong[0]), wrong
    assert [house.ask(topic) for topic in ("door", "window", "x")] == [1, 1, 2], "the old code goes on"
    if file == "answers.py":
        assert house.plugins() == before
    assert [state.active for state in house.manager.describe()] == [True, True]

    assert await house.look() == [], "it is told once"
    (house.code / "__init__.py").write_text(PLUGINS)
    (house.code / "answers.py").write_text("VERDICT = 4\n")
    assert await house.look() == []
    assert [house.ask(topic) for topic in ("door", "window")] == [4, 4]


async def test_a_file_that_nothing_imports_yet_may_hold_the_mistake(house: House) -> None:
    (house.code / "further.py").write_text("VERDICT = 1 +\n")
    assert await house.look() == []
    (house.code / "answers.py").write_text("from dev_house.further import VERDICT\n")
    assert len(await house.look()) == 1
    (house.code / "further.py").write_text("VERDICT = 5\n")
    assert await house.look() == []
    assert house.ask("door") == 5


async def test_where_one_plugin_of_a_package_does_not_start_all_go_on_with_the_old_code(house: House) -> None:
    text = PLUGINS.replace("class Window", "class _Window").replace("VERDICT if topic", "4 if topic")
    text += "\n\nclass Window(_Window):\n    async def start(self):\n        raise PluginError('no frame')\n"
    (house.code / "__init__.py").write_text(text)
    assert await house.look() == ["plugins.dev-window: no frame (the old configuration stays)"]
    assert [house.ask(topic) for topic in ("door", "window")] == [1, 1]
    assert [type(plugin).__name__ for plugin in house.manager] == ["Door", "Window"]
    (state,) = [state for state in house.manager.describe() if state.name == "dev-door"]
    assert state.active and not state.failure


async def test_code_that_does_not_take_the_configuration_is_refused(house: House) -> None:
    house.keys.write_text("qos = 1\n")
    assert await house.look() == []
    assert (house.ask("z"), house.ask("z", 1)) == (2, 0)
    (house.code / "__init__.py").write_text(
        PLUGINS.replace("qos: int", "quality: int").replace("config.qos", "config.quality")
    )
    (wrong,) = await house.look()
    assert wrong.startswith(f"{house.keys}: plugins.dev-door.qos: unknown key")
    assert (house.ask("z"), house.ask("z", 1)) == (2, 0)
    house.keys.write_text("quality = 1\n")
    assert len(await house.look()) == 1, "the old code knows no such key"
    (house.code / "lazy.py").write_text("FORBIDDEN = 'yyy'\n")
    assert await house.look() == []
    assert (house.ask("z"), house.ask("yyy", 1)) == (2, 2)


async def test_a_configuration_is_taken_over_and_a_wrong_one_is_not(house: House) -> None:
    house.keys.write_text("qos = 2\n")
    assert await house.look() == []
    assert (house.ask("z", 1), house.ask("z", 2)) == (2, 0)
    house.keys.write_text("qos = 'two'\n")
    (wrong,) = await house.look()
    assert wrong.startswith(f"{house.keys}: plugins.dev-door.qos: must be a whole number")
    house.keys.write_text("qos = \n")
    (wrong,) = await house.look()
    assert wrong.startswith(f"{house.keys}: line 1")
    assert (house.ask("z", 1), house.ask("z", 2)) == (2, 0)
    house.keys.unlink()
    assert await house.look() == []
    assert house.ask("z", 0) == 0


async def test_the_main_file_counts_too(house: House) -> None:
    house.main.write_text(house.main.read_text() + "[plugins.dev-door]\nqos = 1\n")
    assert await house.look() == []
    assert house.ask("z", 0) == 2
    house.main.write_text(house.main.read_text() + "[plugins.dev-door.qos]\n")
    assert len(await house.look()) == 1
    assert house.ask("z", 0) == 2


async def test_plugins_that_do_not_run_are_left_alone(house: House) -> None:
    assert await house.manager.unload("dev-door")
    house.keys.write_text("qos = 'two'\n")
    assert await house.look() == []
    assert await house.manager.unload("dev-window")
    (house.code / "answers.py").write_text("oops\n")
    assert await house.look() == []


async def test_one_that_was_loaded_a_moment_ago_is_not_reloaded(house: House) -> None:
    for name in NAMES:
        assert await house.manager.unload(name)
    assert await house.look() == []
    assert await house.manager.load("dev-door")
    before = house.plugins()
    assert await house.look() == []
    assert house.plugins() == before
