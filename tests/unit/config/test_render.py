"""The effective configuration: reads back as the same settings, names origins, hides secrets."""

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from rmq.config import Override, effective_toml, load
from rmq.config.render import toml_value
from rmq.config.secrets import MASK, masked


def sets(*assignments: str) -> list[Override]:
    return [Override("--set", key, value) for key, _, value in (one.partition("=") for one in assignments)]


def test_what_is_printed_reads_back_as_the_same_settings() -> None:
    settings = load(
        overrides=sets(
            "node.id=3",
            "log.file=node-{id}.txt",
            "listener.tcp.external.mqueue_rate_limit=1000,1500ms",
            "listener.tcp.v6.addr=[::1]:1884",
            "plugins.rmq-acl.rules=[['allow', 'all'], ['deny', { user = 'a \"b\"' }]]",
            "plugins.rmq-acl.deep.table.key=1.5",
        )
    )
    Path("again.toml").write_text(effective_toml(settings), encoding="utf-8")
    Path("etc/plugins").mkdir(parents=True)  # the folder is spelled out now, so it must be there
    again = load(Path("again.toml"))
    assert again.model_dump(
        exclude={"node": {"data_dir"}, "log": {"dir", "file"}, "plugins": {"dir"}}
    ) == settings.model_dump(exclude={"node": {"data_dir"}, "log": {"dir", "file"}, "plugins": {"dir"}})
    assert (again.data_path, again.log_path, again.plugins_path) == (
        settings.data_path,
        settings.log_path,
        settings.plugins_path,
    )
    assert again.plugin_config("rmq-acl") == settings.plugin_config("rmq-acl")


def test_only_changed_values_name_their_origin() -> None:
    overrides = sets("node.id=3", "log.level=info", "listener.tcp.second.addr=:2", "plugins.p.key=1")
    lines = effective_toml(load(environ={"RMQ_LOG__TO": "both"}, overrides=overrides)).splitlines()
    assert [line for line in lines if " # " in line] == [
        "id = 3  # --set",
        'to = "both"  # environment variable RMQ_LOG__TO',
        "key = 1  # --set",
        'addr = "0.0.0.0:2"  # --set',
    ]


class WithSecrets(BaseModel):
    http_bearer_token: str = "hush1"
    key: SecretStr = SecretStr("hush2")
    url: str = "redis://user:hush3@host:6379/0"
    attempts: int | None = None
    endpoints: list[dict[str, str]] = [{"password": "hush4", "url": "http://h/"}]


def test_secrets_are_masked_with_and_without_a_model() -> None:
    settings = load(
        overrides=sets("plugins.raw.client_secret=hush5", "plugins.raw.deep.passwd=hush6", "plugins.raw.n=1")
    )
    text = effective_toml(settings, {"raw": WithSecrets()}) + effective_toml(settings)
    for secret in ("hush1", "hush2", "hush3", "hush4", "hush5", "hush6"):
        assert secret not in text
    assert f'url = "redis://user:{MASK}@host:6379/0"' in text
    assert "# attempts is not set" in text


def test_what_counts_as_a_secret() -> None:
    assert masked("token", "x") == MASK
    assert masked("token", "") == ""
    assert masked("retry_tokens_used", "x") == "x"
    assert masked("password", 5) == MASK
    assert masked("ssl.key.pem", "-----BEGIN") == masked("private.key.passphrase", "x") == MASK
    assert masked("ssl.key.location", "/key.pem") == "/key.pem"
    assert masked("use_token", True) is True
    assert masked("hosts", ["http://a:b@c", "d"]) == [f"http://a:{MASK}@c", "d"]


toml_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(toml_values)
def test_every_value_is_written_as_valid_toml(value: object) -> None:
    assert tomllib.loads(f"key = {toml_value(value)}") == {"key": value}
