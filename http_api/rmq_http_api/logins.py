"""How a route has somebody log in: with the limits and the rules of the listener that was asked."""

from rmq_http_api.access import Access
from rmq_http_api.calls import Caller
from rmq_http_api.hosts import Request


class ListenerLogins:
    """Logins of one request (``calls.Logins``)."""

    def __init__(self, access: Access, request: Request) -> None:
        self._access = access
        self._request = request

    async def check(self, name: str, password: str) -> Caller:
        """Who that is; ``Unauthorized``, or ``ApiError`` 429 after too many failures."""
        return await self._access.log_in(self._request, name, password)

    async def token(self, name: str, password: str) -> tuple[Caller, str]:
        """The same, and a token for them."""
        return await self._access.log_in_for_token(self._request, name, password)

    async def end(self) -> None:
        """The token that the request came with is good no more."""
        await self._access.log_out(self._request)
