"""Small productions for the tests of the host. Every handler notes what it did in a file."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iop import (
    BusinessOperation,
    BusinessProcess,
    BusinessService,
    Message,
    PollingBusinessService,
    Production,
    PydanticMessage,
    target,
)

NOTES = "CT_TEST_NOTES"
FAN_PROPERTIES = ["total", "seen"]


def note(line: str) -> None:
    """Append a line; one write, so that lines of several processes do not mix."""
    descriptor = os.open(os.environ[NOTES], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def notes() -> list[str]:
    path = Path(os.environ[NOTES])
    return path.read_text().splitlines() if path.exists() else []


def flag(name: str) -> Path:
    """A file that a test makes to let a handler go on."""
    return Path(f"{os.environ[NOTES]}.{name}")


def wait_for(name: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not flag(name).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(name)
        time.sleep(0.01)


@dataclass
class Task(Message):
    """What to do, and with which number."""

    wish: str = ""
    number: int = 0


class Result(PydanticMessage):
    number: int = 0
    text: str = ""


class Entry(BusinessService):
    """Passes a task on and returns the reply."""

    Output = target()

    def on_message(self, request: Any = None) -> Any:
        if request.wish.startswith("async"):
            self.send_request_async(self.Output, request)
            return None
        return self.send_request_sync(self.Output, request)


class Router(BusinessProcess):
    """Knows several ways to use an operation, one per wish."""

    Output = target()

    def on_message(self, request: Task) -> Any:
        note(f"router {request.wish} {request.number}")
        return getattr(self, f"do_{request.wish.replace('-', '_')}")(request)

    def do_pass(self, request: Any) -> Any:
        return self.send_request_sync(self.Output, request)

    do_async_pass = do_fail = do_always_die = do_pass

    def do_pass_wait(self, request: Any) -> Any:
        return self.send_request_sync(self.Output, Task("wait"))

    def do_impatient(self, request: Any) -> Any:
        try:
            return self.send_request_sync(self.Output, Task("wait"), timeout=0.2)
        except TimeoutError:
            return Result(text="gave up")

    def do_several(self, request: Any) -> Any:
        calls: list[Any] = [(self.Output, Task("double", n)) for n in (1, 2)]
        calls.append((self.Output, Task("fail", 3)))
        rows = self.send_multi_request_sync(calls)
        return Result(text=" ".join(f"{r.number if r else '-'}:{code}" for _, _, r, code in rows))

    def do_future(self, request: Any) -> Any:
        async def both() -> Any:
            sends = [self.send_request_async_ng(self.Output, Task("double", n)) for n in (1, 2)]
            return await asyncio.gather(*sends)

        return Result(number=sum(r.number for r in asyncio.run(both())))

    def do_future_wait(self, request: Any) -> Any:
        async def one() -> Any:
            return await self.send_request_async_ng(self.Output, Task("wait"))

        return asyncio.run(one())

    def do_stubborn(self, request: Any) -> Any:
        # Everything, so also that the host stops.
        with suppress(BaseException):
            return self.send_request_sync(self.Output, Task("wait"))
        return Result(text="never mind")

    def do_generator(self, request: Any) -> Any:
        return self.send_generator_request(self.Output, request)

    def do_nowhere(self, request: Any) -> Any:
        return self.send_request_sync("Nobody", request)

    def do_sql(self, request: Any) -> Any:
        import iris

        return iris.cls("%SQL.Statement")._New()

    def do_steps(self, request: Any) -> Any:
        total = 0
        for number in (1, 2, 3):
            total += self.send_request_sync(self.Output, Task("step", number)).number
        return Result(number=total)

    def do_random(self, request: Any) -> Any:
        number = len(notes())
        reply = self.send_request_sync(self.Output, Task("double", number))
        if number < 100:
            note("more lines, so that a second run differs")
        self.send_request_sync(self.Output, Task("die", 1))
        return reply


class Fan(BusinessProcess):
    """Asks several times at once and adds up what comes back."""

    PERSISTENT_PROPERTY_LIST = FAN_PROPERTIES
    Output = target()

    def on_init(self) -> None:
        self.total = 0
        self.seen = b""

    def on_request(self, request: Any) -> Any:
        note(f"fan request {request.number}")
        for number in range(request.number):
            self.send_request_async(
                self.Output, Task(request.wish, number), completion_key=f"call {number}"
            )

    def on_response(
        self,
        request: Any,
        response: Any,
        call_request: Any,
        call_response: Any,
        completion_key: str,
    ) -> Any:
        note(f"fan response {completion_key} {call_request.number}")
        self.total += call_response.number
        self.seen += completion_key[-1].encode()
        return response

    def on_complete(self, request: Any, response: Any) -> Any:
        note("fan complete")
        return Result(number=self.total, text="".join(sorted(self.seen.decode())))


class Waiter(BusinessProcess):
    """Sets timers."""

    Output = target()

    def on_request(self, request: Any) -> Any:
        if request.wish == "early":
            self.reply(Result(text="early"))
            self.set_timer(1, "later")
            return
        if request.wish == "limit":
            self.send_request_async(self.Output, Task("double", 4), completion_key="call")
            self.set_timer(600, "limit")
            return
        self.set_timer("PT0.2S", "alarm")

    def on_response(
        self,
        request: Any,
        response: Any,
        call_request: Any,
        call_response: Any,
        completion_key: str,
    ) -> Any:
        note(f"waiter {completion_key}")
        return Result(text=completion_key)

    def on_complete(self, request: Any, response: Any) -> Any:
        note("waiter complete")
        return response


class Worker(BusinessOperation):
    """Does what a task wishes."""

    Factor: int = 2

    def on_init(self) -> None:
        note("worker init")

    def on_tear_down(self) -> None:
        note("worker down")

    def on_task(self, request: Task) -> Any:
        return getattr(self, f"do_{request.wish.replace('-', '_')}")(request)

    def do_pass(self, request: Any) -> Any:
        note(f"worker {request.number}")
        return Result(number=request.number)

    do_async_pass = do_pass

    def do_double(self, request: Any) -> Any:
        return Result(number=request.number * self.Factor)

    def do_fail(self, request: Any) -> Any:
        note(f"fail {request.number}")
        raise ValueError(f"cannot do {request.number}")

    def do_flaky(self, request: Any) -> Any:
        note("flaky")
        if sum(line == "flaky" for line in notes()) < 3:
            raise ConnectionError("the other side is away")
        return Result(number=request.number)

    do_async_flaky = do_flaky

    def do_async_fail(self, request: Any) -> Any:
        return self.do_fail(request)

    def do_wait(self, request: Any) -> Any:
        flag("pid").write_text(str(os.getpid()))
        note("waiting")
        wait_for("go")
        note("waited")
        return Result(text="waited")

    do_async_wait = do_wait

    def do_sleep(self, request: Any) -> Any:
        note(f"sleep begins {threading.get_ident()} {os.getpid()}")
        deadline = time.monotonic() + 30
        while sum(line.startswith("sleep begins") for line in notes()) < 2:
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.01)
        note("sleep ends")
        return Result()

    do_async_sleep = do_sleep

    def do_step(self, request: Any) -> Any:
        note(f"step {request.number}")
        if flag(f"die at {request.number}").exists():
            flag(f"die at {request.number}").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return Result(number=request.number)

    def do_die(self, request: Any) -> Any:
        if not flag("died").exists():
            flag("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Result(number=request.number)

    def do_always_die(self, request: Any) -> Any:
        note("died")
        os.kill(os.getpid(), signal.SIGKILL)

    do_async_always_die = do_always_die

    def do_log(self, request: Any) -> Any:
        self.log_info("to the event log")
        self.log_warning("to the console", to_console=True)
        self.log_alert("wake somebody")
        return Result()


class Alerts(BusinessOperation):
    """Takes alerts, as an item named Ens.Alert does on IRIS."""

    def on_message(self, request: Any) -> Any:
        note(f"alert {request.SourceConfigName}: {request.AlertText.splitlines()[0]}")


class Poller(PollingBusinessService):
    """Sends a numbered task at every poll."""

    Output = target()

    def on_poll(self) -> None:
        note(f"poll {time.monotonic()}")
        self.send_request_async(self.Output, Task("pass", 1))
        self.send_request_async(self.Output, Task("pass", 2))


class Woken(PollingBusinessService):
    """Notes when it is called, and sends nothing."""

    Word: str = "woken"

    def on_poll(self) -> None:
        note(f"{self.Word} {os.getpid()}")


class Failing(PollingBusinessService):
    """Fails at every poll, in the same way until there is a flag."""

    AlertOnError: bool = True

    def on_poll(self) -> None:
        note("failing poll")
        raise OSError("another disk" if flag("other").exists() else "the disk is away")


class Broken(BusinessOperation):
    def on_init(self) -> None:
        raise OSError("the licence server is away")

    def on_message(self, request: Any) -> Any:
        return None


def make(
    *,
    pool_size: int = 1,
    router_pool: int = 1,
    worker: dict[str, Any] | None = None,
    alerts: bool = False,
    enabled: bool = True,
    schedule: str = "",
) -> Production:
    """Entry -> Router -> Worker, FanEntry -> Fan -> Worker, WaiterEntry -> Waiter, and more."""
    prod = Production("Test.Production")
    entry = prod.service("Entry", Entry)
    direct = prod.service("Direct", Entry)
    fan_entry = prod.service("FanEntry", Entry)
    waiter_entry = prod.service("WaiterEntry", Entry)
    router = prod.process("Router", Router, pool_size=router_pool)
    fan = prod.process("Fan", Fan, pool_size=router_pool)
    waiter = prod.process("Waiter", Waiter)
    settings = {"RetryInterval": "0.05", **(worker or {})}
    work = prod.operation(
        "Worker",
        Worker,
        pool_size=pool_size,
        settings=settings,
        enabled=enabled,
        schedule=schedule,
    )
    prod.connect(entry.Output, router)
    prod.connect(direct.Output, work)
    prod.connect(fan_entry.Output, fan)
    prod.connect(waiter_entry.Output, waiter)
    prod.connect(router.Output, work)
    prod.connect(fan.Output, work)
    prod.connect(waiter.Output, work)
    if alerts:
        prod.operation("Ens.Alert", Alerts)
    return prod


def make_small(**worker: Any) -> Production:
    """Entry -> Router -> Worker only: few processes in strict mode."""
    prod = Production("Test.Small")
    entry = prod.service("Entry", Entry)
    router = prod.process("Router", Router)
    work = prod.operation("Worker", Worker, settings={"RetryInterval": "0.05", **worker})
    prod.connect(entry.Output, router)
    prod.connect(router.Output, work)
    return prod


def make_fan() -> Production:
    """FanEntry -> Fan -> Worker only."""
    prod = Production("Test.Fan")
    entry = prod.service("FanEntry", Entry)
    fan = prod.process("Fan", Fan)
    work = prod.operation("Worker", Worker)
    prod.connect(entry.Output, fan)
    prod.connect(fan.Output, work)
    return prod


def make_pair() -> Production:
    """Direct -> Worker, a pool of two."""
    prod = Production("Test.Pair")
    direct = prod.service("Direct", Entry)
    work = prod.operation("Worker", Worker, pool_size=2)
    prod.connect(direct.Output, work)
    return prod


def make_poller(call_interval_s: str = "0.1") -> Production:
    prod = Production("Test.Poller")
    poller = prod.service("Poller", Poller, adapter_settings={"CallInterval": call_interval_s})
    work = prod.operation("Worker", Worker)
    prod.connect(poller.Output, work)
    return prod


def make_woken() -> Production:
    """A polling service without a job of its own, one with, and an alert item."""
    prod = Production("Test.Woken")
    prod.service("Woken", Woken, pool_size=0)
    prod.service("Asleep", Woken, pool_size=0, settings={"Word": "asleep"})
    prod.service("Poller", Woken, settings={"Word": "polled"})
    prod.service("Direct", Entry, settings={"Output": "Work"})
    prod.operation("Work", Worker)
    return prod


def make_failing() -> Production:
    prod = Production("Test.Failing")
    prod.service("Failing", Failing, adapter_settings={"CallInterval": "0.1"})
    prod.operation("Ens.Alert", Alerts)
    return prod


woken = make_woken()
failing = make_failing()
standard = make()
small = make_small()
fan_only = make_fan()
pair = make_pair()
pools = make(pool_size=2, router_pool=2)
retrying = make(
    worker={"ReplyCodeActions": "E*away=RF,E=F", "FailureTimeout": "30", "AlertOnError": "1"},
    alerts=True,
)
