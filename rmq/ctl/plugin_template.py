"""The files of a new plugin; ``${name}``, ``${module}`` and ``${class_name}`` are filled in."""

from string import Template
from typing import Final

_SOURCE: Final = '''\
"""Nobody but the operator raises an alarm."""

from rmq.plugin_api import ALLOW, DENY, UNDECIDED, ClientInfo, Plugin, PluginConfig, topic_matches


class ${class_name}Config(PluginConfig):
    topic_filter: str = "alarms/#"
    operator: str = "operator"


class ${class_name}(Plugin[${class_name}Config]):
    name = "${name}"
    descr = "Nobody but the operator raises an alarm"
    Config = ${class_name}Config

    async def start(self) -> None:
        self.host.on("message_publish_check_acl", self.check, priority=20)

    def check(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        if not topic_matches(self.config.topic_filter, topic):
            return UNDECIDED
        if client.username == self.config.operator:
            return ALLOW
        self.host.publish("audit/alarms", b"somebody tried", qos=1)
        return DENY
'''

_TEST: Final = '''\
"""The plugin in a real broker: what clients may do, and what they may not."""

import pytest
from paho.mqtt import publish
from rmq.testing import ThreadedBroker

NAME = "${name}"


def raise_alarm(broker: ThreadedBroker, username: str) -> None:
    publish.single("alarms/fire", username, 1, hostname=broker.host, port=broker.port, auth={"username": username})


@pytest.mark.rmq(plugins={"default_startups": [NAME], NAME: {"operator": "night-shift"}})
def test_only_the_operator_raises_an_alarm(rmq_broker: ThreadedBroker) -> None:
    raise_alarm(rmq_broker, "guest")
    raise_alarm(rmq_broker, "night-shift")
    assert rmq_broker.wait_for_message("audit/alarms").text == "somebody tried"
    assert [message.text for message in rmq_broker.wait_for_messages("alarms/#", 1)] == ["night-shift"]
'''

_PYPROJECT: Final = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "${name}"
version = "0.1.0"
description = "A plugin for the MQTT broker rmq"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["rmq"]

[project.optional-dependencies]
test = ["mypy>=1.11", "paho-mqtt>=2.1", "pytest>=8", "ruff>=0.6"]

# Makes the plugin known to every node of the environment that this is installed in.
[project.entry-points."rmq.plugins"]
${name} = "${module}:${class_name}"

[tool.setuptools.package-data]
"*" = ["py.typed"]

[tool.pytest.ini_options]
testpaths = ["tests"]

[tool.mypy]
strict = true
files = ["src", "tests"]

[tool.ruff]
line-length = 120

[tool.ruff.lint]
select = ["B", "E", "F", "I", "UP", "W"]
"""

_MAIN_FILE: Final = """\
# A node to try the plugin in: rmq-node finds this file when it is started in the folder above.

[plugins]
default_startups = ["${name}", "rmq-acl", "rmq-sys-topic", "rmq-http-api"]
"""

_KEYS: Final = """\
# The keys of ${name}, as its class ${class_name}Config has them.

# Who may publish there is the operator alone.
topic_filter = "alarms/#"
# The user name of the operator.
operator = "operator"
"""

_README: Final = """\
# ${name}

A plugin for the MQTT broker rmq.

    pip install -e ".[test]"     # once: makes the plugin known to rmq-node, and brings what its tests need
    pytest                       # its tests, in a real broker
    rmq-node --dev               # a node that runs it, and takes over what you change while it runs

| file | what is in it |
|---|---|
| `src/${module}/__init__.py` | the plugin |
| `etc/plugins/${name}.toml` | its keys |
| `etc/rmq.toml` | a node to try it in |
| `tests/` | its tests |

On a node of your own: install it there, copy `etc/plugins/${name}.toml` beside the other plugins' files, and put
`${name}` into `plugins.default_startups`.
"""

_IGNORED: Final = """\
__pycache__/
*.egg-info/
.mypy_cache/
.pytest_cache/
.ruff_cache/
build/
data/
dist/
log/
"""

# By path; NAME and MODULE in it are the plugin's.
FILES: Final[dict[str, Template]] = {
    path: Template(text)
    for path, text in {
        ".gitignore": _IGNORED,
        "README.md": _README,
        "etc/plugins/NAME.toml": _KEYS,
        "etc/rmq.toml": _MAIN_FILE,
        "pyproject.toml": _PYPROJECT,
        "src/MODULE/__init__.py": _SOURCE,
        "src/MODULE/py.typed": "",
        "tests/test_MODULE.py": _TEST,
    }.items()
}
