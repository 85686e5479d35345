"""The plugin: judges the token of a client that connects, and what it publishes and subscribes by the token's rules."""

from functools import partial
from pathlib import Path
from typing import Final

import trio

from rmq.plugin_api import (
    ALLOW,
    DENY,
    DENY_AND_DISCONNECT,
    UNDECIDED,
    AuthRequest,
    AuthResult,
    ClientInfo,
    Handle,
    KeptWhileConnected,
    Plugin,
    PluginError,
    PluginHost,
    judge_publish,
    judge_subscribe,
)
from rmq.plugin_api.fetching import fetcher
from rmq.plugin_api.published_keys import PublishedKeys
from rmq_plugins.auth_jwt.claims import ClaimRefused, ClaimRules, Grant
from rmq_plugins.auth_jwt.config import AuthJwtConfig
from rmq_plugins.auth_jwt.keys import Keys, KeysNotThere
from rmq_plugins.auth_jwt.signatures import (
    BadKey,
    BadSignature,
    Header,
    Key,
    is_token,
    keys_of_set,
    public_key,
    read_header,
    secret_key,
    signed_claims,
)

# Reason codes of MQTT 5: the client is wrong, or it may come back.
BAD_USER_NAME_OR_PASSWORD: Final = 0x86
SERVER_UNAVAILABLE: Final = 0x88


