"""The plugin: looks up who connects, and by which rules it publishes and subscribes."""

from functools import partial
from typing import Final

import trio

from rmq.plugin_api import (
    ALLOW,
    DENY,
    DENY_AND_DISCONNECT,
    DENY_ONCE,
    MAX_RULES,
    UNDECIDED,
    AccessRule,
    AuthRequest,
    AuthResult,
    ClientInfo,
    Handle,
    NoAnswerError,
    Plugin,
    PluginHost,
    judge_publish,
    judge_subscribe,
)
from rmq_plugins.auth_db.config import AuthDbConfig
from rmq_plugins.auth_db.hashes import WEAK, BadHash, Hashes
from rmq_plugins.auth_db.lookups import Lookups
from rmq_plugins.auth_db.memory import ALWAYS, RulesMemory
from rmq_plugins.auth_db.opening import open_store, try_queries
from rmq_plugins.auth_db.rows import User
from rmq_plugins.auth_db.store import Question

SWEEP_INTERVAL_S: Final = 1.0
# While the database is away, what was read before counts, and it is asked again after so long.
STALE_S: Final = 10.0
# How much longer than one question trying both may take: connections are made in it.
PATIENCE_AT_START: Final = 4
# Reason codes of MQTT 5: the client is wrong, or it may come back.
BAD_USER_NAME_OR_PASSWORD: Final = 0x86
SERVER_UNAVAILABLE: Final = 0x88
SERVER_BUSY: Final = 0x89
_NO_MATCH: Final = {"deny": DENY, "allow": ALLOW, "ignore": UNDECIDED}


