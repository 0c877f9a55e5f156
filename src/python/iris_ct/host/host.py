"""The embedded host: runs an iop production in this process (or below it), without IRIS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import iop

from iris_ct.host.bodies import Payload
from iris_ct.host.database import Database, Synchronous
from iris_ct.host.defaults import DefaultSetting
from iris_ct.host.entry import encode, input_to, reply_of, request_to
from iris_ct.host.errors import (
    HandlerInterrupted,
    HostStoppedError,
    PlanError,
    TargetUnknownError,
)
from iris_ct.host.journal import Journal
from iris_ct.host.lock import HostLock
from iris_ct.host.mailbox import Mailbox
from iris_ct.host.node import HOST_ADDRESS, PATIENCE_S, Console, Node, bell_path, log_console_line
from iris_ct.host.nursery import Nursery
from iris_ct.host.plan import HostPlan, load_production
from iris_ct.host.processes import ProcessPool, WorkerSettings
from iris_ct.host.queue_watch import QueueWatch
from iris_ct.host.records import Message as StoredMessage
from iris_ct.host.runtime import LOG_INFO, bind, unbind
from iris_ct.host.schema import prepare_store, write_holder
from iris_ct.host.signals import Doorbell
from iris_ct.host.threads import ThreadPool
from iris_ct.host.watch import Watch


class _Pool(Protocol):
    def start(self) -> None: ...
    def drain(self) -> None: ...
    def stop(self) -> None: ...


class Host:
    """Runs all items of a production on one store.

    Parameters
    ----------
    production : iop.Production or str
        The production, or where to import it: ``module:attribute``.
    store_url : str
        SQLAlchemy URL of the message store: ``sqlite:///...`` or ``postgresql+psycopg://...``.
        Its tables start with ``host_``; others may stand beside them.
    lock_path : Path
        File that guards the store; named pipes for wake-ups are made beside it.
    replay : bool, default True
        True: a handler that was interrupted runs again and finds its earlier sends and their
        replies. False: it runs again from its start and sends anew, as IRIS is believed to do.
    processes : bool, default False
        Run every pool slot in an operating-system process of its own. Needs ``production`` by
        name.
    synchronous : {"NORMAL", "FULL"}, default "NORMAL"
        SQLite only. NORMAL survives the death of processes, FULL also loss of power.
    console : callable, optional
        ``console(severity, text, event_name)`` takes what components write to the console log.
        By default Python's logger ``iris_ct.host.console`` does.
    wakes : dict of str to float, optional
        Seconds between two wake-ups of each polling service without a job of its own (pool size
        0), which on IRIS a task of the Task Manager wakes.
    defaults : iterable of DefaultSetting
        Values for settings that the production leaves open.

    Raises
    ------
    PlanError
        If the production cannot run here; with all reasons, before anything is started.

    Notes
    -----
    Any thread may call the methods. One host per store: see `start`.
    """

    def __init__(
        self,
        production: iop.Production | str,
        *,
        store_url: str,
        lock_path: Path,
        replay: bool = True,
        processes: bool = False,
        synchronous: Synchronous = "NORMAL",
        console: Console | None = None,
        wakes: Mapping[str, float] | None = None,
        defaults: Iterable[DefaultSetting] = (),
    ) -> None:
        if processes and not isinstance(production, str):
            raise PlanError(
                "In strict mode every process imports the production by itself. Give it as "
                "'module:attribute', not as an object."
            )
        self._wakes = dict(wakes or {})
        self._defaults = tuple(defaults)
        self.production = (
            load_production(production) if isinstance(production, str) else production
        )
        self.plan = HostPlan.from_production(
            self.production, wakes=self._wakes, defaults=self._defaults
        )
        self._reference = production if isinstance(production, str) else ""
        self._store_url = store_url
        self._lock_path = Path(lock_path)
        self._replay = replay
        self._processes = processes
        self._synchronous: Synchronous = synchronous
        self._console = console or log_console_line
        # Starting and stopping exclude each other; everything else only looks at _node.
        self._life = threading.Lock()
        self._node: Node | None = None
        self._since = ""
        self._pool: _Pool | None = None
        self._closing: ExitStack | None = None

    # -- life ------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """True between `start` and `stop`."""
        return self._node is not None

    @property
    def since(self) -> str | None:
        """When the running host started, ISO 8601, UTC; None when it does not run."""
        return self._since if self.is_running else None

    def start(self) -> None:
        """Take the store, give back what an earlier host left unfinished, start all items.

        Raises
        ------
        HostLockedError
            If a host runs on this store; says who. The store is not touched.
        ComponentStartError
            If an ``on_init`` failed; everything is stopped again.
        """
        with self._life, ExitStack() as opened:
            if self._node is not None:
                return
            database = Database(self._store_url, self._synchronous)
            opened.callback(database.close)
            lock = HostLock(self._lock_path, database)
            opened.callback(lock.release)
            info = lock.acquire()
            self._since = info.since
            prepare_store(database)
            write_holder(database, info, self.plan)
            node = self._make_node(database)
            unfinished = node.mailbox.requeue()
            opened.callback(node.mailbox.requeue)
            bind(node)
            opened.callback(unbind, node)
            bells = self._bells
            opened.callback(Doorbell(bell_path(bells, HOST_ADDRESS), node.answer_bell).close)
            self._pool = pool = self._make_pool(node)
            opened.callback(pool.stop)
            node.warn(
                f"Production {self.plan.production_name} starts; {len(unfinished)} messages were "
                "begun before and run again.",
                severity=LOG_INFO,
            )
            pool.start()
            if database.dialect != "sqlite":
                # Clients on other machines cannot ring the pipe.
                opened.callback(Watch(node).close)
            if any(s.queue_count_alert or s.queue_wait_alert_s for s in self.plan.items.values()):
                opened.callback(QueueWatch(node).close)
            self._closing = opened.pop_all()
            self._node = node

    def stop(self, drain_timeout_s: float = 10.0) -> None:
        """Let the items finish, then stop them and give the store back.

        Parameters
        ----------
        drain_timeout_s : float
            How long queued messages are still worked on; services begin nothing new. What is
            unfinished then stays in the store and is finished after the next start.
        """
        with self._life:
            node, closing, pool = self._node, self._closing, self._pool
            if node is None or closing is None or pool is None:
                return
            pool.drain()
            self._wait(lambda: node.journal.busy(self._working(node)) == 0, drain_timeout_s)
            self._node = self._closing = self._pool = None
            closing.close()

    def __enter__(self) -> Host:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    # -- messages --------------------------------------------------------------------------------

    def send(self, item: str, message: Any) -> int:
        """Give a message to a business service, durably.

        Parameters
        ----------
        item : str
            Name of an enabled service; its ``ProcessInput`` will be called.
        message : iop.Message, iop.PydanticMessage or None
            The input.

        Returns
        -------
        int
            Id of the session that this begins.
        """
        node = self._running()
        self._check_service(node, item)
        return node.post(input_to(item, encode(message), HOST_ADDRESS))

    def call(self, item: str, message: Any, timeout_s: float = -1) -> Any:
        """Give a message to a business service and wait for its reply.

        A process or an operation may be called too, as from IRIS' testing service.

        Raises
        ------
        RequestFailedError
            If the service ended with an error.
        RequestTimeoutError
            If the reply did not come within ``timeout_s`` seconds (negative: for ever).
        """
        return reply_of(self.exchange(item, encode(message), timeout_s))

    def exchange(self, item: str, payload: Payload, timeout_s: float = -1) -> StoredMessage:
        """Give a stored body to any item and wait for the answered message.

        A service gets it as an input, a process or operation as a request, as from IRIS' testing
        service.
        """
        node = self._running()
        spec = self.plan.items.get(item)
        if spec is not None and spec.kind != "service":
            send = request_to(item, payload, HOST_ADDRESS)
        else:
            self._check_service(node, item)
            send = input_to(item, payload, HOST_ADDRESS, HOST_ADDRESS)
        message_id = node.post(send)
        try:
            return node.wait_reply(message_id, HOST_ADDRESS, timeout_s)
        except HandlerInterrupted:
            raise HostStoppedError(
                f"The host stopped before message {message_id} was answered. The message is kept "
                "and will be finished after the next start."
            ) from None

    def wait_session(self, session_id: int, timeout_s: float) -> bool:
        """Wait until no message of a session is queued, running or waited for.

        Returns
        -------
        bool
            False when the time was over first.
        """
        journal = self._running().journal
        return self._wait(lambda: journal.active_in_session(session_id) == 0, timeout_s)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no message at all is queued, running or waited for."""
        journal = self._running().journal
        return self._wait(lambda: journal.pending() == 0, timeout_s)

    def suspend(self, message_id: int) -> None:
        """Take a queued message out of its queue."""
        self._running().mailbox.suspend(message_id)

    def resume(self, message_id: int) -> None:
        """Put a suspended message back."""
        node = self._running()
        node.ring_item(node.mailbox.resume(message_id))

    def resend(self, message_id: int) -> int:
        """Send a copy of a message as a new session; returns its id."""
        node = self._running()
        new_id, target = node.mailbox.resend(message_id)
        node.ring_item(target)
        return new_id

    def set_enabled(self, item: str, enabled: bool) -> None:
        """Switch an item on or off while the host runs; its queue is kept."""
        node = self._running()
        if item not in self.plan.items:
            raise TargetUnknownError(f"There is no item {item!r} to switch on or off.")
        node.set_enabled(item, enabled=enabled)

    # -- what the store knows ------------------------------------------------------------------

    @property
    def pids(self) -> dict[str, int]:
        """Process numbers by slot in strict mode, empty otherwise."""
        return self._pool.pids if isinstance(self._pool, ProcessPool) else {}

    @property
    def journal(self) -> Journal:
        """Traces, sessions, queues and the event log."""
        return self._running().journal

    @property
    def mailbox(self) -> Mailbox:
        """The stored messages."""
        return self._running().mailbox

    # -- parts ----------------------------------------------------------------------------------------

    @property
    def _bells(self) -> Path:
        return bells_beside(self._lock_path)

    def _make_node(self, database: Database) -> Node:
        return Node(
            self.plan,
            database,
            replay=self._replay,
            address=HOST_ADDRESS,
            bells=self._bells,
            processes=self._processes,
            console=self._console,
        )

    def _make_pool(self, node: Node) -> _Pool:
        if not self._processes:
            return ThreadPool(node)
        return ProcessPool(
            node,
            Nursery(self._reference, wakes=self._wakes, defaults=self._defaults),
            WorkerSettings(
                store_url=self._store_url,
                bells=str(self._bells),
                replay=self._replay,
                synchronous=self._synchronous,
            ),
        )

    def _running(self) -> Node:
        if self._node is None:
            raise HostStoppedError("The host does not run. Call start() first, or use HostClient.")
        return self._node

    def _check_service(self, node: Node, item: str) -> None:
        spec = self.plan.items.get(item)
        services = sorted(s.name for s in self.plan.items.values() if s.kind == "service")
        if spec is None or spec.kind != "service":
            raise TargetUnknownError(
                f"{item!r} is no business service of production {self.plan.production_name!r}. "
                f"Expected one of: {', '.join(services)}."
            )
        if not node.is_on(spec):
            raise TargetUnknownError(
                f"Service {item!r} is disabled. Enable the item in the production, then send."
            )

    def _working(self, node: Node) -> list[str]:
        return [s.name for s in self.plan.items.values() if s.slots and node.is_on(s)]

    def _wait(self, reached: Callable[[], bool], timeout_s: float) -> bool:
        signal = self._running().signals.get(HOST_ADDRESS)
        deadline = time.monotonic() + timeout_s
        while True:
            seen = signal.count
            if reached():
                return True
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            signal.wait(seen, min(left_s, PATIENCE_S))


def bells_beside(lock_path: Path) -> Path:
    """Return the folder of the named pipes that belong to a lock file."""
    return lock_path.with_name(f"{lock_path.name}.bells")
