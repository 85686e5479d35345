"""The listeners of the API: opened, changed and closed as the configuration has them, without losing requests."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rmq.management.turns import Turns
from rmq_http_api.access import Access
from rmq_http_api.app import Application
from rmq_http_api.config import HttpApiConfig, ListenerRules
from rmq_http_api.server import Server, ServerError, tls_context
from rmq_http_api.service import Work

# A listener is known by its address as it is configured; of those at "any free port" there may be several.
Key = tuple[str, int]


@dataclass
class _Running:
    server: Server
    app: Application


class Listeners:
    """``make_app`` makes what serves on one of them; ``fit`` has what serves there already follow the configuration.

    ``spawn`` runs what must not be waited for.
    """

    def __init__(
        self,
        make_app: Callable[[HttpApiConfig, ListenerRules, Access], Application],
        fit: Callable[[Application, HttpApiConfig, ListenerRules, Access], None],
        turns: Turns,
        spawn: Callable[[Work], None],
    ) -> None:
        self._make_app = make_app
        self._fit = fit
        self._turns = turns
        self._spawn = spawn
        self._running: dict[Key, _Running] = {}
        self._requests_before = 0
        self._bugs_before = 0

    @property
    def addresses(self) -> list[str]:
        """Where they listen, with their real ports; the first is that of ``http_laddr``."""
        return [_shown(each.server) for each in self._running.values()]

    @property
    def connections(self) -> int:
        """How many there are."""
        return sum(each.server.connections for each in self._running.values())

    @property
    def requests(self) -> int:
        """How many there were."""
        return self._requests_before + sum(each.app.requests for each in self._running.values())

    @property
    def bugs(self) -> int:
        """How many of them met one."""
        return self._bugs_before + sum(each.app.bugs for each in self._running.values())

    def go_over_to(self, config: HttpApiConfig, access_of: Callable[[ListenerRules], Access]) -> None:
        """Have the listeners of a configuration; ``ServerError``, and then nothing has changed.

        Those that aren't in it any more end behind their requests, one of which may have asked for this.
        """
        wanted = _keyed(config.listeners)
        contexts = {key: _tls(rules) for key, rules in wanted.items()}
        opened: dict[Key, _Running] = {}
        try:
            for key, rules in wanted.items():
                if key not in self._running:
                    opened[key] = self._open(config, rules, access_of(rules), contexts[key])
        except ServerError:
            for each in opened.values():
                each.server.close()
            raise
        before, self._running = self._running, {}
        for key, rules in wanted.items():
            running = before.pop(key, None)
            if running is None:
                running = opened[key]
                self._spawn(running.server.run)
            else:
                running.server.change(contexts[key], config.max_connections)
                self._fit(running.app, config, rules, access_of(rules))
            self._running[key] = running
        for gone in before.values():
            self._requests_before += gone.app.requests
            self._bugs_before += gone.app.bugs
            self._spawn(gone.server.stop)

    async def stop(self) -> None:
        """Let requests come to their ends, and close all addresses."""
        for each in self._running.values():
            await each.server.stop()

    def _open(
        self, config: HttpApiConfig, rules: ListenerRules, access: Access, tls: ssl.SSLContext | None
    ) -> _Running:
        app = self._make_app(config, rules, access)
        server = Server(
            app,
            rules.addr.host,
            rules.addr.port,
            max_connections=config.max_connections,
            turns=self._turns,
            tls=tls,
            reuse_address=config.http_reuseaddr,
            reuse_port=config.http_reuseport,
        )
        server.open()
        return _Running(server, app)


def _keyed(listeners: Sequence[ListenerRules]) -> dict[Key, ListenerRules]:
    found: dict[Key, ListenerRules] = {}
    for rules in listeners:
        address = str(rules.addr)
        number = sum(known == address for known, _ in found)
        found[address, number] = rules
    return found


def _tls(rules: ListenerRules) -> ssl.SSLContext | None:
    return tls_context(rules.tls.cert, rules.tls.key) if rules.tls.cert else None


def _shown(server: Server) -> str:
    host, port = server.address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