class AuthDbPlugin(Plugin[AuthDbConfig]):
    """Authentication and access control out of a database. Passwords are compared here and not kept."""

    name = "rmq-auth-db"
    descr = "Users and access rules in SQLite, PostgreSQL, MySQL or Redis"
    Config = AuthDbConfig

    def __init__(self, config: AuthDbConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._memory = RulesMemory(host.now)
        self._auth = dict.fromkeys(("allowed", "denied", "unknown", "failed", "busy"), 0)
        self._acl = dict.fromkeys(("read", "failed", "stale"), 0)
        self._handles: list[Handle] = []
        self._lookups: Lookups | None = None
        self._retiring: set[Lookups] = set()  # of the configurations before, with questions under way
        self._logins = 0
        self._bad_hash_logged = False

    async def start(self) -> None:
        """Take part with the configured priority, whether the database is there or not, but for a query it refuses."""
        self._begin(await self._prepared(self.config), self.config)
        self.host.spawn(self._sweep)

    async def stop(self) -> None:
        """Close the connections; who asks from now on gets no answer."""
        for lookups in (*self._retiring, *([] if self._lookups is None else [self._lookups])):
            await lookups.close()

    async def reload(self, config: AuthDbConfig) -> None:
        """Ask the database that the new configuration has; all rules are read again, who is connected stays so."""
        lookups = await self._prepared(config)
        before, handles = self._lookups, self._handles
        self.config = config
        self._begin(lookups, config)
        for handle in handles:
            self.host.off(handle)
        self._memory.forget()
        if before is not None:
            self._retiring.add(before)
            self.host.spawn(partial(self._retire, before))

    async def _retire(self, lookups: Lookups) -> None:
        await lookups.retire()
        self._retiring.discard(lookups)

    def attrs(self) -> dict[str, object]:
        """What was found how often, and how the database is."""
        figures: dict[str, object] = {"backend": self.config.backend, "auth": dict(self._auth), "acl": dict(self._acl)}
        figures |= {"clients": len(self._memory), "logins_waiting": self._logins, "weak_hashes": self._is_weak}
        if self._lookups is not None:
            figures |= {"passwords_remembered": self._lookups.proved.hits}
            figures |= {"connections_busy": self._lookups.busy, **self._lookups.patience.figures()}
        return figures

    @property
    def _is_weak(self) -> bool:
        return bool(self.config.user_query) and self.config.password_hash_algorithm.name in WEAK

    async def _prepared(self, config: AuthDbConfig) -> Lookups:
        store = await trio.to_thread.run_sync(open_store, config, self.host.data_folder(), MAX_RULES)
        problem = "no answer in time"
        question = Question()
        ended_well = False
        try:
            with trio.move_on_after(config.timeout * PATIENCE_AT_START):
                problem = await trio.to_thread.run_sync(try_queries, store, question, abandon_on_cancel=True)
            ended_well = True
        finally:
            question.cut()
            if not ended_well:
                store.close()
        if problem:
            self.host.logger.warning("the database gives no answer yet", server=store.name, problem=problem)
        way = config.password_hash_algorithm
        hashes = Hashes(self.host.passwords, way.name, way.salt_position, way.mac_fun, way.iterations, way.dk_length)
        return Lookups(store, hashes, config, self.host.async_time_budget_s, self.host.logger)

    def _begin(self, lookups: Lookups, config: AuthDbConfig) -> None:
        self._lookups = lookups
        self._bad_hash_logged = False
        if self._is_weak:
            self.host.logger.warning(
                "the hashes of passwords are weak: whoever gets the table guesses them fast",
                password_hash_algorithm=config.password_hash_algorithm.name,
            )
        on, priority, denies = self.host.on, config.priority, config.deny_if_error
        self._handles = [
            on("client_connack", self._memory.kept.answered),
            on("client_disconnected", self._memory.kept.disconnected),
        ]
        if config.user_query:
            self._handles.append(on("client_authenticate", self._authenticate, priority, denies))
        if config.rules_query:
            self._handles.append(on("message_publish_check_acl", self._check_publish, priority, denies))
            self._handles.append(on("client_subscribe_check_acl", self._check_subscribe, priority, denies))

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(SWEEP_INTERVAL_S)
            for client in self._memory.due():
                self.host.drop_access_cache(client.client_id)

    async def _authenticate(self, request: AuthRequest) -> AuthResult | None:
        lookups = self._lookups
        if lookups is None:
            return None
        if self._logins >= self.config.max_waiting:
            self._auth["busy"] += 1
            return AuthResult(DENY, reason_code=SERVER_BUSY, reason_string="too many logins at once")
        self._logins += 1
        try:
            return await self._judge(request, lookups, self.config)
        finally:
            self._logins -= 1

    async def _judge(self, request: AuthRequest, lookups: Lookups, config: AuthDbConfig) -> AuthResult | None:
        try:
            user = await lookups.user(request.client)
        except NoAnswerError:
            self._auth["failed"] += 1
            if not config.deny_if_error:
                return None
            return AuthResult(DENY, reason_code=SERVER_UNAVAILABLE, reason_string="nobody answers who may connect")
        if user is None and config.unknown_user == "ignore":
            self._auth["unknown"] += 1
            return None
        # Whose name is in a certificate has shown who it is; the table only knows more about it.
        is_shown = request.certificate_name is not None and user is not None
        if is_shown or await self._is_right(lookups, user, request.password or b""):
            self._auth["allowed"] += 1
            return AuthResult(ALLOW, user is not None and user.superuser)
        self._auth["unknown" if user is None else "denied"] += 1
        return AuthResult(DENY, reason_code=BAD_USER_NAME_OR_PASSWORD)

    async def _is_right(self, lookups: Lookups, user: User | None, password: bytes) -> bool:
        """False for nobody and for who has no password, in the same time."""
        try:
            if user is not None and user.password_hash:
                return await lookups.is_right(user, password)
            await lookups.spend(password)
        except BadHash as error:
            if not self._bad_hash_logged:
                self._bad_hash_logged = True
                self.host.logger.error("a hash can't be checked, so nobody gets in by it", problem=str(error))
        return False

    async def _check_publish(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        rules = await self._rules(client)
        if rules is None:
            return self._no_answer
        verdict = judge_publish(rules, topic, qos, retain) or _NO_MATCH[self.config.no_match]
        return DENY_AND_DISCONNECT if verdict == DENY and self.config.disconnect_if_pub_rejected else verdict

    async def _check_subscribe(self, client: ClientInfo, topic_filter: str, qos: int) -> int:
        rules = await self._rules(client)
        if rules is None:
            return self._no_answer
        return judge_subscribe(rules, topic_filter, qos) or _NO_MATCH[self.config.no_match]

    @property
    def _no_answer(self) -> int:
        return DENY_ONCE if self.config.deny_if_error else UNDECIDED

    async def _rules(self, client: ClientInfo) -> tuple[AccessRule, ...] | None:
        """The client's rules; None where they aren't known, for want of an answer."""
        memory, lookups = self._memory, self._lookups
        remembered = memory.of(client)
        if lookups is None or memory.holds(remembered):
            return remembered.rules
        try:
            rules = await lookups.rules(client)
        except NoAnswerError:
            self._acl["failed" if remembered.rules is None else "stale"] += 1
            stale_s = SWEEP_INTERVAL_S if remembered.rules is None else STALE_S
            memory.ask_again_after(client, remembered, stale_s)
            return remembered.rules
        self._acl["read"] += 1
        if lookups is self._lookups:
            remembered.rules = rules
            memory.ask_again_after(client, remembered, self.config.acl_cache_ttl or ALWAYS)
        return rules
