"""The worker processes of one branch: who gets a call, who starts again, who may end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from iris_ct.serving.child import Child, ChildError, Link, Program, bound_log, start_child
from iris_ct.serving.frames import Answer, Call, FrameError, message_of

_log = logging.getLogger(__name__)
T = TypeVar("T")

# A call whose workers ended this often is the likely reason and is not sent again; from the
# second end on it is sent to a worker that has nothing else to do, so that no other call suffers.
MAX_ENDS = 3
_ALONE_FROM = 2
# Starts in a row that may fail, as when a worker is killed meanwhile, before calls are refused.
_FAILED_STARTS = 3
# Seconds before a worker that ended is started again: doubled each time, and back to none after
# one that answered for a while.
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 30.0
_STEADY_S = 10.0
# Calls that a worker is sent at once, and bytes of their bodies: at first, and what they may grow
# to by as much with each answer in time. Halved whenever one is late: the rest waits here, where
# what is late is dropped, so that no worker does what nobody waits for any more.
_FIRST_ROOM, _MOST_ROOM, _MORE_ROOM = 8.0, 64.0, 0.125
_MOST_BYTES = 16 << 20


class Failure(NamedTuple):
    """Why a call has no answer; the gateway says it in the words of the protocol."""

    status: int
    text: str


# Gets the answer to a call, once.
Done = Callable[[Answer | Failure], None]


def pass_on(answer: Answer | Failure, call: Call, done: Done) -> None:
    """Hand an answer over; what fails there is no failure of who answered, and stops nothing."""
    try:
        done(answer)
    except Exception:  # noqa: BLE001 - see above
        _log.exception("An answer of %s could not be passed on.", call.image)


class Waiting:
    """A call and who waits for its answer."""

    __slots__ = ("call", "deadline", "done", "ends", "is_open", "pool")

    def __init__(self, call: Call, pool: Pool, done: Done) -> None:
        self.call, self.pool, self.done = call, pool, done
        self.deadline = pool.loop.time() + pool.limits.timeout_s
        self.ends = 0
        self.is_open = True
        pool.n_waiting += 1

    def settle(self, answer: Answer | Failure) -> None:
        """Answer; what comes later is dropped."""
        if self.is_open:
            self.is_open = False
            self.pool.n_waiting -= 1
            pass_on(answer, self.call, self.done)


class Limits(NamedTuple):
    """What a pool allows.

    Seconds of a call, of a start, of an end; calls that wait; bytes of a log; and how many seconds
    beyond its limit a worker may say nothing at all before it is taken for hung.
    """

    timeout_s: float = 3.0
    start_s: float = 60.0
    drain_s: float = 10.0
    max_queue: int = 1024
    log_bytes: int = 10 << 20
    hung_s: float = 5.0


class Backend(Protocol):
    """What answers the calls of one branch."""

    n_restarts: int
    limits: Limits
    error: str | None

    @property
    def n_waiting(self) -> int:
        """Calls that are not answered."""
        ...

    @property
    def pids(self) -> list[int]:
        """Processes that answer."""
        ...

    @property
    def n_ready(self) -> int:
        """How many can answer now."""
        ...

    @property
    def n_queued(self) -> int:
        """Calls that none of them has begun."""
        ...

    def ask(self, call: Call, done: Done) -> None:
        """Begin a call; what it gives is passed on now or later, once."""
        ...

    def scale(self, instances: int) -> None:
        """Have so many processes."""
        ...

    async def ready(self) -> str | None:
        """Wait until all can answer; give the reason if one cannot."""
        ...

    async def drain(self) -> None:
        """Answer what was asked and end."""
        ...

    def tick(self, now: float) -> None:
        """Do what is due."""
        ...

    def look(self) -> None:
        """Do what is due once in a while."""
        ...


class WorkerLink(Link):
    """Our end of a worker, and the calls it has not answered, oldest first."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.pending: dict[int, Waiting] = {}
        self.heard = self.loop.time()
        self.room = _FIRST_ROOM
        self.n_bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether it may be sent one more call."""
        pending = self.pending
        return not pending or (len(pending) < self.room and self.n_bytes < _MOST_BYTES)

    def ask(self, waiting: Waiting) -> None:
        """Send a call."""
        request_id = self.next_id()
        self.pending[request_id] = waiting
        self.n_bytes += len(waiting.call.body)
        self.send(waiting.call, request_id)

    def answered(self, kind: int, request_id: int, payload: bytes) -> None:
        """Pass an answer on; one that is too late is dropped."""
        waiting = self.pending.pop(request_id, None)
        answer = message_of(kind, payload)
        if waiting is None or not isinstance(answer, Answer):
            raise FrameError(f"A frame of kind {kind} answers no call of ours.")
        self.heard = self.loop.time()
        self.n_bytes -= len(waiting.call.body)
        if waiting.is_open and self.room < _MOST_ROOM:
            self.room += _MORE_ROOM
        waiting.settle(answer)
        pool = self.pool
        if pool.alone is self:
            pool.ask_alone()
        elif pool.held:
            pool.ask_held(self)


class _Slot:
    """One place for a worker; keeps it running."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.ending = asyncio.Event()
        self.ender: asyncio.Task[None] | None = None
        self.child: Child[WorkerLink] | None = None
        self.task: asyncio.Task[None] | None = None


