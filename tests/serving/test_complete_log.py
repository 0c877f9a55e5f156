"""Every answer is in the journal, and once in the log, though workers are killed meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from tests.unit.core.scoring.models import fitted

from iris_ct.adapters.bundles import write_bundle
from iris_ct.adapters.journal import FolderJournal
from iris_ct.core.wire.refusal import MLFLOW
from iris_ct.serving.child import Program
from iris_ct.serving.frames import Answer, Call
from iris_ct.serving.pool import Limits, Pool, answer_of

N_CALLS = 600


def test_killed_workers_leave_a_complete_journal(tmp_path: Path) -> None:
    """What two workers wrote of one request says so, and only then."""
    model = fitted()
    bundle = write_bundle(
        tmp_path / "bundles",
        model_text=model.text,
        encoding=model.encoding,
        specification=model.specification,
        version=3,
    )
    journal = tmp_path / "journal"
    body = json.dumps({"dataframe_records": [model.rows()[0]]}).encode()
    command = [sys.executable, "-m", "iris_ct.serving.worker", "--bundle", str(bundle)]

    def program(number: int) -> Program:
        return Program(
            lambda fd: [*command, "--fd", str(fd), "--journal", str(journal)],
            log=tmp_path / f"{number}.log",
            name=f"worker {number}",
            env=(("PYTHONPATH", os.pathsep.join(sys.path)),),
        )

    async def run() -> list[str]:
        pool = Pool(program, Limits(timeout_s=60.0))
        pool.scale(2)
        assert await pool.ready() is None
        answered = []

        async def ask(first: int) -> None:
            for number in range(first, N_CALLS, 6):
                puid = f"p{number}"
                call = Call(
                    MLFLOW, "/", body, "", puid, {}, False, "post", "a", "i:3", False, True
                )
                answer = await answer_of(pool, call)
                assert isinstance(answer, Answer)
                assert answer.status == 200
                answered.append(puid)

        async def kill() -> None:
            for limit in (N_CALLS // 4, N_CALLS // 2):
                while len(answered) < limit:
                    await asyncio.sleep(0.01)
                os.kill(pool.pids[0], signal.SIGKILL)

        await asyncio.gather(kill(), *(ask(first) for first in range(6)))
        assert pool.n_restarts >= 1
        await pool.drain()
        return answered

    answered = asyncio.run(run())
    assert len(answered) == N_CALLS
    waiting = FolderJournal(journal)
    contents = [waiting.read(segment.name) for segment in waiting.segments()]
    records = [record for content in contents if content for record in content.records]
    counted = Counter(record.puid for record in records)
    assert set(counted) == set(answered)
    marked = {record.puid for record in records if record.once}
    assert {puid for puid, n in counted.items() if n > 1} <= marked