class AuthJwtPlugin(Plugin[AuthJwtConfig]):
    """Authentication and access control by JSON Web Tokens. Tokens aren't kept."""

    name = "rmq-auth-jwt"
    descr = "Authentication and access control by JSON Web Tokens"
    Config = AuthJwtConfig

    def __init__(self, config: AuthJwtConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._grants = KeptWhileConnected[Grant]()
        self._said = {"allowed": 0, "denied": 0, "ignored": 0, "failed": 0}
        self._keys = Keys(())
        self._rules = _claim_rules(config)
        self._handles: list[Handle] = []

    async def start(self) -> None:
        """Take part with the configured priority, and begin to fetch keys."""
        self._begin(await self._prepared(self.config), self.config)

    async def stop(self) -> None:
        """Fetch no more keys."""
        if self._keys.published is not None:
            self._keys.published.stop()

    async def reload(self, config: AuthJwtConfig) -> None:
        """Judge by other keys and claims from now on. Who is connected stays so, with what its token gave."""
        keys = await self._prepared(config)
        before, published, address = self._handles, self._keys.published, self.config.jwks_url
        if published is not None and keys.published is not None and address == config.jwks_url:
            keys.published.keys = published.keys
        self._begin(keys, config)
        for handle in before:
            self.host.off(handle)
        if published is not None:
            published.stop()

    def attrs(self) -> dict[str, object]:
        """What was said about tokens how often, and how the published keys are."""
        published = self._keys.published
        figures: dict[str, object] = {**self._said, "clients": len(self._grants)}
        if published is not None:
            figures |= {"keys": len(published.keys or ()), "fetched": published.fetched, "failed": published.failed}
        return figures

    async def _prepared(self, config: AuthJwtConfig) -> Keys:
        fixed: list[Key] = []
        try:
            if config.hmac_secret:
                where = "hmac_secret"
                fixed.append(secret_key(config.hmac_secret, is_base64=config.hmac_base64))
            if config.public_key:
                where = f"public_key: {config.public_key}"
                fixed.append(public_key(await trio.to_thread.run_sync(Path(config.public_key).read_bytes)))
            where = "jwks_ca_file"
            published = await self._published(config)
        except OSError as error:  # ssl.SSLError is one
            raise PluginError(f"{where}: {error.strerror or error}") from None
        except BadKey as error:
            raise PluginError(f"{where}: {error}") from None
        if not fixed and published is None:
            missing = "hmac_secret" if config.encrypt == "hmac-based" else "public_key or jwks_url"
            raise PluginError(f"{missing}: must be given: without a key no token is good")
        unused = [key for key in fixed if not set(key.algorithms) & set(config.counting)]
        if unused:
            raise PluginError(f"algorithms: the key is one of {', '.join(unused[0].algorithms)}, which doesn't count")
        return Keys(tuple(fixed), published)

    async def _published(self, config: AuthJwtConfig) -> PublishedKeys[Key] | None:
        if not config.jwks_url:
            return None
        # In a thread: reading all authorities of a machine takes a tenth of a second.
        fetch = await trio.to_thread.run_sync(
            partial(fetcher, config.jwks_url, config.jwks_timeout, config.jwks_ca_file)
        )
        patience_s = min(config.jwks_timeout, self.host.async_time_budget_s * 0.9)
        return PublishedKeys(fetch, keys_of_set, config.jwks_refresh, patience_s, self.host.logger)

    def _begin(self, keys: Keys, config: AuthJwtConfig) -> None:
        self.config = config
        self._keys = keys
        self._rules = _claim_rules(config)
        on, priority = self.host.on, config.priority
        judge = self._authenticate if keys.published is None else self._authenticate_with_newest
        self._handles = [
            on("client_authenticate", judge, priority),
            on("client_connack", self._grants.answered),
            on("client_disconnected", self._grants.disconnected),
            on("message_publish_check_acl", self._check_publish, priority),
            on("client_subscribe_check_acl", self._check_subscribe, priority),
        ]
        if keys.published is not None:
            self.host.spawn(keys.published.run)

    def _authenticate(self, request: AuthRequest) -> AuthResult | None:
        token = self._token(request)
        if token is None:
            return None
        try:
            header = read_header(token, self.config.counting)
            return self._judged(request.client, token, header, self._keys.find(header))
        except BadSignature as error:
            return self._denied(request.client, str(error))

    async def _authenticate_with_newest(self, request: AuthRequest) -> AuthResult | None:
        token = self._token(request)
        if token is None:
            return None
        try:
            header = read_header(token, self.config.counting)
            key = self._keys.find(header) or await self._keys.look_for(header)
            return self._judged(request.client, token, header, key)
        except BadSignature as error:
            return self._denied(request.client, str(error))
        except KeysNotThere:
            self._said["failed"] += 1
            return AuthResult(DENY, reason_code=SERVER_UNAVAILABLE, reason_string="the keys of tokens aren't there")

    def _token(self, request: AuthRequest) -> str | None:
        """The token; None where there is none: other plugins may know what it is instead."""
        if self.config.from_ == "username":
            token = request.client.username or ""
        else:
            token = (request.password or b"").decode("ascii", "replace")
        if is_token(token):
            return token
        self._said["ignored"] += 1
        return None

    def _judged(self, client: ClientInfo, token: str, header: Header, key: Key | None) -> AuthResult:
        if key is None:
            raise BadSignature("nobody here knows the key that it was signed with")
        claims = signed_claims(token, header, key)
        try:
            grant = self._rules.judge(claims, client, self.host.now())
        except ClaimRefused as error:
            return self._denied(client, str(error))
        self._said["allowed"] += 1
        if grant.rules or grant.otherwise != UNDECIDED:
            self._grants.give(client, grant)
        expires_at = grant.expires_at if self.config.disconnect_if_expiry else 0.0
        return AuthResult(ALLOW, grant.superuser, expires_at=expires_at)

    def _denied(self, client: ClientInfo, reason: str) -> AuthResult:
        self._said["denied"] += 1
        self.host.logger.debug("token refused", client_id=client.client_id, reason=reason)
        return AuthResult(DENY, reason_code=BAD_USER_NAME_OR_PASSWORD)

    def _check_publish(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        grant = self._grants.find(client)
        if grant is None:
            return UNDECIDED
        verdict = judge_publish(grant.rules, topic, qos, retain) or grant.otherwise
        return DENY_AND_DISCONNECT if verdict == DENY and self.config.disconnect_if_pub_rejected else verdict

    def _check_subscribe(self, client: ClientInfo, topic_filter: str, qos: int) -> int:
        grant = self._grants.find(client)
        return UNDECIDED if grant is None else judge_subscribe(grant.rules, topic_filter, qos) or grant.otherwise


def _claim_rules(config: AuthJwtConfig) -> ClaimRules:
    claims = config.validate_claims
    return ClaimRules(claims.exp, claims.nbf, config.leeway, claims.wanted)
