"""The sections of rmq.toml and the one frozen `Settings` they add up to."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PrivateAttr, field_validator

from rmq.config.auth import AuthSettings
from rmq.config.cluster import ClusterSettings
from rmq.config.listener_kinds import AnyListenerSettings, ListenerTables
from rmq.config.listeners import Count, above_zero
from rmq.config.origins import Key, Origin, Sources
from rmq.config.section import Section
from rmq.config.storage import StorageSettings
from rmq.config.units import MIB, ByteSize, Duration, WholeSeconds
from rmq.config.validate import validate

M = TypeVar("M", bound=BaseModel)

LogTarget = Literal["console", "file", "both", "off"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "text", "json"]
SharedStrategy = Literal[
    "random", "round_robin", "round_robin_per_group", "sticky", "local", "hash_clientid", "hash_topic"
]


def _only_placeholders(*known: str) -> AfterValidator:
    def check(value: str) -> str:
        for placeholder in re.findall(r"\{[^}]*\}", value):
            if placeholder not in known:
                raise ValueError(f"{placeholder} is unknown; only {' and '.join(known)} can be used here")
        if not value or "\0" in value:
            raise ValueError("must not be empty" if not value else "must not hold U+0000")
        return value

    return AfterValidator(check)


def _spell_level(value: object) -> object:
    if isinstance(value, str):
        value = value.lower()
        return "warning" if value == "warn" else value
    return value


PathWithId = Annotated[str, _only_placeholders("{id}")]
ConfigPath = Annotated[str, _only_placeholders("{config_dir}")]
Names = Annotated[tuple[str, ...], Field(strict=False)]  # TOML has lists; ours must not change


class BusySettings(Section):
    """[node.busy]: when the node is too busy to take new clients; a limit of 0 is none."""

    check_enable: bool = True
    update_interval: Annotated[Duration, AfterValidator(above_zero)] = 2.0
    loop_lag: Duration = 2.0
    memory: ByteSize = 0
    loadavg: Annotated[float, Field(ge=0)] = 0.0
    cpuloadavg: Annotated[float, Field(ge=0)] = 0.0
    handshaking: Count = 0


class AlarmSettings(Section):
    """[alarms]: from where on something is an alarm; a limit of 0 is none."""

    interval: Annotated[Duration, AfterValidator(above_zero)] = 10.0
    disk_used: Annotated[float, Field(ge=0, le=100)] = 90.0
    memory_used: Annotated[float, Field(ge=0, le=100)] = 90.0
    loop_lag: Duration = 1.0
    certificate_left: Duration = 30 * 86400.0


class NodeSettings(Section):
    """[node]"""

    id: Annotated[int, Field(ge=1, le=4_294_967_295)] = 1
    data_dir: PathWithId = "./data/{id}"
    shutdown_timeout: Annotated[Duration, AfterValidator(above_zero)] = 10.0
    busy: BusySettings = BusySettings()

    @property
    def data_path(self) -> Path:
        """The folder of this node's data."""
        return Path(self.data_dir.replace("{id}", str(self.id))).expanduser()

    @property
    def control_path(self) -> Path:
        """The socket at which a member of a cluster takes commands from whoever may use its data."""
        return self.data_path / "control.sock"


class LogSettings(Section):
    """[log]"""

    to: LogTarget = "console"
    level: Annotated[LogLevel, BeforeValidator(_spell_level)] = "info"
    format: LogFormat = "auto"
    connection_lines: Count = 1000
    dir: PathWithId = "./log"
    file: PathWithId = "rmq-{id}.log"


class PluginsSettings(Section):
    """[plugins]; the tables below it, one per plugin, belong to the plugins' own models."""

    dir: ConfigPath = "{config_dir}/plugins"
    default_startups: Names = ("rmq-acl", "rmq-sys-topic", "rmq-http-api")

    @field_validator("default_startups")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is listed more than once")
        return names


class HooksSettings(Section):
    """[hooks]"""

    time_budget: Duration = 0.1
    async_time_budget: Duration = 5.0
    deny_on_error: bool = True


class MqttSettings(Section):
    """[mqtt]: what holds for the whole node rather than for one listener."""

    max_sessions: Count = 0
    allow_multiple_matches: bool = False
    shared_subscription_strategy: SharedStrategy = "round_robin"
    delayed_publish_max: Count = 100_000
    delayed_publish_max_bytes: ByteSize = 256 * MIB
    delayed_publish_immediate: bool = False


