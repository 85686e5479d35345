"""rmq-ctl import: a dry run changes nothing, --write does, and no secret is ever printed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx
import pytest

from tests.unit.ctl.desk import Desk

DATABASE = Path(__file__).parents[1] / "migration/data/mosquitto.db"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """mosquitto's, with a password, a database, and something that can't be carried over."""
    path = tmp_path / "mosquitto.conf"
    (tmp_path / "mosquitto.db").write_bytes(DATABASE.read_bytes())
    salt, digest = base64.b64encode(b"saltsaltsalt").decode(), base64.b64encode(b"d" * 64).decode()
    (tmp_path / "pw").write_text(f"alice:$7$101${salt}${digest}\n")
    path.write_text(f"listener 1883\npassword_file pw\npersistence_location {tmp_path}/\nmount_point x\n")
    return path


def test_a_dry_run_does_nothing(desk: Desk, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for flags in ((), ("--dry-run",)):
        result = desk.run("import", "mosquitto", str(config), "--out", str(out), *flags)
        assert result.exit_code == 0, result.output
        assert 'listener.tcp.external.addr = "0.0.0.0:1883"' in result.stdout
        assert "listener 1883: mount_point: there is nothing like it" in result.stdout
        assert "would be written: 1 users, 0 rules, 2 settings" in result.stdout
        assert f"  {out}/users" in result.stdout and "nothing was done" in result.stdout
    assert not out.exists() and desk.asked == []


def test_files_are_written_and_messages_published(desk: Desk, config: Path, tmp_path: Path) -> None:
    desk.says("POST /mqtt/publish", httpx.Response(200, text="ok"))
    out = tmp_path / "out"
    result = desk.run("import", "mosquitto", str(config), "--write", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["rmq.toml", "users"]
    assert set(desk.asked) == {"POST /api/v1/mqtt/publish"}
    bodies = [json.loads(request.content) for request in desk.requests]
    hello = {"topic": "a/b", "qos": 1, "retain": True, "payload": "aGVsbG8=", "encoding": "base64"}
    hello |= {"properties": {"message_expiry_interval": 0}}
    assert hello in bodies
    assert f"published: {len(bodies)} of {len(bodies)} retained messages" in result.stdout
    again = desk.run("import", "mosquitto", str(config), "--write", "--out", str(out))
    assert again.exit_code == 1 and "is there already, and nothing is replaced" in again.stderr


def test_messages_are_left_where_that_is_asked(desk: Desk, config: Path, tmp_path: Path) -> None:
    result = desk.run("import", "mosquitto", str(config), "--write", "--no-retained", "--out", str(tmp_path / "o"))
    assert result.exit_code == 0 and desk.asked == []


def test_json_for_programs(desk: Desk, config: Path, tmp_path: Path) -> None:
    result = desk.run("import", "mosquitto", str(config), "--json", "--out", str(tmp_path / "o"))
    told = json.loads(result.stdout)
    assert (told["dry_run"], told["written"], told["published"], told["users"]) == (True, [], 0, ["alice"])
    assert told["settings"]["listener.tcp.external.addr"] == "0.0.0.0:1883"
    assert "a/b" in told["retained"]
    assert {"what": "listener 1883: mount_point", "why": "there is nothing like it"} in told["left"]


def test_no_secret_is_printed(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "nanomq.conf").write_text(
        'listeners.tcp { bind = "127.0.0.1:1883" }\nhttp_server { password = geheim }\n'
        'auth { password { "bob" = "geheim" } }\nbridges.mqtt.x { password = geheim }\n'
    )
    (tmp_path / "users.json").write_text('[{"user_id": "eve", "password": "geheim"}]')
    for kind, name in (("nanomq", "nanomq.conf"), ("emqx", "users.json")):
        for flags in ((), ("--json",), ("--write", "--out", str(tmp_path / kind))):
            result = desk.run("import", kind, str(tmp_path / name), *flags)
            assert result.exit_code == 0, result.output
            assert "geheim" not in result.output
        assert "geheim" not in "".join(file.read_text() for file in (tmp_path / kind).rglob("*") if file.is_file())


def test_a_password_of_a_bridge_is_in_its_file_only(desk: Desk, tmp_path: Path) -> None:
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        "listener 1883\nconnection up\naddress h\nremote_username u\nremote_password geheim\ntopic # out\n"
    )
    out = tmp_path / "out"
    for flags in ((), ("--json",), ("--write", "--out", str(out))):
        result = desk.run("import", "mosquitto", str(config), *flags)
        assert result.exit_code == 0, result.output
        assert "geheim" not in result.output and "bridge" in result.output
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert set(files) == {"rmq.toml", "plugins/rmq-bridge-egress-mqtt.toml"}
    assert "geheim" not in files["rmq.toml"].read_text()
    made = files["plugins/rmq-bridge-egress-mqtt.toml"]
    assert 'password = "geheim"' in made.read_text() and made.stat().st_mode & 0o077 == 0
    told = json.loads(desk.run("import", "mosquitto", str(config), "--json").stdout)
    assert told["bridges"] == [{"plugin": "rmq-bridge-egress-mqtt", "name": "up"}]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["mosquitto"], 2),
        (["mosquitto", "/nowhere/x.conf"], 2),
        (["vernemq", "{config}"], 2),
        (["emqx", "{config}", "--write", "--dry-run"], 2),
        (["rmqtt", "{config}"], 1),
    ],
)
def test_what_can_t_be_asked(desk: Desk, config: Path, arguments: list[str], code: int) -> None:
    result = desk.run("import", *(one.format(config=config) for one in arguments))
    assert result.exit_code == code and result.stderr and "Traceback" not in result.output
