"""A node without the driver of a database says what to install, and a driver is loaded for its database only."""

import subprocess
import sys
from pathlib import Path

import pytest
from rmq_plugins.auth_db.config import AuthDbConfig
from rmq_plugins.auth_db.opening import open_store

from rmq.plugin_api import PluginError
from tests.support.broker_process import interpreter

MODULES = {"postgresql": "psycopg", "mysql": "pymysql", "redis": "redis"}


@pytest.mark.parametrize("backend", MODULES)
def test_a_missing_driver_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.delitem(sys.modules, "rmq_plugins.auth_db.redis_store", raising=False)
    monkeypatch.setitem(sys.modules, MODULES[backend], None)
    config = AuthDbConfig.model_validate({"backend": backend, "database": "7"})
    with pytest.raises(PluginError) as caught:
        open_store(config, None, 10)
    assert (
        str(caught.value) == f'backend: {backend} needs its driver ({MODULES[backend]}): pip install "rmq[{backend}]"'
    )


def test_a_node_that_does_not_use_them_loads_none(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from rmq_plugins.auth_db import AuthDbPlugin\n"
        "print([name for name in ('sqlalchemy', 'psycopg', 'pymysql', 'redis') if name in sys.modules])"
    )
    python, environment = interpreter()
    done = subprocess.run(
        [python, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