class Pool:
    """Worker processes that all run the same model; owned by the gateway's loop.

    Parameters
    ----------
    program
        Makes what worker number n runs, from 1.
    limits
        May be replaced while the pool runs.
    """

    def __init__(self, program: Callable[[int], Program], limits: Limits) -> None:
        self.limits = limits
        self.n_restarts = 0
        self.n_waiting = 0
        self.error: str | None = None
        # A worker that is kept free for calls whose workers ended.
        self.alone: WorkerLink | None = None
        self._program = program
        self.loop = asyncio.get_running_loop()
        self._slots: list[_Slot] = []
        self._links: list[WorkerLink] = []
        self.held: deque[Waiting] = deque()
        self._suspects: deque[Waiting] = deque()
        self._changed = asyncio.Event()
        # Starts that failed since a worker was last ready.
        self._n_failed = 0

    @property
    def is_failing(self) -> bool:
        """Whether there is no worker and waiting for one has little sense."""
        return self.n_ready == 0 and self._n_failed >= _FAILED_STARTS

    @property
    def pids(self) -> list[int]:
        """Processes of this pool."""
        return [slot.child.pid for slot in self._slots if slot.child is not None]

    @property
    def n_ready(self) -> int:
        """Workers that take calls."""
        return len(self._links) + (self.alone is not None)

    @property
    def n_queued(self) -> int:
        """Calls that no worker has begun."""
        links = [*self._links, *([self.alone] if self.alone else [])]
        begun = sum(bool(link.pending) for link in links)
        return max(0, self.n_waiting - begun)

    def ask(self, call: Call, done: Done) -> None:
        """Send a call to the worker that has the fewest.

        Parameters
        ----------
        done
            Always called, at the latest a moment after the time limit.
        """
        if self.n_waiting >= self.limits.max_queue:
            text = f"{self.n_waiting} requests wait for {call.image}; try again later."
            done(Failure(503, text))
        else:
            self._give(Waiting(call, self, done))

    def _give(self, waiting: Waiting) -> None:
        links = self._links
        if links:
            link = links[0] if len(links) == 1 else min(links, key=_load)
            if link.has_room:
                link.ask(waiting)
                return
        elif self.is_failing:
            waiting.settle(Failure(503, f"{waiting.call.image} cannot answer: its worker fails."))
            return
        self.held.append(waiting)

    def ask_held(self, link: WorkerLink) -> None:
        """Send a worker what waits: the oldest first, as long as that need not be late.

        Where more comes than can be done the oldest would be late all the same, and the newest
        after it; then the newest is answered.
        """
        if link in self._links:
            in_time = link.heard + self.limits.timeout_s / 2
            while self.held and link.has_room:
                from_left = self.held[0].deadline > in_time
                waiting = self.held.popleft() if from_left else self.held.pop()
                if waiting.is_open:
                    link.ask(waiting)

    def scale(self, instances: int) -> None:
        """Start or end workers until there are so many; those that end answer first."""
        staying = [slot for slot in self._slots if not slot.ending.is_set()]
        # Those that answer stay rather than those that are being started.
        for slot in sorted(staying, key=_is_not_ready)[instances:]:
            self._dismiss(slot)
        taken = {slot.number for slot in self._slots}
        free = (number for number in range(1, instances + len(taken) + 1) if number not in taken)
        for _ in range(instances - len(staying)):
            slot = _Slot(next(free))
            self._slots.append(slot)
            slot.task = self.loop.create_task(self._keep(slot))

    async def ready(self) -> str | None:
        """Wait until all workers can answer.

        Returns
        -------
        str or None
            The reason if they fail to start again and again.
        """
        while True:
            if self._n_failed >= _FAILED_STARTS:
                return self.error
            staying = sum(not slot.ending.is_set() for slot in self._slots)
            if self.n_ready >= staying:
                return None
            self._changed.clear()
            await self._changed.wait()

    async def drain(self) -> None:
        """Let every call be answered, then end all workers."""
        give_up = self.loop.time() + self.limits.drain_s
        while self.n_waiting and self.loop.time() < give_up:
            await asyncio.sleep(0.02)
        self.scale(0)
        await asyncio.gather(*(slot.task for slot in self._slots if slot.task is not None))
        for waiting in [*self.held, *self._suspects]:
            waiting.settle(Failure(503, f"{waiting.call.image} stops serving; try again."))

    def tick(self, now: float) -> None:
        """Let calls time out, and end a worker that hangs."""
        for waiting in [*self.held, *self._suspects]:
            self._expire(waiting, now)
        if self.held:
            self.held = deque(waiting for waiting in self.held if waiting.is_open)
        for slot in self._slots:
            if slot.child is not None and slot.child.link.pending:
                self._look_for_late(slot.child, now)

    def _look_for_late(self, child: Child[WorkerLink], now: float) -> None:
        link = child.link
        is_late = False
        for waiting in link.pending.values():
            if waiting.deadline > now:
                break
            is_late = is_late or waiting.is_open
            self._expire(waiting, now)
        if is_late:
            link.room = max(1.0, link.room / 2)
        oldest = next(iter(link.pending.values())).deadline
        silent_since = max(link.heard, oldest)
        if now - silent_since > max(self.limits.timeout_s, self.limits.hung_s):
            child.kill()

    def _expire(self, waiting: Waiting, now: float) -> None:
        if waiting.deadline <= now and waiting.is_open:
            call = waiting.call
            waiting.settle(
                Failure(504, f"{call.image} did not answer within {self.limits.timeout_s:g} s.")
            )

    def look(self) -> None:
        """Keep the logs within their bound."""
        for slot in self._slots:
            if slot.child is not None:
                bound_log(slot.child.log, self.limits.log_bytes)

    # One worker, from start to start.

    async def _keep(self, slot: _Slot) -> None:
        delay = 0.0
        try:
            while True:
                lived = await self._run_once(slot)
                if slot.ending.is_set():
                    break
                self.n_restarts += 1
                steady = lived is not None and lived >= _STEADY_S
                delay = 0.0 if steady else min(max(2 * delay, _FIRST_DELAY_S), _LONGEST_DELAY_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(slot.ending.wait(), delay)
                if slot.ending.is_set():
                    break
        finally:
            self._slots.remove(slot)
            self._changed.set()

    async def _run_once(self, slot: _Slot) -> float | None:
        """Run a worker to its end; seconds it could answer, None if it never could."""

        def keep(child: Child[WorkerLink]) -> None:
            slot.child = child
            if slot.ending.is_set():
                child.kill()

        try:
            child = await start_child(
                self._program(slot.number),
                lambda: WorkerLink(self),
                within_s=self.limits.start_s,
                keep=keep,
            )
        except ChildError as error:
            slot.child = None
            if not slot.ending.is_set():
                self._fail(str(error))
            return None
        began = self.loop.time()
        if not slot.ending.is_set():
            self._join(child.link)
        await child.link.gone.wait()
        self._leave(child.link)
        await child.wait()
        slot.child = None
        return self.loop.time() - began

    def _fail(self, reason: str) -> None:
        self.error = reason
        self._n_failed += 1
        _log.warning("%s", reason)
        if self.is_failing:
            held, self.held = self.held, deque()
            for waiting in held:
                self._give(waiting)
        self._changed.set()

    def _join(self, link: WorkerLink) -> None:
        self.error = None
        self._n_failed = 0
        self._links.append(link)
        held, self.held = self.held, deque()
        for waiting in held:
            if waiting.is_open:
                self._give(waiting)
        self.ask_alone()
        self._changed.set()

    def _leave(self, link: WorkerLink) -> None:
        if link in self._links:
            self._links.remove(link)
        if self.alone is link:
            self.alone = None
        # The next ones get as many tries as the first did.
        self._n_failed = 0
        unanswered = [waiting for waiting in link.pending.values() if waiting.is_open]
        link.pending.clear()
        for waiting in unanswered:
            self._again(waiting)
        self.ask_alone()

    def _again(self, waiting: Waiting) -> None:
        waiting.ends += 1
        if waiting.ends >= MAX_ENDS:
            waiting.settle(
                Failure(
                    500,
                    f"The worker of {waiting.call.image} ended {waiting.ends} times while it "
                    "answered this request, which is not tried again.",
                )
            )
            return
        # The log of predictions then looks whether it has it already.
        waiting.call = msgspec.structs.replace(waiting.call, again=True)
        # It is no longer the newest of its worker, so its time is watched on its own.
        self.loop.call_at(waiting.deadline, self._expire, waiting, waiting.deadline)
        if waiting.ends >= _ALONE_FROM:
            self._suspects.append(waiting)
        else:
            self._give(waiting)

    def ask_alone(self) -> None:
        """Give the next suspect to a worker that has nothing else; let it go after the last."""
        while self._suspects and not self._suspects[0].is_open:
            self._suspects.popleft()
        if self._suspects and self.alone is None and self._links:
            self.alone = min(self._links, key=_load)
            self._links.remove(self.alone)
        if self.alone is None or self.alone.pending:
            return
        if self._suspects:
            self.alone.ask(self._suspects.popleft())
            return
        link, self.alone = self.alone, None
        self._join(link)

    def _dismiss(self, slot: _Slot) -> None:
        slot.ending.set()
        child = slot.child
        if child is None:
            return
        if self.alone is child.link:
            self.alone = None
        with contextlib.suppress(ValueError):
            self._links.remove(child.link)
        if child.link.hello.done():
            slot.ender = self.loop.create_task(child.end(self.limits.drain_s))
        else:
            child.kill()


def answer_of(backend: Backend, call: Call) -> asyncio.Future[Answer | Failure]:
    """Begin a call; gives what can be awaited."""
    future: asyncio.Future[Answer | Failure] = asyncio.get_running_loop().create_future()
    backend.ask(call, into(future))
    return future


def into(future: asyncio.Future[T]) -> Callable[[T], None]:
    """Give what takes an answer and wakes who awaits it."""

    def done(answer: T) -> None:
        # Who waited may have been cancelled.
        if not future.done():
            future.set_result(answer)

    return done


def _load(link: WorkerLink) -> int:
    return len(link.pending)


def _is_not_ready(slot: _Slot) -> bool:
    child = slot.child
    return child is None or not child.link.hello.done() or child.link.gone.is_set()
