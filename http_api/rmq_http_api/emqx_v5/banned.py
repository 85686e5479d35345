"""/banned: who may not connect, on no node; listed, banned, let in again."""

from typing import Final, Literal

from pydantic import Field

from rmq.management.accounts.bans import KINDS, Ban, BanKind, BanQuery
from rmq.management.errors import AccountExists
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.moments import BodyMoment, EndMoment
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, slice_answer
from rmq_http_api.emqx_v5.wording import INFINITY, PREFIX, rfc3339
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

# Who bans where nobody is named.
BY_API: Final = "mgmt_api"
MAX_TEXT: Final = 512

Kind = Literal["clientid", "username", "peerhost", "peerhost_net", "clientid_re", "username_re"]


class BannedQuery(PageQuery):
    """Which page, and one filter at most."""

    clientid: str | None = None
    username: str | None = None
    peerhost: str | None = None
    like_clientid: str | None = Field(None, description="Is part of the client id")
    like_username: str | None = Field(None, description="Is part of the user name")
    like_peerhost: str | None = Field(None, description="Is part of the address")
    like_peerhost_net: str | None = Field(None, description="Is part of the network")

    def query(self) -> BanQuery:
        """The filter; ``ApiError`` 400 for several."""
        kinds: dict[str, tuple[BanKind, bool]] = {
            "clientid": ("clientid", True),
            "username": ("username", True),
            "peerhost": ("peerhost", True),
            "like_clientid": ("clientid", False),
            "like_username": ("username", False),
            "like_peerhost": ("peerhost", False),
            "like_peerhost_net": ("peerhost_net", False),
        }
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) > 1:
            raise ApiError(400, "BAD_REQUEST", f"only one filter at a time, not {' and '.join(given)}")
        if not given:
            return BanQuery()
        kind, is_whole = kinds[given[0]]
        value: str = getattr(self, given[0])
        return BanQuery(kind, who=value) if is_whole else BanQuery(kind, who_contains=value)


class BanBody(Body):
    """Whom to ban. ``clientid_re`` and ``username_re`` are refused: no regular expression is run at a CONNECT."""

    as_: Kind = Field(alias="as")
    who: str = Field(min_length=1)
    by: str = Field(BY_API, max_length=MAX_TEXT)
    reason: str = Field("", max_length=MAX_TEXT)
    at: BodyMoment | None = None
    until: EndMoment = INFINITY


BanObject = TypedDict("BanObject", {"as": BanKind, "who": str, "by": str, "reason": str, "at": str, "until": str})


class BansPage(TypedDict):
    """Bans and which page of them."""

    data: list[BanObject]
    meta: Meta


class BannedRoutes:
    """The routes of bans."""

    def __init__(self, service: ApiService) -> None:
        self._bans = service.management.bans
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/banned"
        one = f"{path}/{{as}}/{{who}}"
        page, row = (BansPage,), (BanObject,)
        return [
            Route("GET", path, "banned", "Who is banned", self.page, BannedQuery, answers=page),
            Route("POST", path, "ban", "Ban somebody", self.ban, NoQuery, BanBody, answers=row),
            Route("DELETE", path, "unban_all", "Let everybody in again", self.clear, status=204),
            Route(
                "DELETE",
                one,
                "unban",
                "Let somebody in again",
                self.unban,
                status=204,
                path_schemas={"as": {"enum": list(KINDS)}},
            ),
        ]

    async def page(self, call: Call[BannedQuery, None]) -> Answer:
        """By kind and by whom they are about; those whose time is over aren't there."""
        return await slice_answer(self._turns, call.query, self._bans.all(call.query.query()), ban_object)

    async def ban(self, call: Call[NoQuery, BanBody]) -> Answer:
        """When no node lets them in any more."""
        body = call.body
        until = None if isinstance(body.until, str) else body.until
        try:
            ban = await self._bans.create(body.as_, body.who, by=body.by, reason=body.reason, at=body.at, until=until)
        except AccountExists as error:
            raise ApiError(400, "ALREADY_EXISTS", str(error)) from None
        return json_answer(ban_object(ban))

    async def clear(self, call: Call[NoQuery, None]) -> Answer:
        """All bans are gone."""
        await self._bans.clear()
        return empty_answer()

    async def unban(self, call: Call[NoQuery, None]) -> Answer:
        """This one is."""
        await self._bans.delete(call.path.text("as"), call.path.text("who"))
        return empty_answer()


def ban_object(ban: Ban) -> BanObject:
    """A ban under EMQX's names."""
    return {
        "as": ban.kind,
        "who": ban.who,
        "by": ban.by,
        "reason": ban.reason,
        "at": rfc3339(ban.at),
        "until": INFINITY if ban.until is None else rfc3339(ban.until),
    }
