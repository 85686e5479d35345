"""/api-docs: Swagger UI from the files of this package, and the documents that it shows, one for each dialect.

/api/v1/openapi.json is of our own routes and RMQTT's, /api-spec.json?dialect= of each other dialect.
"""

from importlib.resources import files
from typing import Any, Final

from pydantic import Field

from rmq.management.turns import Turns
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.dialects import OWN, Dialect
from rmq_http_api.errors import ApiError
from rmq_http_api.openapi import Document
from rmq_http_api.parameters import NoQuery, Query
from rmq_http_api.routing import AnyRoute, Route, RouteTable
from rmq_http_api.shapes import TypedDict

PAGE: Final = "index.html"
MEDIA_TYPES: Final = {
    PAGE: "text/html; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
# Nothing from elsewhere, and no script but these; Swagger UI draws with inline styles and images of its own.
POLICY: Final = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

# Whose routes stand beside ours in one document.
BESIDE_OURS: Final = "rmqtt_v1"
# Which dialect /api-spec.json is of unless another is asked for: where EMQX has that path, it is of its version 5.
DEFAULT: Final = "emqx_v5"


class SpecQuery(Query):
    """Which document."""

    dialect: str = Field(DEFAULT, description="A name that /api-docs/dialects.json has")


class PageQuery(Query):
    """With which document the page begins; the page itself reads that, and takes a name that nobody has for none."""

    dialect: str = Field("", description="A name that /api-docs/dialects.json has")


class DocumentObject(TypedDict):
    """A document that there is."""

    name: str
    title: str
    url: str


Plain = Call[NoQuery, None]


class ApiDocs:
    """The description of a table, and the page about it; open to all, for they hold nothing that isn't public."""

    def __init__(self, table: RouteTable, turns: Turns) -> None:
        self._table = table
        self._turns = turns
        self._files: dict[str, bytes] = {}
        self._descriptions: dict[str, Answer] = {}

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
                "/api-spec.json",
                "dialect_openapi",
                "The description of a dialect",
                self.spec,
                SpecQuery,
                answers=(dict[str, Any],),
                open=True,
            ),
            Route(
                "GET",
                "/api-docs/dialects.json",
                "api_docs_dialects",
                "The descriptions that there are",
                self.dialects,
                answers=(list[DocumentObject],),
                open=True,
            ),
            Route(
                "GET",
                "/api-docs",
                "api_docs",
                "The description as a page",
                self.page,
                PageQuery,
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
        """OpenAPI 3.1 of our own routes and RMQTT's."""
        return await self._described(OWN)

    async def spec(self, call: Call[SpecQuery, None]) -> Answer:
        """OpenAPI 3.1 of one dialect's routes."""
        wanted = call.query.dialect
        for dialect in self._table.dialects:
            if dialect.name == wanted:
                return await self._described(OWN if wanted == BESIDE_OURS else dialect)
        raise ApiError(404, "DIALECT_NOT_FOUND", f"no dialect {wanted[:64]!r} is served here")

    async def dialects(self, call: Plain) -> Answer:
        """Each document that there is."""
        rows: list[DocumentObject] = [
            {"name": OWN.name, "title": "rmq, and as RMQTT v1", "url": "/api/v1/openapi.json"}
        ]
        rows += [
            {"name": one.name, "title": f"as {one.title}", "url": f"/api-spec.json?dialect={one.name}"}
            for one in self._table.dialects
            if one is not OWN and one.name != BESIDE_OURS
        ]
        return json_answer(rows)

    async def _described(self, dialect: Dialect) -> Answer:
        """Made from the table that serves; once, and not all at once."""
        found = self._descriptions.get(dialect.name)
        if found is None:
            document = Document(dialect)
            for whose, routes in self._table.dialects.items():
                if whose is dialect or (dialect is OWN and whose.name == BESIDE_OURS):
                    for route in routes:
                        document.add(route)
                        await self._turns.wait()
            found = self._descriptions[dialect.name] = json_answer(document.whole())
        return found

    async def page(self, call: Call[PageQuery, None]) -> Answer:
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
