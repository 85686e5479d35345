"""The kinds of listener: their keys, their defaults, the files they name, and what can't be combined."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmq.config import (
    ConfigError,
    Override,
    TlsKeys,
    UnixListenerSettings,
    WsListenerSettings,
    effective_toml,
    load,
)
from tests.support.certificates import Certificates
from tests.support.certificates import certificates as certificates


def problems_of(text: str) -> list[str]:
    """What is wrong, without the file's name in front."""
    Path("rmq.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load(Path("rmq.toml"))
    lines = [str(problem) for problem in raised.value.problems]
    assert all(line.startswith("rmq.toml: ") for line in lines)
    return [line.removeprefix("rmq.toml: ") for line in lines]


def tls(certificates: Certificates, *more: str, kind: str = "tls") -> str:
    pair = certificates.authority.server
    head = f"[listener.{kind}.external]\ncert = '{pair.certfile}'\nkey = '{pair.keyfile}'\n"
    return head + "\n".join(more)


def names(*sets: str) -> list[str]:
    overrides = [Override("--set", key, value) for key, _, value in (one.partition("=") for one in sets)]
    return list(load(overrides=overrides).listeners)


def test_several_of_every_kind(certificates: Certificates) -> None:
    pair = certificates.authority.server
    files = f"cert = '{pair.certfile}'\nkey = '{pair.keyfile}'\n"
    Path("rmq.toml").write_text(
        "[listener.tcp.external]\n[listener.tcp.lan]\naddr = ':1885'\n"
        f"[listener.tls.external]\n{files}[listener.tls.b]\naddr = ':8885'\n{files}"
        "[listener.ws.external]\n[listener.ws.b]\naddr = ':8085'\npath = '/other'\n"
        f"[listener.wss.external]\n{files}"
        "[listener.unix.a]\npath = 'a.sock'\n[listener.unix.b]\npath = 'b.sock'\nmode = '600'\n"
    )
    settings = load(Path("rmq.toml"))
    assert list(settings.listeners) == [
        "tcp.external",
        "tcp.lan",
        "tls.external",
        "tls.b",
        "ws.external",
        "ws.b",
        "wss.external",
        "unix.a",
        "unix.b",
    ]
    defaults = {
        name: str(getattr(settings.listeners[f"{name}.external"], "addr", "")) for name in ("tcp", "tls", "ws", "wss")
    }
    assert defaults == {
        "tcp": "127.0.0.1:1883",
        "tls": "127.0.0.1:8883",
        "ws": "127.0.0.1:8083",
        "wss": "127.0.0.1:8084",
    }
    wss, other = settings.listeners["wss.external"], settings.listeners["ws.b"]
    assert isinstance(wss, WsListenerSettings) and isinstance(wss, TlsKeys) and wss.path == "/mqtt"
    assert isinstance(other, WsListenerSettings) and other.path == "/other"
    unix = settings.listeners["unix.b"]
    assert isinstance(unix, UnixListenerSettings) and int(unix.mode, 8) == 0o600


def test_the_default_ones_stand_only_while_no_other_is_configured() -> None:
    assert names() == ["tcp.external", "ws.external"]
    assert names("listener.tcp.external.max_inflight=5") == ["tcp.external"]
    assert names("listener.unix.a.path=a") == ["unix.a"]
    assert names("listener.ws.external.enable=false") == ["tcp.external"]
    assert names("listener.tcp.external.enable=false") == ["ws.external"]
    assert names("listener.tcp.external.enable=false", "listener.ws.external.enable=false") == []
    assert names("listener.tcp.external.enable=false", "listener.unix.a.path=a") == ["unix.a"]


def test_what_is_printed_reads_back(certificates: Certificates) -> None:
    Path("rmq.toml").write_text(
        tls(certificates, f"client_ca_certs = '{certificates.authority.cafile}'", "cross_certificate = 'optional'")
        + "\nmax_bytes_rate = '64KB,1s'\n[listener.unix.a]\npath = 'a.sock'\nmode = '0600'\n"
    )
    settings = load(Path("rmq.toml"))
    text = effective_toml(settings)
    assert 'cross_certificate = "optional"  # rmq.toml' in text
    assert 'max_bytes_rate = "64KB,1s"  # rmq.toml' in text
    assert "nodelay = true\n" in text  # a default names nobody
    Path("again.toml").write_text(text)
    Path("plugins").mkdir()  # spelled out now, so it must be there
    assert load(Path("again.toml")).listener == settings.listener


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[listener.tls.a]\naddr = ':1'", "listener.tls.a.cert: is required|listener.tls.a.key: is required"),
        ("[listener.ws.b]", "listener.ws.b.addr: is required"),
        ("[listener.unix.b]", "listener.unix.b.path: is required"),
        (
            "[listener.unix.b]\npath = 'x'\naddr = ':1'",
            "listener.unix.b.addr: unknown key (it belongs in [listener.tcp.<name>])",
        ),
        (
            "[listener.tcp.external]\ncert = 'x'",
            "listener.tcp.external.cert: unknown key (it belongs in [listener.tls.<name>])",
        ),
        ("[listener.unix.b]\npath = ''", "listener.unix.b.path: must be the path of a socket"),
        ("[listener.unix.b]\npath = 'x/'", "listener.unix.b.path: must be the path of a socket"),
        (
            f"[listener.unix.b]\npath = '{'x' * 108}'",
            "listener.unix.b.path: must be at most 107 bytes, the longest address of a Unix socket",
        ),
        ("[listener.unix.b]\npath = 'none/x'", "listener.unix.b.path: there is no folder none"),
        (
            "[listener.unix.b]\npath = 'x'\nmode = 660",
            'listener.unix.b.mode: write the permissions in octal, such as "0660"',
        ),
        (
            "[listener.unix.b]\npath = 'x'\nmode = '0999'",
            'listener.unix.b.mode: write the permissions in octal, such as "0660"',
        ),
        (
            "[listener.unix.a]\npath = 'x'\n[listener.unix.b]\npath = './x'",
            "listener.unix.b.path: x is taken by listener.unix.a (x)",
        ),
        (
            "[listener.ws.external]\npath = 'mqtt'",
            'listener.ws.external.path: write the path of the URL, such as "/mqtt"',
        ),
        (
            "[listener.ws.external]\npath = '/mqtt?x'",
            'listener.ws.external.path: write the path of the URL, such as "/mqtt"',
        ),
        (
            "[listener.tcp.external]\n[listener.ws.external]\naddr = ':1883'",
            "listener.ws.external.addr: 0.0.0.0:1883 is taken by listener.tcp.external (127.0.0.1:1883)",
        ),
        (
            "[listener.tcp.external]\nmax_bytes_rate = '64KB/s'",
            'listener.tcp.external.max_bytes_rate: write a rate such as "64KB,1s" (65536 bytes a second), '
            'or "" for unlimited',
        ),
        (
            "[listener.tcp.external]\nproxy_protocol_timeout = 0",
            "listener.tcp.external.proxy_protocol_timeout: must be more than 0",
        ),
        ("[node.busy]\nloop_lag = 'x'", "node.busy.loop_lag: write a duration such as"),
        ("[node.busy]\nupdate_interval = 0", "node.busy.update_interval: must be more than 0"),
        ("[node.busy]\nload = 1", "node.busy.load: unknown key (did you mean loadavg?)"),
    ],
)
def test_mistakes(text: str, line: str) -> None:
    found = "|".join(problems_of(text))
    assert found == line or (line.endswith("such as") and found.startswith(line)), found


