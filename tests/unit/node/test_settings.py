"""Settings changed while a node runs: checked with all others, kept in a file, applied, or waiting for a restart."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rmq.config import ConfigError
from rmq.management.errors import NotInCharge, SettingsNotKept, SettingsRefused
from rmq.management.node.life import NoLife
from rmq.management.node.own_settings import NoSettings, SettingsChange
from tests.unit.node.settings_place import Place

INFLIGHT = "listener.tcp.external.max_inflight"
ADDRESS = "listener.tcp.external.addr"
ROWS = "plugins.rmq-http-api.max_row_limit"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Nothing is configured but where the data is."""
    return Place(tmp_path)


async def test_what_clients_are_given_is_applied_to_those_that_come(place: Place) -> None:
    old = place.listeners[0].limits
    change = await place.control.change({INFLIGHT: 7, "listener.tcp.external.allow_anonymous": False})
    assert change == SettingsChange(applied=("listener.tcp.external.allow_anonymous", INFLIGHT))
    new = place.listeners[0].limits
    assert (new.max_inflight, new.allow_anonymous, place.limits_changed) == (7, False, 1)
    assert (old.max_inflight, old.allow_anonymous) == (128, True), "who is connected keeps what it has"
    assert place.value(INFLIGHT) == 7
    assert place.load().listener.tcp["external"].max_inflight == 7, "a start finds it"
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600


async def test_other_things_wait_for_a_restart(place: Place) -> None:
    change = await place.control.change({ADDRESS: "127.0.0.1:1884", INFLIGHT: 9})
    assert change == SettingsChange((INFLIGHT,), (ADDRESS,))
    assert str(place.load().listener.tcp["external"].addr) == "127.0.0.1:1884"
    assert await place.control.change({ADDRESS: "127.0.0.1:1884"}) == SettingsChange((), (ADDRESS,)), "it still waits"
    assert await place.control.change({ADDRESS: "127.0.0.1:1883"}) == SettingsChange((ADDRESS,)), "it is in force"


async def test_a_default_listener_stays_when_another_one_is_named(place: Place) -> None:
    assert set(place.load().listeners) == {"tcp.external", "ws.external"}
    await place.control.change({INFLIGHT: 7})
    assert set(place.load().listeners) == {"tcp.external", "ws.external"}
    await place.control.change({"listener.ws.external.enable": False})
    assert set(place.load().listeners) == {"tcp.external"}


async def test_a_plugin_that_runs_takes_it(place: Place) -> None:
    assert await place.control.change({ROWS: 5}) == SettingsChange((ROWS,))
    assert place.plugins.told == ["rmq-http-api"]
    assert place.value(ROWS) == 5
    place.plugins.refuses = "the port is taken"
    with pytest.raises(SettingsRefused, match="the port is taken"):
        await place.control.change({ROWS: 6, INFLIGHT: 7})
    assert place.plugins.told == ["rmq-http-api"] * 3, "and again with what it had"
    assert (place.value(ROWS), place.value(INFLIGHT)) == (5, 128)
    assert place.load().plugin_config("rmq-http-api")["max_row_limit"] == 5
    assert place.listeners[0].limits.max_inflight == 128


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (INFLIGHT, 0, "at least 1"),
        (INFLIGHT, "many", "whole number"),
        ("listener.tcp.external.nonsense", 1, "unknown key"),
        ("nonsense.key", 1, "nonsense"),
        (ADDRESS, "127.0.0.1:8083", "is taken"),
        (ROWS, 0, "at least 1"),
        ("plugins.rmq-http-api.nonsense", 1, "unknown key"),
        ("node.id", 2, "can't be changed"),
        ("node.data_dir", "/tmp", "can't be changed"),
        ("node", {"id": 2}, "can't be changed"),
        ("plugins.dir", "/tmp", "can't be changed"),
        ("mqtt", {}, "can't be changed"),
        ("listener..addr", 1, "can't be changed"),
    ],
)
async def test_what_is_wrong_changes_nothing(place: Place, key: str, value: object, reason: str) -> None:
    await place.control.change({INFLIGHT: 7})
    before = place.path.read_bytes()
    with pytest.raises(SettingsRefused, match=reason) as raised:
        await place.control.change({"listener.tcp.external.max_mqueue_len": 5, key: value})
    assert key.partition(".")[0] in raised.value.problems
    assert place.path.read_bytes() == before and [file.name for file in place.data.iterdir()] == ["settings.toml"]
    assert place.listeners[0].limits.max_mqueue_len == 1000


async def test_flags_and_environment_win(tmp_path: Path) -> None:
    place = Place(tmp_path, flags={INFLIGHT: "3"})
    with pytest.raises(SettingsRefused, match="is set by --set, which wins"):
        await place.control.change({INFLIGHT: 7})
    assert not place.path.exists()


async def test_files_can_be_gone_back_to(tmp_path: Path) -> None:
    place = Place(tmp_path, "[listener.tcp.external]\nmax_inflight = 11")
    await place.control.change({INFLIGHT: 7})
    assert place.listeners[0].limits.max_inflight == 7
    assert await place.control.change({INFLIGHT: None}) == SettingsChange((INFLIGHT,))
    assert place.listeners[0].limits.max_inflight == place.value(INFLIGHT) == 11


async def test_secrets_are_masked(tmp_path: Path) -> None:
    place = Place(tmp_path, '[plugins.rmq-http-api]\nhttp_bearer_token = "a secret of ours"')
    assert place.value("plugins.rmq-http-api.http_bearer_token") == "********"


async def test_what_can_t_be_written_changes_nothing(place: Place) -> None:
    place.data.rmdir()
    with pytest.raises(SettingsNotKept, match="No such file"):
        await place.control.change({INFLIGHT: 7})
    assert place.listeners[0].limits.max_inflight == 128


async def test_a_damaged_file_is_named(place: Place) -> None:
    place.path.write_text("nonsense", encoding="utf-8")
    with pytest.raises(SettingsRefused, match="not valid TOML"):
        await place.control.change({INFLIGHT: 7})
    with pytest.raises(ConfigError, match=r"settings\.toml"):
        place.load()


async def test_a_node_of_a_program_has_none() -> None:
    assert NoSettings().values() == {}
    with pytest.raises(SettingsRefused, match="made by a program"):
        await NoSettings().change({INFLIGHT: 7})
    for end in (NoLife().stop, NoLife().restart):
        with pytest.raises(NotInCharge):
            end()
