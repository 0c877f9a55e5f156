"""`ct serve` whole, in real processes on a real home: gateway, control process and workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.cli.running import MODEL
from tests.control.changes import promote_version_1, rollout_outcomes, step_back
from tests.serving.gateways import PATIENT

from iris_ct.bootstrap import Parts
from iris_ct.flow.fold import fold_journal

pytestmark = pytest.mark.integration

PATIENCE_S = 90.0
ROW = {"hour": 5, "temperature": 14.25, "weather": "rain", "holiday": False}
BODY = json.dumps({"jsonData": ROW}).encode()


@dataclass
class Serving:
    """A running ``ct serve``, and what was asked of it."""

    address: str
    process: subprocess.Popen[str]
    answered: list[str] = field(default_factory=list)
    # The same in the order of each client: what two read at once may be noted the other way round.
    by_client: list[list[str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def ask(self) -> str:
        """Predict; give the image that answered."""
        request = urllib.request.Request(
            f"{self.address}/model-endpoints/{MODEL}",
            BODY,
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            told = json.load(response)
        image: str = told["meta"]["requestPath"][MODEL]
        return image

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=30) as response:
            return json.load(response)

    @contextmanager
    def asked_all_the_time(self) -> Iterator[None]:
        """Ask from two threads while the block runs; every answer and failure is kept."""
        over = threading.Event()

        def go_on(mine: list[str]) -> None:
            while not over.is_set():
                try:
                    mine.append(self.ask())
                    self.answered.append(mine[-1])
                except OSError as error:
                    self.failed.append(str(error))

        self.by_client = [[], []]
        threads = [threading.Thread(target=go_on, args=(mine,)) for mine in self.by_client]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


@contextmanager
def serving(home: Path, **environ: str) -> Iterator[Serving]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("CT_")}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("ct"), "--home", home, "serve", "--port", "0"],
        env={**clean, **PATIENT, **environ},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Serving on http"), line
        running = Serving(line.split()[-1], process)
        wait_until(lambda: answers(running))
        yield running
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()


def answers(running: Serving) -> bool:
    try:
        return bool(running.ask())
    except urllib.error.HTTPError as error:
        if error.code not in {404, 503}:
            raise
        return False


def wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.05)


def test_a_promotion_reaches_those_who_ask_without_one_failure(parts: Parts) -> None:
    with serving(parts.home) as running:
        with running.asked_all_the_time():
            wait_until(lambda: len(running.answered) > 20)
            step_back(parts, to=1)
            wait_until(lambda: running.answered[-1] == f"{MODEL}:1")
        assert running.failed == []
        # One change, and never back again.
        for mine in running.by_client:
            assert sorted(mine, reverse=True) == mine
        (service,) = running.get("/v1/model-services")
        assert (service["name"], service["status"]) == (MODEL, "running")
    before = sum(parts.store.predictions.counts(MODEL).values())
    fold_journal(parts.store, parts.clock)
    after = sum(parts.store.predictions.counts(MODEL).values())
    # Nothing that was answered is missing; one asked while waiting for the start is there too.
    assert after - before >= len(running.answered)


def test_a_new_version_is_a_shadow_before_it_answers(parts: Parts) -> None:
    stages = {
        "CT_SERVE_ROLLOUT": "shadow,0.5",
        "CT_SERVE_ROLLOUT_REQUESTS": "20",
        "CT_SERVE_ROLLOUT_S": "0",
    }
    with serving(parts.home, **stages) as running:
        with running.asked_all_the_time():
            wait_until(lambda: len(running.answered) > 20)
            promote_version_1(parts)
            wait_until(lambda: rollout_outcomes(parts)[-1:] == ["full"])
            wait_until(lambda: set(running.answered[-20:]) == {f"{MODEL}:1"})
        assert running.failed == []
    assert rollout_outcomes(parts) == ["begin", "forward", "full"]
    log = parts.store.decisions.decisions(MODEL)
    shadow = next(d for d in log if (d.kind, d.outcome) == ("rollout", "forward"))
    assert shadow.checks[0].observed == 0.0


def test_serving_goes_on_while_the_control_process_is_away(parts: Parts) -> None:
    with serving(parts.home) as running:
        wait_until(lambda: bool(running.get("/v1/model-services")))
        (control,) = [
            child
            for child in psutil.Process(running.process.pid).children(recursive=True)
            if "iris_ct.control.main" in child.cmdline()
        ]
        with running.asked_all_the_time():
            control.send_signal(signal.SIGKILL)
            wait_until(lambda: len(running.answered) > 50)
            step_back(parts, to=1)
            wait_until(lambda: running.answered[-1] == f"{MODEL}:1")
        assert running.failed == []
