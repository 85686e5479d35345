"""Sessions, with a connection or without: those of a node, and one by its client's name."""

from rmq.management.models import ClientView
from rmq.management.queries import ClientQuery
from rmq_http_api.emqx_v2.client_lists import ClientLists
from rmq_http_api.emqx_v2.pages import Loose, PageQuery, answers_of_objects, answers_of_page
from rmq_http_api.emqx_v2.wording import PREFIX, UNDEFINED, local_time
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class SessionObject(TypedDict):
    """A session: under the names of EMQX's documents, which have "undefined", and under those of its servers.

    What isn't counted for each session here is "undefined" under both.
    """

    client_id: str
    clean_sess: bool
    max_inflight: str
    inflight_queue: str
    message_queue: str
    message_dropped: str
    awaiting_rel: str
    awaiting_ack: str
    awaiting_comp: str
    created_at: str
    subscriptions: int
    inflight_len: int
    mqueue_len: int
    mqueue_dropped: int
    awaiting_rel_len: int
    deliver_msg: int
    enqueue_msg: str


class SessionRoutes:
    """The routes of sessions; EMQX's documents say ``node`` for ``nodes`` once."""

    def __init__(self, service: ApiService) -> None:
        self._lists = ClientLists(service, ClientQuery(), session_object)

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        found: list[AnyRoute] = []
        lists = self._lists
        page, objects = answers_of_page(SessionObject), answers_of_objects(SessionObject)
        for word in ("nodes", "node"):
            path = f"{PREFIX}/{word}/{{node}}/sessions"
            name = f"v2_{word}_session"
            found += [
                Route("GET", path, f"{name}_list", "The sessions of a node", lists.of_node, PageQuery, answers=page),
                Route(
                    "GET",
                    f"{path}/{{client}}",
                    name,
                    "One session of a node",
                    lists.one_of_node,
                    Loose,
                    answers=objects,
                ),
            ]
        one = f"{PREFIX}/sessions/{{client}}"
        found.append(Route("GET", one, "v2_session", "One session", lists.one, Loose, answers=objects))
        return found


def session_object(client: ClientView) -> SessionObject:
    """A session under the names of EMQX v2."""
    return {
        "client_id": client.client_id,
        "clean_sess": client.clean_start,
        "max_inflight": UNDEFINED,
        "inflight_queue": UNDEFINED,
        "message_queue": UNDEFINED,
        "message_dropped": UNDEFINED,
        "awaiting_rel": UNDEFINED,
        "awaiting_ack": UNDEFINED,
        "awaiting_comp": UNDEFINED,
        "created_at": local_time(client.created_at),
        "subscriptions": client.subscriptions,
        "inflight_len": client.inflight,
        "mqueue_len": client.queue_length,
        "mqueue_dropped": client.traffic.dropped_queue_full,
        "awaiting_rel_len": client.awaiting_release,
        "deliver_msg": client.messages_sent,
        "enqueue_msg": UNDEFINED,
    }
