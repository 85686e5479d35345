"""Where values come from and which one wins: defaults, plugin files, main file, environment, flags."""

from pathlib import Path

import pytest

from rmq.config import Address, ConfigError, Override, Rate, Settings, load


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_source_the_embedded_default_is_used() -> None:
    settings = load()
    assert settings.model_dump() == Settings().model_dump()
    assert settings.config_file is None
    assert list(settings.listeners) == ["tcp.external", "ws.external"]
    assert settings.listener.tcp["external"].addr == Address("127.0.0.1", 1883)
    assert settings.listener.ws["external"].addr == Address("127.0.0.1", 8083)
    assert settings.listener.ws["external"].path == "/mqtt"
    assert settings.data_path == Path("data/1")
    assert settings.plugins_path == Path("etc/plugins")


def test_the_file_in_etc_is_found(tmp_path: Path) -> None:
    write(tmp_path / "etc/rmq.toml", "[node]\nid = 7\n")
    settings = load()
    assert settings.node.id == 7
    assert settings.data_path == Path("data/7")
    assert str(settings.config_file) == "etc/rmq.toml"


def test_the_file_named_wins_over_the_variable_and_that_over_etc(tmp_path: Path) -> None:
    write(tmp_path / "etc/rmq.toml", "[node]\nid = 1\n")
    by_variable = write(tmp_path / "variable.toml", "[node]\nid = 2\n")
    by_flag = write(tmp_path / "flag.toml", "[node]\nid = 3\n")
    environ = {"RMQ_CONFIG": str(by_variable)}
    assert load(environ=environ).node.id == 2
    assert load(by_flag, environ=environ).node.id == 3


def test_a_later_source_wins_and_its_name_is_kept(tmp_path: Path) -> None:
    file = write(
        tmp_path / "rmq.toml", '[node]\nid = 2\n[log]\nlevel = "error"\nto = "off"\n[mqtt]\nmax_sessions = 4\n'
    )
    settings = load(
        file,
        environ={"RMQ_NODE__ID": "3", "RMQ_LOG__LEVEL": "debug", "UNRELATED": "x"},
        overrides=[Override("--set", "node.id", "4"), Override("--id", "node.id", "5")],
    )
    assert (settings.node.id, settings.log.level, settings.log.to, settings.mqtt.max_sessions) == (5, "debug", "off", 4)
    names = [settings.origin(*key.split(".")) for key in ("node.id", "log.level", "log.to", "log.format")]
    assert [name.name if name else None for name in names] == [
        "--id",
        "environment variable RMQ_LOG__LEVEL",
        str(file),
        None,
    ]


def test_variables_reach_every_depth() -> None:
    settings = load(
        environ={
            "RMQ_LISTENER__TCP__EXTERNAL__ADDR": "0.0.0.0:2883",
            "RMQ_LISTENER__TCP__EXTERNAL__MAX_PACKET_SIZE": "2MB",
            "RMQ_LISTENER__TCP__EXTERNAL__MQUEUE_RATE_LIMIT": "1000,1s",
            "RMQ_LISTENER__TCP__EXTERNAL__NODELAY": "false",
            "RMQ_LISTENER__TCP__SECOND__ADDR": "127.0.0.1:2884",
            "RMQ_PLUGINS__DEFAULT_STARTUPS": '["rmq-acl"]',
            "RMQ_PLUGINS__RMQ_ACL__PRIORITY": "3",
        }
    )
    external = settings.listener.tcp["external"]
    assert (external.addr, external.max_packet_size, external.nodelay) == (Address("0.0.0.0", 2883), 2 << 20, False)
    assert external.mqueue_rate_limit == Rate(1000, 1.0)
    assert settings.listener.tcp["second"].addr == Address("127.0.0.1", 2884)
    assert settings.plugins.default_startups == ("rmq-acl",)
    assert settings.plugin_config("rmq-acl") == {"priority": 3}


def test_a_variable_finds_the_listener_of_the_file_whatever_its_spelling(tmp_path: Path) -> None:
    file = write(tmp_path / "rmq.toml", '[listener.tcp.My-Site]\naddr = ":2883"\n')
    settings = load(file, environ={"RMQ_LISTENER__TCP__MY_SITE__MAX_INFLIGHT": "99"})
    assert list(settings.listeners) == ["tcp.My-Site"]
    assert settings.listeners["tcp.My-Site"].max_inflight == 99


