"""A pool answers each call once, whatever happens to its workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.serving.gateways import HERE, PATIENCE_S, ROOT

from iris_ct.serving.child import Program, bound_log
from iris_ct.serving.frames import Answer, Call
from iris_ct.serving.pool import Failure, Limits, Pool, answer_of

pytestmark = pytest.mark.integration
LIMITS = Limits(timeout_s=30.0, start_s=30.0, drain_s=10.0, max_queue=100)


def call(said: dict[str, Any], puid: str = "p") -> Call:
    """Ask the tiny worker for something."""
    body = json.dumps(said).encode()
    return Call("seldon", "/", body, "", puid, {}, False, "s", "a", "tiny:1", False, False)


def program(home: Path, number: int) -> Program:
    """Run the tiny worker."""
    return Program(
        lambda fd: (
            *(sys.executable, "-P", str(HERE / "tiny_worker.py")),
            *("--fd", str(fd), "--bundle", str(home)),
        ),
        log=home / f"a-{number}.log",
        name=f"Worker {number}",
        env=(("PYTHONPATH", str(ROOT / "src/python")),),
    )


def with_pool(
    home: Path, do: Callable[[Pool], Awaitable[None]], *, n: int = 1, limits: Limits = LIMITS
) -> None:
    """Do something with a pool that is looked after as the gateway does."""

    async def run() -> None:
        pool = Pool(lambda number: program(home, number), limits)
        pool.scale(n)

        async def look() -> None:
            while True:
                pool.tick(asyncio.get_running_loop().time())
                await asyncio.sleep(0.02)

        looking = asyncio.create_task(look())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await do(pool)
                await pool.drain()
        finally:
            looking.cancel()
        assert (pool.pids, pool.n_waiting) == ([], 0)

    asyncio.run(run())


async def answered(pool: Pool, said: dict[str, Any], puid: str = "p") -> Any:
    """Ask and give the answer's JSON."""
    answer = await answer_of(pool, call(said, puid))
    assert isinstance(answer, Answer), answer
    return json.loads(answer.body)


