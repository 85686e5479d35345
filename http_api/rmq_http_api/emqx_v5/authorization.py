"""/authorization: the built-in database of access rules, and what becomes of who fits none.

The rules of a client come first, then those of its user name, then those of all; behind them the plugins' (rmq-acl).
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field, RootModel

from rmq.management.accounts.access_rules import MAX_RULES, MAX_WHO, AccessRule, RulesOf, Whose
from rmq.management.errors import AccountExists, AccountNotFound, PluginNotFound
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, slice_answer
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

TYPE: Final = "built_in_database"
ACL: Final = "rmq-acl"
# What a connection remembers of verdicts on publishing (``flow.publish``).
REMEMBERED: Final = 64

Permission = Literal["allow", "deny"]
Action = Literal["publish", "subscribe", "all"]
Qos = Annotated[int, Field(ge=0, le=2), WHOLE]
Who = Annotated[str, Field(min_length=1, max_length=MAX_WHO)]


class AccessRuleBody(Body):
    """A rule. ``topic`` is a filter with ``${clientid}`` and ``${username}``; behind ``eq `` it is compared as text."""

    topic: str = Field(min_length=1)
    permission: Permission
    action: Action
    qos: Annotated[list[Qos], Field(min_length=1, max_length=3)] = Field(default_factory=lambda: [0, 1, 2])
    retain: bool | Literal["all"] = "all"

    def rule(self) -> AccessRule:
        """The rule as it is kept."""
        retain = None if self.retain == "all" else self.retain
        return AccessRule(self.permission, self.action, self.topic, tuple(sorted(set(self.qos))), retain)


Rules = Annotated[list[AccessRuleBody], Field(max_length=MAX_RULES)]


class UserRulesBody(Body):
    """The rules of a user."""

    username: Who
    rules: Rules


class ClientRulesBody(Body):
    """The rules of a client."""

    clientid: Who
    rules: Rules


class UsersRulesBody(RootModel[list[UserRulesBody]]):
    """Those of several users."""


class ClientsRulesBody(RootModel[list[ClientRulesBody]]):
    """Those of several clients."""


class RulesBody(Body):
    """Rules of somebody who is named elsewhere, too."""

    username: str | None = None
    clientid: str | None = None
    rules: Rules


class UserRulesQuery(PageQuery):
    """Which users: with a part of their name."""

    like_username: str | None = None


class ClientRulesQuery(PageQuery):
    """Which clients: with a part of their id."""

    like_clientid: str | None = None


class AccessRuleObject(TypedDict):
    """A rule."""

    topic: str
    permission: Permission
    action: Action
    qos: list[int]
    retain: bool | Literal["all"]


class UserRules(TypedDict):
    """The rules of a user."""

    username: str
    rules: list[AccessRuleObject]


class ClientRules(TypedDict):
    """The rules of a client."""

    clientid: str
    rules: list[AccessRuleObject]


class UserRulesPage(TypedDict):
    """A page of users."""

    data: list[UserRules]
    meta: Meta


class ClientRulesPage(TypedDict):
    """A page of clients."""

    data: list[ClientRules]
    meta: Meta


class RulesOfAll(TypedDict):
    """The rules of all."""

    rules: list[AccessRuleObject]


class SourceObject(TypedDict):
    """The one source that this API shows."""

    type: Literal["built_in_database"]
    enable: bool
    max_rules: int


class SourcesObject(TypedDict):
    """All sources."""

    sources: list[SourceObject]


class CacheObject(TypedDict):
    """What is remembered of verdicts: for each connection, as long as it is there and rules don't change."""

    enable: bool
    max_size: int
    ttl: Literal["infinity"]


class SettingsObject(TypedDict):
    """What becomes of what fits no rule, and of who does what is denied."""

    no_match: Permission
    deny_action: Literal["ignore", "disconnect"]
    cache: CacheObject


Plain = Call[NoQuery, None]
SOURCE: Final[SourceObject] = {"type": TYPE, "enable": True, "max_rules": MAX_RULES}


