"""/data: accounts and retained messages exported into files, and imported from them.

The files are our own (``rmq.management.data.archive``); those of EMQX are for ``rmq-ctl import``.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from pydantic import Field

from rmq.management.data.files import DataFile
from rmq.management.errors import DataFileNotFound, DataNotKept
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import ADMINISTRATOR, Call
from rmq_http_api.emqx_v5.forms import uploaded
from rmq_http_api.emqx_v5.names import find_node
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, V5Query, missing_header, slice_answer
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import Body, NoQuery, RawBody
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

BINARY: Final = "application/octet-stream"


class ExportFileObject(TypedDict):
    """A file; ``created_at`` is RFC 3339, ``size`` in bytes."""

    filename: str
    node: str
    size: int
    created_at: str
    created_at_sec: int


class FilesObject(TypedDict):
    """A page of files, newest first."""

    data: list[ExportFileObject]
    meta: Meta


class ImportBody(Body):
    """A file of a node, by default of the one that is asked."""

    filename: str = Field(min_length=1, max_length=256)
    node: str | None = None


class NodeQuery(V5Query):
    """On which node a file is, by default the one that is asked."""

    node: str | None = None


class DataRoutes:
    """The routes of files, exports and imports."""

    def __init__(self, service: ApiService) -> None:
        self._data = service.management.data
        self._management = service.management
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/data"
        files = f"{path}/files"
        one = f"{files}/{{filename}}"
        return [
            Route("POST", f"{path}/export", "data_export", "Export data", self.export, answers=(ExportFileObject,)),
            Route("POST", f"{path}/import", "data_import", "Import data", self.take, NoQuery, ImportBody, status=204),
            Route(
                "GET",
                files,
                "data_files",
                "Files of exported data",
                self.all,
                PageQuery,
                answers=(FilesObject,),
                role=ADMINISTRATOR,
            ),
            Route(
                "POST",
                files,
                "data_upload",
                "Upload a file, as a form of a web page does",
                self.upload,
                NoQuery,
                RawBody,
                status=204,
                content="says anything",
            ),
            Route(
                "GET",
                one,
                "data_download",
                "Download a file",
                self.download,
                NodeQuery,
                answers=(),
                media_types=(BINARY,),
                role=ADMINISTRATOR,
            ),
            Route("DELETE", one, "data_delete", "Delete a file", self.delete, NodeQuery, status=204),
        ]

    async def export(self, call: Call[NoQuery, None]) -> Answer:
        """The file that was written, on the node that is asked."""
        try:
            file = await self._data.export()
        except DataNotKept as error:
            raise ApiError(400, "BAD_REQUEST", str(error)) from None
        return json_answer(_present((self._management.local.ref.name, file)))

    async def take(self, call: Call[NoQuery, ImportBody]) -> Answer:
        """204 when all of it was taken over, on all nodes."""
        body = call.body
        try:
            outcome = await self._data.take(await self._node(body.node), body.filename)
        except DataFileNotFound as error:
            raise ApiError(400, "BAD_REQUEST", str(error)) from None
        if outcome.failed:
            taken = f"{outcome.accounts} accounts and {outcome.retained} retained messages were taken over"
            why = "; ".join(outcome.reasons)
            raise ApiError(400, "BAD_REQUEST", f"{outcome.failed} items weren't imported ({why}), {taken}")
        return empty_answer()

    async def all(self, call: Call[PageQuery, None]) -> Answer:
        """Those of all nodes."""
        gathered = await self._data.files()
        rows = [(node.node.name, file) for node in gathered.answers for file in node.files]
        rows.sort(key=lambda row: (-row[1].created_at, row[1].name, row[0]))
        answer = await slice_answer(self._turns, call.query, rows, _present)
        return Answer(answer.body, answer.media_type, answer.status, {**missing_header(gathered.missing)})

    async def upload(self, call: Call[NoQuery, RawBody]) -> Answer:
        """It is on the node that is asked."""
        name, content = uploaded(call.body.content)
        try:
            await self._data.put(name, content)
        except DataNotKept as error:
            raise ApiError(400, "BAD_REQUEST", str(error)) from None
        return empty_answer()

    async def download(self, call: Call[NodeQuery, None]) -> Answer:
        """As it is."""
        name = call.path.text("filename")
        pieces = await self._data.read(await self._node(call.query.node), name)
        headers: Mapping[str, str] = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Answer(pieces or b"", BINARY, 200, headers)

    async def delete(self, call: Call[NodeQuery, None]) -> Answer:
        """204 when it is gone."""
        await self._data.delete(await self._node(call.query.node), call.path.text("filename"))
        return empty_answer()

    async def _node(self, name: str | None) -> int:
        if name is None:
            return self._management.local.ref.node_id
        try:
            return await find_node(self._management, name)
        except ApiError as error:
            raise ApiError(400, "BAD_REQUEST", error.message) from None


def _present(row: tuple[str, DataFile]) -> ExportFileObject:
    node, file = row
    return {
        "filename": file.name,
        "node": node,
        "size": file.size,
        "created_at": datetime.fromtimestamp(int(file.created_at), UTC).isoformat(),
        "created_at_sec": int(file.created_at),
    }
