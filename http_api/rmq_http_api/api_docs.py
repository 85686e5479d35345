"""/api-docs: Swagger UI from the files of this package, and /api/v1/openapi.json, which it shows."""

from importlib.resources import files
from typing import Any, Final

from rmq.management.turns import Turns
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import ApiError
from rmq_http_api.openapi import Document
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route, RouteTable

PAGE: Final = "index.html"
MEDIA_TYPES: Final = {
    PAGE: "text/html; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
# Nothing from elsewhere, and no script but these; Swagger UI draws with inline styles and images of its own.
POLICY: Final = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

Plain = Call[NoQuery, None]


class ApiDocs:
    """The description of a table, and the page about it; open to all, for they hold nothing that isn't public."""

    def __init__(self, table: RouteTable, turns: Turns) -> None:
        self._table = table
        self._turns = turns
        self._files: dict[str, bytes] = {}
        self._description: Answer | None = None

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        return [
            Route(
                "GET",
                "/api/v1/openapi.json",
                "openapi",
                "This description",
                self.description,
                answers=(dict[str, Any],),
                open=True,
            ),
            Route(
                "GET",
                "/api-docs",
                "api_docs",
                "The description as a page",
                self.page,
                media_types=(_plain(MEDIA_TYPES[PAGE]),),
                open=True,
            ),
            Route(
                "GET",
                "/api-docs/{file}",
                "api_docs_file",
                "A file of that page",
                self.file,
                media_types=tuple(sorted(set(map(_plain, MEDIA_TYPES.values())))),
                open=True,
            ),
        ]

    async def description(self, call: Plain) -> Answer:
        """OpenAPI 3.1, made from the table that serves; once, and not all at once."""
        if self._description is None:
            document = Document()
            for route in self._table.routes:
                document.add(route)
                await self._turns.wait()
            self._description = json_answer(document.whole())
        return self._description

    async def page(self, call: Plain) -> Answer:
        """Swagger UI."""
        return self._answer(PAGE)

    async def file(self, call: Plain) -> Answer:
        """One of its files."""
        return self._answer(call.path.text("file"))

    def _answer(self, name: str) -> Answer:
        media_type = MEDIA_TYPES.get(name)
        if media_type is None:
            raise ApiError(404, "PATH_NOT_FOUND", "there is no such file")
        content = self._files.get(name)
        if content is None:
            content = self._files[name] = files("rmq_http_api.swagger").joinpath(name).read_bytes()
        return Answer(content, media_type, headers={"Content-Security-Policy": POLICY})


def _plain(media_type: str) -> str:
    """Without its parameters."""
    return media_type.partition(";")[0]
