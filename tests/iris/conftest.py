"""One compose stack for all tests here; without one they are skipped, with the reason."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest
from tests.factories import RENTALS, day, rentals
from tests.iris.stack import Stack, copy_project, missing_engine

MODEL = "rentals"
# A model whose cron time comes every minute; it never has rows enough for a training.
CLOCK = "clock"
# A production on a small machine: waits end as soon as what is waited for is there.
_WAIT_S = 600

Ingest = Callable[[pl.DataFrame], dict[str, Any]]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack, started from nothing; CT_REQUIRE_IRIS=1 makes a missing one a failure."""
    _need(os.environ.get("CT_TEST_IRIS") == "1", "'make iris-test' brings an IRIS up")
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    _need(alone, "one process brings the stack up: run 'make iris-test'")
    reason = missing_engine()
    _need(not reason, f"no container engine: {reason}")
    every_minute = RENTALS.format(extra='[trigger]\ncron = "* * * * *"')
    clock = every_minute.replace('name = "rentals"', f'name = "{CLOCK}"')
    running = copy_project({MODEL: RENTALS.format(extra=""), CLOCK: clock})
    try:
        running.up()
        running.make_users()
        yield running
    finally:
        running.down()


def _need(is_there: bool, reason: str) -> None:
    if is_there:
        return
    message = f"needs a running InterSystems IRIS: {reason}"
    if os.environ.get("CT_REQUIRE_IRIS") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def ingest(stack: Stack) -> Ingest:
    """Drop rows into the inbox as a user does, and wait until they are stored and decided about."""

    def drop(rows: pl.DataFrame) -> dict[str, Any]:
        before = status(stack)["n_batches"]
        stack.drop(MODEL, rows)
        wait_until(lambda: status(stack)["n_batches"] > before)
        wait_until(lambda: is_quiet(stack))
        return status(stack)

    return drop


@pytest.fixture(scope="session")
def champion(ingest: Ingest) -> dict[str, Any]:
    """Thirty quiet days, whose rows make version 1 the champion."""
    return ingest(rentals(day(0), 30))


def status(stack: Stack) -> dict[str, Any]:
    """Ask how the model stands."""
    [row] = stack.query("SELECT * FROM CT.Status(?)", MODEL)
    return row


def is_quiet(stack: Stack) -> bool:
    """True if no cycle is open and no message is under way."""
    row = status(stack)
    return not row["open_cycle"] and row["pending_messages"] == 0


def wait_until(holds: Callable[[], bool]) -> None:
    """Look every second until it holds."""
    until = time.monotonic() + _WAIT_S
    while not holds():
        assert time.monotonic() < until, "what was waited for has not come"
        time.sleep(1)