async def until(what: Callable[[], bool]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not what():
            await asyncio.sleep(0.02)


def test_calls_wait_for_the_first_worker_and_go_to_the_one_with_the_fewest(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        early = await answered(pool, {})
        assert early["pid"] in pool.pids
        assert await pool.ready() is None
        told = await asyncio.gather(*(answered(pool, {"sleep": 0.05}) for _ in range(10)))
        pids = [one["pid"] for one in told]
        assert sorted(pids.count(pid) for pid in pool.pids) == [5, 5]

    with_pool(tmp_path, do, n=2)


def test_what_a_killed_worker_had_is_answered_by_another_and_marked(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        await pool.ready()
        waiting = [answer_of(pool, call({"sleep": 0.3}, f"p{i}")) for i in range(6)]
        await asyncio.sleep(0.1)
        os.kill(pool.pids[0], signal.SIGKILL)
        told = [json.loads(one.body) for one in await asyncio.gather(*waiting)]  # type: ignore[union-attr]  # a failure fails here
        assert [one["puid"] for one in told] == [f"p{i}" for i in range(6)]
        assert 1 <= sum(one["again"] for one in told) <= 3
        await until(lambda: pool.n_ready == 2)
        assert pool.n_restarts == 1

    with_pool(tmp_path, do, n=2)


def test_the_only_worker_is_started_again_and_answers_what_waited(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        await pool.ready()
        waiting = answer_of(pool, call({"sleep": 0.3}))
        await asyncio.sleep(0.1)
        os.kill(pool.pids[0], signal.SIGKILL)
        assert isinstance(await waiting, Answer)

    with_pool(tmp_path, do)


def test_a_call_that_ends_its_workers_is_given_up_and_takes_nobody_along(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        await pool.ready()
        deadly = answer_of(pool, call({"die": True}))
        others = [answer_of(pool, call({}, f"p{i}")) for i in range(20)]
        told = await deadly
        assert isinstance(told, Failure)
        assert (told.status, "ended 3 times" in told.text) == (500, True)
        assert {type(one) for one in await asyncio.gather(*others)} == {Answer}

    with_pool(tmp_path, do, n=2)


def test_a_late_call_is_504_and_its_answer_is_dropped(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        await pool.ready()
        late = await answer_of(pool, call({"sleep": 1.0}, "late"))
        assert isinstance(late, Failure)
        assert late.status == 504
        pool.limits = LIMITS
        assert (await answered(pool, {}, "next"))["puid"] == "next"
        assert pool.n_restarts == 0

    with_pool(tmp_path, do, limits=LIMITS._replace(timeout_s=0.2))


def test_a_full_queue_is_503_at_once(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        waiting = [answer_of(pool, call({})) for _ in range(3)]
        told = await waiting[2]
        assert isinstance(told, Failure)
        assert told.status == 503
        assert isinstance(await waiting[0], Answer)

    with_pool(tmp_path, do, limits=LIMITS._replace(max_queue=2))


def test_an_overload_is_over_when_it_ends(tmp_path: Path) -> None:
    """What came too late is not done any more, so that what comes later does not wait for it."""

    async def do(pool: Pool) -> None:
        await pool.ready()
        # 30 seconds of work.
        crowd = [answer_of(pool, call({"sleep": 0.1}, f"p{i}")) for i in range(300)]
        told = await asyncio.gather(*crowd)
        assert {type(one) for one in told} == {Answer, Failure}
        assert isinstance(await answer_of(pool, call({}, "later")), Answer)
        log = (tmp_path / "answered").read_text().split()
        assert len(log[::3]) < 100

    with_pool(tmp_path, do, limits=LIMITS._replace(timeout_s=3.0, max_queue=1000))


def test_nobody_is_forgotten_among_many_who_ask_again_and_again(tmp_path: Path) -> None:
    """A hundred clients, of whom each waits for its answer: more than a worker is sent at once."""

    async def do(pool: Pool) -> None:
        await pool.ready()
        left, told = iter(range(2000)), []

        async def client() -> None:
            for number in left:
                told.append(await answer_of(pool, call({"sleep": 0.002}, f"p{number}")))

        await asyncio.gather(*(client() for _ in range(100)))
        assert (len(told), {type(one) for one in told}) == (2000, {Answer})

    with_pool(tmp_path, do, limits=LIMITS._replace(timeout_s=2.0, max_queue=1000))


def test_a_stopped_worker_is_replaced(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        await pool.ready()
        (frozen,) = pool.pids
        os.kill(frozen, signal.SIGSTOP)
        assert isinstance(await answer_of(pool, call({})), Failure)
        await until(lambda: pool.n_restarts == 1 and pool.n_ready == 1)
        assert pool.pids != [frozen]

    with_pool(tmp_path, do, limits=LIMITS._replace(timeout_s=0.2, hung_s=0.2))


def test_scaling_down_lets_workers_answer_first(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        await pool.ready()
        waiting = [answer_of(pool, call({"sleep": 0.2})) for _ in range(6)]
        pool.scale(1)
        assert {type(one) for one in await asyncio.gather(*waiting)} == {Answer}
        await until(lambda: len(pool.pids) == 1)
        assert pool.n_restarts == 0
        pool.scale(2)
        await pool.ready()
        assert len(pool.pids) == 2

    with_pool(tmp_path, do, n=3)


def test_scaling_down_keeps_a_worker_that_answers(tmp_path: Path) -> None:
    """Whatever was started first may just be down."""

    async def do(pool: Pool) -> None:
        await pool.ready()
        first, second = pool.pids
        (tmp_path / "broken").touch()
        os.kill(first, signal.SIGKILL)
        await until(lambda: pool.error is not None)
        pool.scale(1)
        assert (await answered(pool, {}))["pid"] == second

    with_pool(tmp_path, do, n=2)


def test_a_worker_that_cannot_start_says_why_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()

    async def do(pool: Pool) -> None:
        reason = await pool.ready()
        assert reason is not None
        assert "code 3" in reason
        assert reason.endswith("the bundle is broken")
        told = await answer_of(pool, call({}))
        assert isinstance(told, Failure)
        assert told.status == 503
        (tmp_path / "broken").unlink()
        await until(lambda: pool.n_ready == 1)
        assert (await answered(pool, {}))["puid"] == "p"

    with_pool(tmp_path, do)


def test_output_goes_into_a_log_that_stays_within_its_bound(tmp_path: Path) -> None:
    async def do(pool: Pool) -> None:
        await pool.ready()
        log = tmp_path / "a-1.log"
        for _ in range(5):
            await answered(pool, {"print": 1000})
            pool.look()
        assert log.stat().st_size <= 2000
        assert (tmp_path / "a-1.log.1").stat().st_size <= 2000

    with_pool(tmp_path, do, limits=LIMITS._replace(log_bytes=2000))


def test_a_short_log_stays_whole(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("line\n")
    bound_log(log, 5)
    assert log.read_text() == "line\n"