class RetainSettings(Section):
    """[retain]"""

    max_retained_messages: Count = 0
    max_payload_size: ByteSize = 1 * MIB
    retained_message_ttl: WholeSeconds = 0


def plugins_folder(configured: str, config_file: Path | None) -> Path:
    """Where the plugins' files are; {config_dir} is the folder of the main file, ./etc when there is none."""
    config_dir = config_file.parent if config_file is not None else Path("etc")
    return Path(configured.replace("{config_dir}", str(config_dir))).expanduser()


class Settings(Section):
    """The whole configuration of one node. `load` makes it; `Settings()` is the embedded default."""

    node: NodeSettings = NodeSettings()
    log: LogSettings = LogSettings()
    plugins: PluginsSettings = PluginsSettings()
    auth: AuthSettings = AuthSettings()
    hooks: HooksSettings = HooksSettings()
    mqtt: MqttSettings = MqttSettings()
    retain: RetainSettings = RetainSettings()
    storage: StorageSettings = StorageSettings()
    alarms: AlarmSettings = AlarmSettings()
    listener: ListenerTables = ListenerTables()

    _sources: Sources = PrivateAttr(default_factory=Sources)
    _repair: bool = PrivateAttr(default=False)
    _development: bool = PrivateAttr(default=False)

    def model_post_init(self, context: object) -> None:
        if isinstance(context, Sources):
            self._sources = context

    @property
    def config_file(self) -> Path | None:
        """The main file that was read; None when the node runs on its embedded defaults."""
        return self._sources.config_file

    @property
    def data_path(self) -> Path:
        return self.node.data_path

    @property
    def log_path(self) -> Path:
        return self._path(self.log.dir) / self.log.file.replace("{id}", str(self.node.id))

    @property
    def repair(self) -> bool:
        """Whether to start with damaged data, setting aside what can't be read; asked for once, never configured."""
        return self._repair

    def ask_repair(self) -> None:
        """Start with damaged data."""
        self._repair = True

    @property
    def development(self) -> bool:
        """Whether plugins are reloaded when their files change; asked for on the command line, never configured."""
        return self._development

    def ask_development(self) -> None:
        """Have plugins reloaded when their files change."""
        self._development = True

    @property
    def users_path(self) -> Path | None:
        """The password file; None without one."""
        return self.auth.users_path(self.config_file)

    @property
    def cluster(self) -> ClusterSettings:
        """Which cluster the node is to be in; ``enabled`` is False for a node alone."""
        return self._sources.cluster or ClusterSettings()

    @property
    def plugins_path(self) -> Path:
        return plugins_folder(self.plugins.dir, self.config_file)

    @property
    def listeners(self) -> dict[str, AnyListenerSettings]:
        """The enabled listeners by full name, such as "tcp.external"."""
        return self.listener.enabled()

    @property
    def configured_plugins(self) -> tuple[str, ...]:
        """Names of the plugins any source has values for, started or not."""
        return tuple(self._sources.plugin_configs)

    def plugin_config(self, name: str) -> dict[str, object]:
        """What is configured for one plugin, not validated; empty when nothing is."""
        return dict(self._sources.plugin_configs.get(name, {}))

    def plugin_settings(self, name: str, model: type[M], over: Mapping[str, object] | None = None) -> M:
        """One plugin's configuration as its own model; ConfigError names every wrong key with its origin.

        Keys of `over` are put in the place of configured ones.
        """
        return validate(
            model, {**self.plugin_config(name), **(over or {})}, self._sources.origins, prefix=("plugins", name)
        )

    def read_again(self, changes_file: Path | None = None) -> "Settings":
        """The settings as files and environment have them now; these ones when there is nothing to read.

        With `changes_file` as they would be if that were the file at `changes_path`.
        """
        again = self._sources.read_again
        return self if again is None else again(changes_file)

    @property
    def changes_path(self) -> Path | None:
        """The file with the settings that were changed while the node ran; None where no file is read."""
        return self._sources.changes_path

    def origin(self, *key: str) -> Origin | None:
        """Where a value was set, e.g. `origin("node", "id")`; None for a default."""
        return self._sources.origins.get(key)

    def origin_near(self, key: Key) -> Origin | None:
        """Where a person would look for `key`, even when it has its default."""
        return self._sources.origins.nearest(key)

    def _path(self, text: str) -> Path:
        return Path(text.replace("{id}", str(self.node.id))).expanduser()