class AuthorizationRoutes:
    """The routes of the source and its rules."""

    def __init__(self, service: ApiService) -> None:
        self._rules = service.management.access_rules
        self._local = service.management.local
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/authorization"
        sources = f"{path}/sources"
        rules = f"{sources}/{TYPE}/rules"
        users, clients = f"{rules}/users", f"{rules}/clients"
        user, client = f"{users}/{{username}}", f"{clients}/{{clientid}}"
        of_all = (RulesOfAll,)
        put = RulesBody
        return [
            Route(
                "GET",
                f"{path}/settings",
                "authz_settings",
                "What fits no rule",
                self.settings,
                answers=(SettingsObject,),
            ),
            Route(
                "GET", sources, "authz_sources", "Where access rules come from", self.sources, answers=(SourcesObject,)
            ),
            Route("GET", f"{sources}/{{type}}", "authz_source", "One source", self.source, answers=(SourceObject,)),
            Route("GET", users, "rules_users", "Rules of users", self.users, UserRulesQuery, answers=(UserRulesPage,)),
            Route(
                "POST", users, "rules_users_create", "Add users", self.add_users, NoQuery, UsersRulesBody, status=204
            ),
            Route("GET", user, "rules_user", "Rules of a user", self.user, answers=(UserRules,)),
            Route("PUT", user, "rules_user_put", "Replace a user's rules", self.put_user, NoQuery, put, status=204),
            Route("DELETE", user, "rules_user_delete", "Take a user's rules out", self.delete_user, status=204),
            Route(
                "GET",
                clients,
                "rules_clients",
                "Rules of clients",
                self.clients,
                ClientRulesQuery,
                answers=(ClientRulesPage,),
            ),
            Route(
                "POST",
                clients,
                "rules_clients_create",
                "Add clients",
                self.add_clients,
                NoQuery,
                ClientsRulesBody,
                status=204,
            ),
            Route("GET", client, "rules_client", "Rules of a client", self.client, answers=(ClientRules,)),
            Route(
                "PUT", client, "rules_client_put", "Replace a client's rules", self.put_client, NoQuery, put, status=204
            ),
            Route("DELETE", client, "rules_client_delete", "Take a client's rules out", self.delete_client, status=204),
            Route("GET", f"{rules}/all", "rules_all", "Rules of all", self.of_all, answers=of_all),
            Route(
                "POST",
                f"{rules}/all",
                "rules_all_put",
                "Replace the rules of all",
                self.put_all,
                NoQuery,
                put,
                status=204,
            ),
            Route(
                "DELETE", f"{rules}/all", "rules_all_delete", "Take the rules of all out", self.delete_all, status=204
            ),
            Route("DELETE", rules, "rules_delete", "Take all rules out", self.delete_every, status=204),
        ]

    async def settings(self, call: Plain) -> Answer:
        """As rmq-acl has it, behind the rules of the database: where it runs, what fits no rule is denied."""
        try:
            active = self._local.plugin(ACL).active
            config = self._local.plugin_config(ACL) if active else {}
        except PluginNotFound:
            active, config = False, {}
        body: SettingsObject = {
            "no_match": "deny" if active else "allow",
            "deny_action": "disconnect" if config.get("disconnect_if_pub_rejected") else "ignore",
            "cache": {"enable": True, "max_size": REMEMBERED, "ttl": "infinity"},
        }
        return json_answer(body)

    async def sources(self, call: Plain) -> Answer:
        """The built-in database."""
        body: SourcesObject = {"sources": [SOURCE]}
        return json_answer(body)

    async def source(self, call: Plain) -> Answer:
        """The same by its type."""
        if call.path.text("type") != TYPE:
            raise ApiError(404, "NOT_FOUND", f"there is no source of this type, only {TYPE}")
        return json_answer(SOURCE)

    async def users(self, call: Call[UserRulesQuery, None]) -> Answer:
        """By name."""
        part = call.query.like_username or ""
        rows = [one for one in self._rules.all("username") if part in one.who]
        return await slice_answer(self._turns, call.query, rows, _user_rules)

    async def clients(self, call: Call[ClientRulesQuery, None]) -> Answer:
        """By id."""
        part = call.query.like_clientid or ""
        rows = [one for one in self._rules.all("clientid") if part in one.who]
        return await slice_answer(self._turns, call.query, rows, _client_rules)

    async def add_users(self, call: Call[NoQuery, UsersRulesBody]) -> Answer:
        """All of them, or none where one has rules already."""
        return await self._add("username", [(one.username, one.rules) for one in call.body.root])

    async def add_clients(self, call: Call[NoQuery, ClientsRulesBody]) -> Answer:
        """All of them, or none where one has rules already."""
        return await self._add("clientid", [(one.clientid, one.rules) for one in call.body.root])

    async def user(self, call: Plain) -> Answer:
        """One of them."""
        return json_answer(_user_rules(self._get("username", call.path.text("username"))))

    async def client(self, call: Plain) -> Answer:
        """One of them."""
        return json_answer(_client_rules(self._get("clientid", call.path.text("clientid"))))

    async def put_user(self, call: Call[NoQuery, RulesBody]) -> Answer:
        """Whether there were any or not."""
        return await self._put("username", call.path.text("username"), call.body.username, call.body.rules)

    async def put_client(self, call: Call[NoQuery, RulesBody]) -> Answer:
        """Whether there were any or not."""
        return await self._put("clientid", call.path.text("clientid"), call.body.clientid, call.body.rules)

    async def delete_user(self, call: Plain) -> Answer:
        """404 where there are none."""
        return await self._delete("username", call.path.text("username"))

    async def delete_client(self, call: Plain) -> Answer:
        """404 where there are none."""
        return await self._delete("clientid", call.path.text("clientid"))

    async def of_all(self, call: Plain) -> Answer:
        """None where nothing was said."""
        body: RulesOfAll = {"rules": _present(self._rules.of_all())}
        return json_answer(body)

    async def put_all(self, call: Call[NoQuery, RulesBody]) -> Answer:
        """From now on."""
        await self._rules.put("all", "", [one.rule() for one in call.body.rules])
        return empty_answer()

    async def delete_all(self, call: Plain) -> Answer:
        """Whether there were any or not."""
        try:
            await self._rules.delete("all", "")
        except AccountNotFound:
            pass  # as it is to be
        return empty_answer()

    async def delete_every(self, call: Plain) -> Answer:
        """Those of clients, of users and of all."""
        await self._rules.delete_all()
        return empty_answer()

    async def _add(self, whose: Whose, new: Iterable[tuple[str, list[AccessRuleBody]]]) -> Answer:
        made = [(who, [one.rule() for one in rules]) for who, rules in new]
        known = {one.who for one in self._rules.all(whose)}
        names = [who for who, _ in made]
        for number, who in enumerate(names):
            if who in known or who in names[:number]:
                raise ApiError(409, "ALREADY_EXISTS", f"{whose} {who!r} has rules already: none were added")
        for who, rules in made:
            try:
                await self._rules.create(whose, who, rules)
            except AccountExists:
                raise ApiError(409, "ALREADY_EXISTS", f"{whose} {who!r} has got rules a moment ago") from None
        return empty_answer()

    def _get(self, whose: Whose, who: str) -> RulesOf:
        try:
            return self._rules.get(whose, who)
        except AccountNotFound:
            raise ApiError(404, "NOT_FOUND", "Not Found") from None

    async def _put(self, whose: Whose, who: str, said: str | None, rules: list[AccessRuleBody]) -> Answer:
        if said not in (None, who):
            raise ApiError(400, "BAD_REQUEST", f"{whose}: isn't the one of the path")
        await self._rules.put(whose, who, [one.rule() for one in rules])
        return empty_answer()

    async def _delete(self, whose: Whose, who: str) -> Answer:
        try:
            await self._rules.delete(whose, who)
        except AccountNotFound:
            raise ApiError(404, "NOT_FOUND", "Not Found") from None
        return empty_answer()


def _user_rules(found: RulesOf) -> UserRules:
    return {"username": found.who, "rules": _present(found.rules)}


def _client_rules(found: RulesOf) -> ClientRules:
    return {"clientid": found.who, "rules": _present(found.rules)}


def _present(rules: Sequence[AccessRule]) -> list[AccessRuleObject]:
    return [
        {
            "topic": rule.topic,
            "permission": rule.permission,
            "action": rule.action,
            "qos": list(rule.qos),
            "retain": "all" if rule.retain is None else rule.retain,
        }
        for rule in rules
    ]
