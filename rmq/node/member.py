"""A node as a member of a cluster: its data, its port, the cluster around them, and the ways to administer it."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
import trio

from rmq.config import CLUSTER_TABLE, ConfigError, Problem, Settings
from rmq.engine.broker import Broker
from rmq.engine.member_options import MemberOptions
from rmq.engine.member_port import MemberPort
from rmq.management import ManagementService
from rmq.metrics.counters import Counters
from rmq.net.reactor import Reactor
from rmq.node.cluster import cluster_class, cluster_options, is_member, make_figures, make_peers, prepare_data
from rmq.node.control import ControlSocket
from rmq.node.standing_tasks import keep_running
from rmq.node.storage import FOLDER as ALONE
from rmq.node.storage import storage_options
from rmq.storage.codec import UnknownOperation
from rmq.storage.events import StateEvents
from rmq.storage.packet_ids import skip_packet_ids
from rmq.storage.record_file import CorruptFile
from rmq.storage.records import Configure
from rmq.storage.recovery import DataInUse, DataLock, Found, recover, recover_member

log = structlog.get_logger(__name__)

FOLDER: Final = "cluster"
STATE: Final = "state"
ENDED: Final = "this node's part in the cluster has ended by a bug, its log says which: the node stops"
REBUILD: Final = "`rmq-node cluster rebuild` fetches everything from the other nodes"


class Member:
    """Everything of a node that only a member of a cluster has. Raises ``ConfigError``.

    ``clock`` is this node's own time, in seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        reactor: Reactor,
        management: ManagementService,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._broker = broker
        folder = settings.data_path / FOLDER
        try:
            (folder / STATE).mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = DataLock(folder)
        except DataInUse as error:
            raise _problem(settings, str(error)) from None
        except OSError as error:
            raise _problem(settings, f"{folder}: {error.strerror}") from None
        try:
            found, alone = _recover(settings, broker, folder / STATE)
            self.port = MemberPort(broker, found, _options(settings), reactor.wake, alone=alone)
            broker.state.node_id = broker.ctx.node_id = broker.routes.node_id = broker.node_id
            broker.cluster = self.port
            self.cluster = self._make_cluster(folder, clock)
        except BaseException:
            self._lock.release()
            raise
        broker.turn_storage = self.cluster.turn
        self._reactor = reactor
        broker.draining.other_listeners = self.cluster.other_listeners
        peers = make_peers(self.cluster, management.local)
        management.enter_cluster(peers, self.cluster.control, make_figures(self.cluster))
        self._control = ControlSocket(settings.node.control_path, management.cluster, self._count_bug)
        self._control.open()
        self._ended = trio.Event()
        self._started = False

    def _count_bug(self) -> None:
        self._broker.counters.internal_errors += 1

    def _make_cluster(self, folder: Path, clock: Callable[[], float]) -> Any:
        settings = self._settings
        try:
            return cluster_class()(
                cluster_options(settings),
                settings.node.id,
                folder,
                self.port,
                clock=time.monotonic,
                wall_clock=clock,
                random=random.Random(),
                fatal=(UnknownOperation,),
            )
        except CorruptFile as error:
            raise _problem(settings, f"{error}; {REBUILD}") from None
        except OSError as error:
            raise _problem(settings, f"{error.filename or folder}: {error.strerror or error}") from None
        except ValueError as error:
            raise ConfigError([Problem("", f"plugins.{CLUSTER_TABLE}", str(error))]) from None

    async def start(self, nursery: trio.Nursery) -> None:
        """Take part from here on, until ``stop``, whatever is cancelled. Raises ``ConfigError``."""
        self.port.begin()
        with trio.CancelScope(shield=True):  # cancelled, it would wait for a task that is shielded, for ever
            await nursery.start(self._run)
        direct = self.cluster.links.direct
        direct.drive_elsewhere()
        self._reactor.watch_source(direct.fd, direct.read_in_turn)
        nursery.start_soon(keep_running, self._broker, "in the control socket", self._control.run)

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope(shield=True):
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.cluster.run)
                    self._started = True
                    task_status.started()
            except Exception as error:
                if not self._started:
                    raise _not_started(error) from None
                # The log is closed and the others go on without this node: it is of no use, and says why it ends.
                self._broker.report_bug(None, "in the cluster")
                raise ConfigError([Problem("", f"plugins.{CLUSTER_TABLE}", ENDED)]) from None
            finally:
                self._ended.set()

    async def stop(self) -> None:
        """Hand over what others can go on with, and have them know that this node stops."""
        if self._started:
            # The reactor takes no turns from here on.
            self._reactor.forget_source(self.cluster.links.direct.fd)
            self.cluster.links.direct.drive_here()
            await self.cluster.stop()
            await self._ended.wait()

    def close(self) -> None:
        """Write what is left, and let go of the data."""
        self._control.close()
        self.port.close()
        self._lock.release()


def _not_started(error: Exception) -> Exception:
    """What is told of a cluster that can't be started: a ``ConfigError`` if it is the address that it can't have."""
    found = error
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    if not isinstance(found, OSError):
        return error
    return ConfigError([Problem("", f"plugins.{CLUSTER_TABLE}.bind", str(found))])


def _recover(settings: Settings, broker: Broker, folder: Path) -> tuple[Found, Path | None]:
    """What is on disk, and the folder of a node alone whose data a cluster is to be founded with."""
    ctx = broker.ctx
    state = broker.state
    counters = ctx.counters
    ctx.counters = Counters()  # what happened before this start was counted then
    state.events = StateEvents()
    state.node_id = broker.node_id
    # The rules are agreed on: what this node is configured with counts when it proposes it.
    state.configure(Configure(False, 0, 0))
    try:
        prepare_data(folder.parent, folder)
        folder.mkdir(exist_ok=True, mode=0o700)
        found = recover_member(folder, state, memory_budget=settings.storage.memory_budget)
        alone = settings.data_path / ALONE
        if is_member(folder.parent) or not alone.exists():
            return found, None
        if found.snapshot:  # it began to found a cluster with the data, and didn't finish
            state.clear()
            for path in folder.iterdir():
                path.unlink()
            found = recover_member(folder, state, memory_budget=settings.storage.memory_budget)
        # All of it in memory: it is written anew, as the snapshot that the cluster begins with.
        recovery = recover(alone, state, memory_budget=0, repair=settings.repair)
        recovery.journal.close()
        if recovery.lost_end:
            skip_packet_ids(state)
        has_data = bool(state.sessions or ctx.retained.count or state.delayed)
        return found, alone if has_data else None
    except CorruptFile as error:
        raise _problem(settings, f"{error}; {REBUILD}") from None
    except OSError as error:
        raise _problem(settings, f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        ctx.counters = counters


def _options(settings: Settings) -> MemberOptions:
    options = MemberOptions()
    storage_options(settings, options)
    cluster = settings.cluster
    options.quorum_timeout_s = cluster.quorum_timeout
    options.forward_deadline_s = cluster.forward_deadline
    options.grace_s = cluster.node_down_grace
    options.serves_alone = cluster.minority == "serve"
    return options


def _problem(settings: Settings, text: str) -> ConfigError:
    origin = settings.origin("node", "data_dir")
    return ConfigError([Problem(origin.name if origin else "", "node.data_dir", text)])
