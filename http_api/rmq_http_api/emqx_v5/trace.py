"""/trace: what happens to one client, address or topic, written down by every node for a while."""

import io
import zipfile
from typing import Annotated, Final, Literal

import trio
from pydantic import ConfigDict, Field, model_validator

from rmq.management.errors import AccountNotFound, ManagementError
from rmq.management.traces.traces import LineForm, PayloadForm, Trace, TraceKind
from rmq.management.traces.tracing import MAX_READ, TraceFileView
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.moments import BodyMoment
from rmq_http_api.emqx_v5.names import find_node
from rmq_http_api.emqx_v5.pages import V5Query, missing_header
from rmq_http_api.emqx_v5.wording import PREFIX, rfc3339
from rmq_http_api.parameters import TOPIC_FILTER, Body, NoQuery, Number
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import JsonSchema, TypedDict

ZIP: Final = "application/zip"

# Names, each with a letter or a digit first; for OpenAPI, it is management that says no.
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,199}$"


# What each type looks for.
VALUES: Final[dict[str, JsonSchema]] = {
    "clientid": {"minLength": 1},
    "topic": TOPIC_FILTER,
    "ip_address": {"format": "ipv4"},
}


class TraceBody(Body):
    """A trace to begin: ``type`` says which of the three is looked for. Payloads are hidden unless they are wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [kind], "properties": {"type": {"const": kind}, kind: {"type": "string", **schema}}}
                for kind, schema in VALUES.items()
            ]
        }
    )

    name: str = Field(json_schema_extra={"pattern": NAME})
    type: TraceKind
    clientid: str | None = Field(None, min_length=1)
    topic: str | None = Field(None, min_length=1)
    ip_address: str | None = Field(None, min_length=1)
    start_at: BodyMoment | None = None
    end_at: BodyMoment | None = None
    payload_encode: PayloadForm = "hidden"
    formatter: LineForm = "text"

    @model_validator(mode="after")
    def _says_what(self) -> "TraceBody":
        if getattr(self, self.type) is None:
            raise ValueError(f"{self.type}: is missing")
        return self


class NodeQuery(V5Query):
    """What one node has written; by default the node that is asked, or all."""

    node: str | None = None


class LogQuery(NodeQuery):
    """Which piece of it."""

    position: Annotated[Number, Field(ge=0)] = 0
    bytes: Annotated[Number, Field(ge=1, le=MAX_READ)] = 1000


class TraceObject(TypedDict):
    """A trace. ``log_size`` has what each node has written, in bytes; one of the three names what is looked for."""

    name: str
    type: TraceKind
    clientid: str | None
    topic: str | None
    ip_address: str | None
    start_at: str
    end_at: str
    status: Literal["waiting", "running", "stopped"]
    payload_encode: PayloadForm
    formatter: LineForm
    log_size: dict[str, int]


class StoppedObject(TypedDict):
    """A trace that is stopped."""

    name: str
    enable: bool


class LogMeta(TypedDict):
    """Where to go on; ``hint`` says whether there was more just now."""

    position: int
    bytes: int
    hint: Literal["more", "eof"]


class LogObject(TypedDict):
    """A piece of what a node has written."""

    items: str
    meta: LogMeta


class FileObject(TypedDict):
    """What a node has written: bytes, and when last, in milliseconds since 1970."""

    node: str
    size: int
    mtime: int


class TraceRoutes:
    """The routes of traces."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management
        self._operations = service.management.operations
        self._traces = service.management.operations.traces

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/trace"
        one = f"{path}/{{name}}"
        rows, row = (list[TraceObject],), (TraceObject,)
        log, files = (LogObject,), (list[FileObject],)
        return [
            Route("GET", path, "traces", "All traces", self.all, answers=rows),
            Route("POST", path, "trace_create", "Begin a trace", self.create, NoQuery, TraceBody, answers=row),
            Route("DELETE", path, "traces_delete", "Delete all traces", self.clear, status=204),
            Route("DELETE", one, "trace_delete", "Delete a trace and its logs", self.delete, status=204),
            Route("PUT", f"{one}/stop", "trace_stop", "Stop a trace", self.stop, answers=(StoppedObject,)),
            Route(
                "GET",
                f"{one}/download",
                "trace_download",
                "The logs of all nodes, or of one",
                self.download,
                NodeQuery,
                media_types=(ZIP,),
                role="administrator",
            ),
            Route(
                "GET",
                f"{one}/log",
                "trace_log",
                "A piece of one node's log",
                self.log,
                LogQuery,
                answers=log,
                role="administrator",
            ),
            Route("GET", f"{one}/log_detail", "trace_log_detail", "How long the logs are", self.files, answers=files),
        ]

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """By name."""
        gathered = await self._operations.trace_files()
        rows = [self._present(trace, gathered.answers) for trace in self._traces.all()]
        return json_answer(rows, headers=missing_header(gathered.missing))

    async def create(self, call: Call[NoQuery, TraceBody]) -> Answer:
        """When every node knows it."""
        body = call.body
        trace = await self._traces.create(
            body.name,
            body.type,
            getattr(body, body.type),
            start_at=body.start_at,
            end_at=body.end_at,
            payloads=body.payload_encode,
            lines=body.formatter,
        )
        return json_answer(self._present(trace, ()))

    async def clear(self, call: Call[NoQuery, None]) -> Answer:
        """With all logs."""
        await self._traces.clear()
        return empty_answer()

    async def delete(self, call: Call[NoQuery, None]) -> Answer:
        """With its logs on all nodes."""
        await self._traces.delete(call.path.text("name"))
        return empty_answer()

    async def stop(self, call: Call[NoQuery, None]) -> Answer:
        """What was written stays."""
        trace = await self._traces.stop(call.path.text("name"))
        answer: StoppedObject = {"name": trace.name, "enable": False}
        return json_answer(answer)

    async def log(self, call: Call[LogQuery, None]) -> Answer:
        """Of the node that is asked, unless another one is named."""
        query = call.query
        node_id = self._management.local.ref.node_id
        if query.node is not None:
            node_id = await find_node(self._management, query.node)
        data = await self._operations.trace_log(node_id, call.path.text("name"), query.position, query.bytes)
        meta: LogMeta = {
            "position": query.position + len(data),
            "bytes": query.bytes,
            "hint": "more" if len(data) == query.bytes else "eof",
        }
        answer: LogObject = {"items": data.decode("utf-8", "replace"), "meta": meta}
        return json_answer(answer)

    async def files(self, call: Call[NoQuery, None]) -> Answer:
        """Of each node."""
        trace = self._traces.get(call.path.text("name"))
        gathered = await self._operations.trace_files()
        rows: list[FileObject] = [
            {"node": view.node.name, "size": view.size, "mtime": round(1000 * (view.changed_at or 0))}
            for view in gathered.answers
            if view.name == trace.name
        ]
        return json_answer(rows, headers=missing_header(gathered.missing))

    async def download(self, call: Call[NodeQuery, None]) -> Answer:
        """As a zip file with one log a node; a node that doesn't answer is named in a header."""
        name = self._traces.get(call.path.text("name")).name
        gathered = await self._operations.trace_files()
        nodes = [view.node for view in gathered.answers if view.name == name]
        if call.query.node is not None:
            node_id = await find_node(self._management, call.query.node)
            nodes = [node for node in nodes if node.node_id == node_id]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for node in nodes:
                with archive.open(f"trace_{name}/{node.name}.log", "w", force_zip64=True) as file:
                    position = 0
                    while True:
                        try:
                            piece = await self._operations.trace_log(node.node_id, name, position, MAX_READ)
                        except AccountNotFound:
                            raise
                        except ManagementError as error:
                            piece = f"- node {node.name} gave no more: {error}\n".encode()
                            await trio.to_thread.run_sync(file.write, piece)
                            break
                        if not piece:
                            break
                        await trio.to_thread.run_sync(file.write, piece)
                        position += len(piece)
        headers = {"Content-Disposition": f'attachment; filename="{name}.zip"', **missing_header(gathered.missing)}
        return Answer(packed.getvalue(), ZIP, 200, headers)

    def _present(self, trace: Trace, files: tuple[TraceFileView, ...]) -> TraceObject:
        return {
            "name": trace.name,
            "type": trace.kind,
            "clientid": trace.value if trace.kind == "clientid" else None,
            "topic": trace.value if trace.kind == "topic" else None,
            "ip_address": trace.value if trace.kind == "ip_address" else None,
            "start_at": rfc3339(trace.start_at),
            "end_at": rfc3339(trace.end_at),
            "status": trace.status(self._traces.clock()),
            "payload_encode": trace.payloads,
            "formatter": trace.lines,
            "log_size": {view.node.name: view.size for view in files if view.name == trace.name},
        }
