"""Real servers, one of each for a module's tests, and databases that are filled alike whatever they are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugins.auth_db.filling import BACKENDS, Filled, InMariadb, InPostgresql, InRedis, InSqlite
from tests.support.certificates import Certificates
from tests.support.certificates import certificates as certificates
from tests.support.mariadb_server import Mariadb
from tests.support.postgresql_server import Postgresql
from tests.support.redis_server import Redis

OpenFilled = Callable[[str], Filled]


@pytest.fixture(scope="module")
def open_filled(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[OpenFilled]:
    """The database of a backend, empty but for its tables; its server is started when it is needed first."""
    there: dict[str, Filled] = {}
    authority = certificates.authority

    def open_one(backend: str) -> Filled:
        if backend not in there:
            folder: Path = tmp_path_factory.mktemp(backend)
            if backend == "sqlite":
                there[backend] = InSqlite(folder)
            elif backend == "postgresql":
                there[backend] = InPostgresql(folder, Postgresql(authority))
            elif backend == "mysql":
                there[backend] = InMariadb(folder, Mariadb(authority))
            else:
                there[backend] = InRedis(folder, Redis(authority))
        there[backend].empty()
        return there[backend]

    yield open_one
    for filled in there.values():
        filled.close()


@pytest.fixture(params=BACKENDS)
def filled(request: pytest.FixtureRequest, open_filled: OpenFilled) -> Filled:
    """Each database in its turn."""
    return open_filled(str(request.param))


@pytest.fixture(params=[backend for backend in BACKENDS if backend != "sqlite"])
def served(request: pytest.FixtureRequest, open_filled: OpenFilled) -> Filled:
    """Each database that has a server, in its turn."""
    return open_filled(str(request.param))