@pytest.mark.parametrize(
    "name",
    [
        "RMQ_COMPILE",
        "RMQ_TEST_BROKER",
        "RMQ_BENCH_PASSWORD",
        "RMQ_API_TOKEN",
        "RMQ_SERVICE_HOST",
        "RMQ_SERVICE_PORT",
        "RMQ_SERVICE_PORT_MQTT",
        "RMQ_PORT",
        "RMQ_PORT_1883_TCP",
        "RMQ_PORT_1883_TCP_ADDR",
        "RMQ_HEADLESS_SERVICE_HOST",
        "RMQ_HEADLESS_PORT_1883_TCP_PROTO",
    ],
)
def test_variables_that_are_not_ours_to_judge(name: str) -> None:
    assert load(environ={name: "tcp://10.0.0.1:1883"}).model_dump() == Settings().model_dump()


@pytest.mark.parametrize("name", ["RMQ_ID", "RMQ_NODE__IDD", "RMQ_NOD__ID", "RMQ_NODE__", "RMQ___ID"])
def test_a_variable_nobody_knows_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"environment variable {name}: "):
        load(environ={name: "1"})


def test_plugin_files_are_read_below_the_main_file(tmp_path: Path) -> None:
    file = write(tmp_path / "conf/rmq.toml", "[plugins.rmq-acl]\npriority = 2\n")
    write(tmp_path / "conf/plugins/rmq-acl.toml", 'priority = 1\nrules = [["allow", "all"]]\n[extra]\ndeep = 1\n')
    write(tmp_path / "conf/plugins/README.md", "not a plugin")
    settings = load(file, overrides=[Override("--set", "plugins.rmq-acl.extra.more", "true")])
    assert settings.plugin_config("rmq-acl") == {
        "priority": 2,
        "rules": [["allow", "all"]],
        "extra": {"deep": 1, "more": True},
    }
    assert settings.configured_plugins == ("rmq-acl",)
    assert settings.plugin_config("rmq-other") == {}
    assert settings.plugins_path == tmp_path / "conf/plugins"


def test_the_plugins_folder_may_come_from_any_source(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/rmq-acl.toml", "priority = 9\n")
    settings = load(environ={"RMQ_PLUGINS__DIR": "elsewhere"})
    assert settings.plugin_config("rmq-acl") == {"priority": 9}


def test_a_plugin_config_given_out_cannot_change_the_settings() -> None:
    settings = load(overrides=[Override("--set", "plugins.rmq-acl.rules", "[1]")])
    settings.plugin_config("rmq-acl")["rules"] = "changed"
    assert settings.plugin_config("rmq-acl") == {"rules": [1]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("true", True),
        ('"5"', "5"),
        ('["a", "b"]', ["a", "b"]),
        ("{ a = 1 }", {"a": 1}),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("a = b", "a = b"),
        ("", ""),
        ("2026-01-31", "2026-01-31"),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_a_flag_is_a_toml_value_or_else_text(text: str, value: object) -> None:
    settings = load(overrides=[Override("--set", "plugins.p.key", text)])
    assert settings.plugin_config("p") == {"key": value}


def test_a_flag_replaces_a_list_whole(tmp_path: Path) -> None:
    file = write(tmp_path / "rmq.toml", '[plugins]\ndefault_startups = ["a", "b"]\n')
    settings = load(file, overrides=[Override("--set", "plugins.default_startups", '["c"]')])
    assert settings.plugins.default_startups == ("c",)


def test_text_that_looks_like_a_number_is_text_where_text_is_wanted() -> None:
    settings = load(overrides=[Override("--data-dir", "node.data_dir", "2026")])
    assert settings.data_path == Path("2026")


def test_a_listener_of_your_own_replaces_the_default_one(tmp_path: Path) -> None:
    file = write(
        tmp_path / "rmq.toml",
        '[listener.tcp.site]\naddr = "[::]:1883"\n[listener.tcp.off]\nenable = false\naddr = ":1"\n',
    )
    settings = load(file)
    assert list(settings.listeners) == ["tcp.site"]
    assert set(settings.listener.tcp) == {"site", "off"}


def test_settings_do_not_change_after_loading() -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.node.id = 2