def test_files_of_tls_are_looked_at_and_named(certificates: Certificates) -> None:
    pair, other = certificates.authority.server, certificates.authority.client("other")
    Path("text").write_text("no certificate")
    key = "listener.tls.external"

    def problem(cert: str, key_file: str, *more: str) -> str:
        (line,) = problems_of(f"[listener.tls.external]\ncert = '{cert}'\nkey = '{key_file}'\n" + "\n".join(more))
        return line

    assert problem("none", pair.keyfile) == f"{key}.cert: none can't be read: No such file or directory"
    assert problem(pair.certfile, "none") == f"{key}.key: none can't be read: No such file or directory"
    assert problem(".", pair.keyfile) == f"{key}.cert: . can't be read: Is a directory"
    assert problem("", pair.keyfile) == f"{key}.cert: must be the path of a file"
    assert problem("text", pair.keyfile) == f"{key}.cert: text holds no certificate in PEM form"
    assert problem(pair.certfile, "text") == f"{key}.key: text holds no private key in PEM form"
    assert problem(pair.certfile, other.keyfile) == (
        f"{key}.key: {other.keyfile} doesn't belong to the certificate in {pair.certfile}"
    )
    assert problem(pair.certfile, certificates.encrypted_key).startswith(f"{key}.key: the private key is encrypted")
    assert problem(pair.certfile, pair.keyfile, "client_ca_certs = 'text'") == (
        f"{key}.client_ca_certs: text holds no certificate in PEM form"
    )


def test_a_listener_that_is_off_may_name_files_that_are_not_there_yet() -> None:
    Path("rmq.toml").write_text(
        "[listener.tls.external]\nenable = false\ncert = 'none'\nkey = 'none'\n"
        "[listener.unix.a]\nenable = false\npath = 'none/x'\n[listener.tcp.external]\n"
    )
    assert list(load(Path("rmq.toml")).listeners) == ["tcp.external"]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            ("cross_certificate = true",),
            "cross_certificate: needs client_ca_certs, the certificates of those who sign the clients' ones",
        ),
        (("cross_certificate = 'maybe'",), 'cross_certificate: must be false, true or "optional"'),
        (("cert_cn_as_username = true",), 'cert_cn_as_username: needs cross_certificate = true or "optional"'),
    ],
)
@pytest.mark.parametrize("kind", ["tls", "wss"])
def test_client_certificates_need_what_they_need(
    certificates: Certificates, kind: str, more: tuple[str, ...], line: str
) -> None:
    assert problems_of(tls(certificates, *more, kind=kind)) == [f"listener.{kind}.external.{line}"]


def test_one_name_of_a_certificate_is_the_user_name(certificates: Certificates) -> None:
    more = (
        f"client_ca_certs = '{certificates.authority.cafile}'",
        "cross_certificate = true",
        "cert_cn_as_username = true",
        "cert_subject_dn_as_username = true",
    )
    assert problems_of(tls(certificates, *more)) == [
        "listener.tls.external.cert_subject_dn_as_username: cert_cn_as_username is set: only one of the two can be the "
        "user name"
    ]
