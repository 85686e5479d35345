"""What is wrong is said at once, one line each: where it was written, which key, what to do."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from rmq.config import ConfigError, Override, check_plugins, load


def problems_of(text: str, environ: dict[str, str] | None = None, *sets: str) -> list[str]:
    """The lines for a file called rmq.toml with this text."""
    Path("rmq.toml").write_text(text, encoding="utf-8")
    overrides = [Override("--set", key, value) for key, _, value in (one.partition("=") for one in sets)]
    with pytest.raises(ConfigError) as raised:
        load(Path("rmq.toml"), environ=environ, overrides=overrides)
    assert str(raised.value) == "\n".join(map(str, raised.value.problems))
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[listener.tcp.external]\nmax_packet_szie = 5",
            "listener.tcp.external.max_packet_szie: unknown key (did you mean max_packet_size?)",
        ),
        (
            "[listener.tcp.external]\nmax-inflight = 5",
            "listener.tcp.external.max-inflight: unknown key (did you mean max_inflight?)",
        ),
        ("[mqtt]\nmax_inflight = 2", "mqtt.max_inflight: unknown key (it belongs in [listener.tcp.<name>])"),
        ("[nod]\nid = 1", "nod: unknown key (did you mean node?)"),
        ("[listener.quic.b]\naddr = ':1'", "listener.quic: unknown key (known here: tcp, tls, ws, wss, unix)"),
        (
            "[hooks]\ncolour = 1",
            "hooks.colour: unknown key (known here: time_budget, async_time_budget, deny_on_error)",
        ),
        (
            "[listener.tcp.external]\nmessage_retry_interval = '20s'",
            "listener.tcp.external.message_retry_interval: there is no such key: "
            "unacknowledged messages are sent again on reconnect only",
        ),
        ("node = 1", "node: must be a table, not 1"),
        ("[listener]\ntcp = 1", "listener.tcp: must be a table, not 1"),
        ("listener = 'x'", 'listener: must be a table, not "x"'),
        ("[node]\nid = 0", "node.id: must be at least 1, not 0"),
        ("[node]\nid = '1'", 'node.id: must be a whole number, not "1"'),
        ("[node]\nid = true", "node.id: must be a whole number, not true"),
        ("[node]\nid = 1.5", "node.id: must be a whole number, not 1.5"),
        ("[node]\ndata_dir = 'a/{name}'", "node.data_dir: {name} is unknown; only {id} can be used here"),
        ("[node]\ndata_dir = ''", "node.data_dir: must not be empty"),
        ("[log]\nlevel = 'loud'", 'log.level: must be one of "debug", "info", "warning" or "error", not "loud"'),
        ("[listener.tcp.b]", "listener.tcp.b.addr: is required"),
        (
            "[listener.tcp.'a b']\naddr = ':1'",
            "listener.tcp: the listener name 'a b' may hold letters, digits, _ and - only",
        ),
        (
            "[listener.tcp.external]\nmin_keepalive = 60\nmax_keepalive = 30",
            "listener.tcp.external.max_keepalive: must not be below min_keepalive (60)",
        ),
        (
            "[listener.tcp.external]\nmax_inflight = 65535",
            "listener.tcp.external.max_mqueue_len: max_mqueue_len (1000) and max_inflight (65535) together must not be "
            "above 65535, the packet identifiers a session has",
        ),
        (
            "[listener.tcp.external]\nmax_mqueue_len = 60001",
            "listener.tcp.external.max_mqueue_len: must be at most 60000, not 60001",
        ),
        (
            "[listener.tcp.external]\nhandshake_timeout = 0",
            "listener.tcp.external.handshake_timeout: must be more than 0",
        ),
        (
            "[listener.tcp.external]\nkeepalive_backoff = 0.4",
            "listener.tcp.external.keepalive_backoff: must be at least 0.5, not 0.4",
        ),
        (
            "[listener.tcp.external]\nmax_clientid_len = 22",
            "listener.tcp.external.max_clientid_len: must be at least 23, not 22",
        ),
        (
            "[listener.tcp.external]\nmax_qos_allowed = 3",
            "listener.tcp.external.max_qos_allowed: must be at most 2, not 3",
        ),
        (
            "[listener.tcp.external]\nmax_packet_size = '1GB'",
            "listener.tcp.external.max_packet_size: must be at most 268435460 bytes, the largest MQTT packet "
            "(0 means that too)",
        ),
        (
            "[listener.tcp.external]\nout_buffer_limit = 1",
            "listener.tcp.external.out_buffer_limit: must be at least 16KB",
        ),
        (
            "[listener.tcp.external]\nsession_expiry_interval = '500ms'",
            "listener.tcp.external.session_expiry_interval: must be whole seconds",
        ),
        (
            "[plugins]\ndefault_startups = 'a'",
            'plugins.default_startups: must be a list such as ["one", "two"], not "a"',
        ),
        ("[plugins]\ndefault_startups = ['a', 'a']", "plugins.default_startups: a is listed more than once"),
        ("[plugins]\ndir = 'nowhere'", "plugins.dir: nowhere can't be read: No such file or directory"),
        ("[plugins.dir]\nx = 1", "plugins.dir: must be a string, not a table"),
        ("[plugins]\ndri = 'x'", "plugins.dri: unknown key (did you mean dir?)"),
        (
            "[listener.tcp.a]\naddr = '127.0.0.1:1883'\n[listener.tcp.b]\naddr = '127.0.0.1:1883'",
            "listener.tcp.b.addr: 127.0.0.1:1883 is taken by listener.tcp.a (127.0.0.1:1883)",
        ),
        (
            "[listener.tcp.a]\naddr = ':1883'\n[listener.tcp.b]\naddr = '127.0.0.1:1883'",
            "listener.tcp.b.addr: 127.0.0.1:1883 is taken by listener.tcp.a (0.0.0.0:1883)",
        ),
    ],
)
def test_one_line_names_file_key_and_remedy(text: str, line: str) -> None:
    assert problems_of(text) == [f"rmq.toml: {line}"]


def test_a_listener_that_is_off_or_shares_the_port_does_not_clash() -> None:
    Path("rmq.toml").write_text(
        "[listener.tcp.a]\naddr = ':1883'\nreuseport = true\n"
        "[listener.tcp.b]\naddr = '127.0.0.1:1883'\nreuseport = true\n"
        "[listener.tcp.c]\naddr = ':1883'\nenable = false\n"
    )
    assert list(load(Path("rmq.toml")).listeners) == ["tcp.a", "tcp.b"]


def test_everything_wrong_is_told_at_once_with_its_own_origin() -> None:
    lines = problems_of(
        "[node]\nid = 'x'\n[mqtt]\nmax_sessions = 1\n",
        {"RMQ_LOG__TO": "nowhere", "RMQ_LONELY": "1", "RMQ_MQTT__MAX_SESSIONS": "-2"},
        "retain.max_payload_size=big",
        "alone=1",
    )
    assert sorted(line.rsplit(": ", 1)[0] for line in lines) == [
        "--set: alone",
        "--set: retain.max_payload_size",
        "environment variable RMQ_LOG__TO: log.to",
        "environment variable RMQ_LONELY",
        "environment variable RMQ_MQTT__MAX_SESSIONS: mqtt.max_sessions",
        "rmq.toml: node.id",
    ]


def test_toml_that_is_no_toml_names_the_line() -> None:
    (line,) = problems_of("[node]\nid = = 1\n", {"RMQ_NODE__ID": "1"})
    assert line.startswith("rmq.toml: line 2, column 6: is not valid TOML: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    Path("latin.toml").write_bytes(b"# caf\xe9")
    Path("folder.toml").mkdir()
    for name, message in [
        ("missing.toml", "can't be read: No such file or directory"),
        ("latin.toml", "is not UTF-8 text (byte 5)"),
        ("folder.toml", "can't be read: Is a directory"),
    ]:
        with pytest.raises(ConfigError) as raised:
            load(Path(name))
        assert str(raised.value) == f"{name}: {message}"


def test_numbers_with_endless_digits_and_nul_in_paths_are_errors_too() -> None:
    assert len(problems_of(f"[node]\nid = {'9' * 5000}\n")) == 1
    assert problems_of("", None, f"node.id={'9' * 5000}")[0].startswith("--set: node.id: must be a whole number")
    assert problems_of('[plugins]\ndir = "a\\u0000b"\n') == ["rmq.toml: plugins.dir: must not hold U+0000"]


def test_a_broken_plugin_file_is_named_beside_other_problems(tmp_path: Path) -> None:
    Path("plugins").mkdir()
    Path("plugins/rmq-acl.toml").write_text("rules = [\n")
    lines = problems_of("[node]\nid = 0\n")
    assert len(lines) == 2
    assert lines[0].startswith("plugins/rmq-acl.toml: ")
    assert "not valid TOML" in lines[0]
    assert lines[1].startswith("rmq.toml: node.id: ")


class Acl(BaseModel):
    model_config = ConfigDict(extra="forbid")
    priority: int = 10
    rules: list[dict[str, int]] = []
    password: str = ""
    token: SecretStr = SecretStr("")


class NeedsUrl(BaseModel):
    url: str


def test_plugin_configs_are_checked_by_the_plugins_models() -> None:
    Path("plugins").mkdir()
    Path("plugins/rmq-acl.toml").write_text("priorty = 1\nrules = [{ a = 1 }, { a = 'x' }]\n")
    Path("plugins/rmq-alc.toml").write_text("priority = 1\n")
    Path("rmq.toml").write_text("[plugins]\ndefault_startups = ['rmq-acl', 'rmq-gone', 'rmq-url']\n")
    settings = load(Path("rmq.toml"), environ={"RMQ_PLUGINS__RMQ_ACL__PASSWORD": "[1]"})
    with pytest.raises(ConfigError) as raised:
        check_plugins(settings, {"rmq-acl": Acl, "rmq-url": NeedsUrl})
    assert [str(problem) for problem in raised.value.problems] == [
        'plugins/rmq-acl.toml: plugins.rmq-acl.rules[1].a: must be a whole number, not "x"',
        "plugins/rmq-acl.toml: plugins.rmq-acl.priorty: unknown key (did you mean priority?)",
        "rmq.toml: plugins.default_startups: no plugin is called rmq-gone",
        "plugins.rmq-url.url: is required",
        "plugins/rmq-alc.toml: plugins.rmq-alc: no plugin is called rmq-alc (did you mean rmq-acl?)",
    ]


def test_a_numeric_password_from_the_environment_is_a_string() -> None:
    settings = load(environ={"RMQ_PLUGINS__RMQ_ACL__PASSWORD": "12345", "RMQ_PLUGINS__RMQ_ACL__TOKEN": "007"})
    acl = settings.plugin_settings("rmq-acl", Acl)
    assert acl.password == "12345"
    assert acl.token.get_secret_value() == "007"


def test_a_secret_is_not_shown_in_an_error() -> None:
    Path("rmq.toml").write_text("[plugins.rmq-acl]\npassword = 4711\n")
    with pytest.raises(ConfigError) as raised:
        load(Path("rmq.toml")).plugin_settings("rmq-acl", Acl)
    assert str(raised.value) == "rmq.toml: plugins.rmq-acl.password: must be a string"


def test_checked_plugins_come_back_as_their_models() -> None:
    settings = load(overrides=[Override("--set", "plugins.default_startups", '["rmq-acl"]')])
    assert check_plugins(settings, {"rmq-acl": Acl, "unused": NeedsUrl}) == {"rmq-acl": Acl()}
