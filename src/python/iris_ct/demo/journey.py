"""The demo's journey: each month is put into the inbox, and followed to the end of its cycle."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from iris_ct import bootstrap, procedures
from iris_ct.bootstrap import Parts
from iris_ct.config import load_settings
from iris_ct.core.errors import StoreError
from iris_ct.core.specification import Specification
from iris_ct.demo.data import MODEL, MonthFile, environment, prepare_home
from iris_ct.demo.facts import DemoResult, MonthFacts
from iris_ct.embedded import host_client, make_host
from iris_ct.flow.serve import LoadedModel, load_version
from iris_ct.host import HostClient, TraceRow

# A month takes seconds; so long without an end means that something is stuck, not slow.
_PATIENCE_S = 900.0
_LOOK_S = 0.1

# Side effects that the next month need not wait for; the journey waits for them at its end.
_SIDE_EFFECTS = ("RegistrationRequested", "NotificationRequested")
_ENDED = ("completed", "error", "cancelled")


def run_demo(
    home: Path, *, n_months: int, on_month: Callable[[MonthFacts], None] | None = None
) -> DemoResult:
    """Run the whole demo in a home of its own.

    Parameters
    ----------
    home : Path
        Empty or not there yet.
    on_month : callable, optional
        Called with the facts of each month as soon as they are known.

    Raises
    ------
    ConfigError
        If the home is not empty, or the example is missing.
    StoreError
        If a step failed; names the item and its error.
    """
    months = prepare_home(home, n_months=n_months)
    with environment(home):
        parts = bootstrap.parts(load_settings(home))
        specification = procedures.specification(parts, MODEL)
        with host_client(parts) as client, make_host(parts):
            journey = Journey(parts, specification, client)
            began, facts = time.monotonic(), []
            for month in journey.travel(months):
                facts.append(month)
                if on_month is not None:
                    on_month(month)
            client.wait_idle(_PATIENCE_S)
            return journey.result(facts, seconds=time.monotonic() - began)


@dataclass
class Journey:
    """Follows files through a running production; used by one thread."""

    parts: Parts
    specification: Specification
    client: HostClient
    _sessions: set[int] = field(default_factory=set)
    _frozen: LoadedModel | None = None
    _frozen_losses: list[float] = field(default_factory=list)

    def travel(self, months: Sequence[MonthFile]) -> Iterator[MonthFacts]:
        """Hand the months over in their order, and give the facts of each at its end."""
        for month in months:
            began = time.monotonic()
            self._drop(month)
            rows = self._follow(month)
            yield self._facts(month, rows, seconds=time.monotonic() - began)

    def result(self, months: Sequence[MonthFacts], *, seconds: float) -> DemoResult:
        """Total what the store recorded."""
        status = procedures.status(self.parts, MODEL)
        return DemoResult(
            served_mae=self._served(batch_id=None)[1],
            frozen_mae=float(np.mean(self._frozen_losses)) if self._frozen_losses else None,
            trainings=status["trainings"],
            promotions=status["promotions"],
            rejections=status["rejections"],
            holds=status["holds"],
            failures=status["failures"],
            seconds=round(seconds, 2),
            months=tuple(months),
        )

    def _drop(self, month: MonthFile) -> None:
        """Put a file into the inbox as a careful sender does: written whole, then marked."""
        folder = self.parts.home / "inbox" / MODEL
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{month.path.name}.part"
        shutil.copyfile(month.path, unfinished)
        (folder / f"{month.path.name}.done").touch()
        unfinished.rename(folder / month.path.name)

    def _follow(self, month: MonthFile) -> list[TraceRow]:
        """Wait until the file's session has come to its decisions; give its messages."""
        session, deadline = None, time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            session = session or self._session_of(month)
            if session is not None:
                rows = self.client.trace(session)
                _raise_for_failure(month, rows)
                if all(row.status in _ENDED for row in rows if _is_awaited(row)):
                    self._sessions.add(session)
                    return rows
            time.sleep(_LOOK_S)
        raise StoreError(
            f"{month.path.name} came to no end within {_PATIENCE_S:.0f} s. See 'ct log' and "
            f"'ct trace {session or ''}' in {self.parts.home}."
        )

    def _session_of(self, month: MonthFile) -> int | None:
        """Find the session that the inbox began with this file, once it has taken it."""
        if (self.parts.home / "inbox" / MODEL / month.path.name).exists():
            return None
        for row in self.client.sessions(5):
            if row.session_id not in self._sessions and row.body_class.endswith("FileArrived"):
                first = self.client.trace(row.session_id)[0]
                if json.loads(first.body)["source"] == month.path.name:
                    return row.session_id
        return None

    def _facts(self, month: MonthFile, rows: list[TraceRow], *, seconds: float) -> MonthFacts:
        stored, checked = _reply(rows, "FileStored"), _reply(rows, "DriftChecked")
        decided, ended = _reply(rows, "RetrainingDecided"), _reply(rows, "CycleEnded")
        champion = self.parts.store.models.champion(MODEL)
        served_version, served_mae = self._served(batch_id=stored["batch_id"])
        return MonthFacts(
            month=month.month,
            rows=stored["n_rows"],
            drifted_features=checked["n_drifted_features"] if served_version else None,
            trigger=decided["reason"] if ended else "",
            decision=ended["outcome"] if ended else decided["outcome"],
            reason=self._gate_reason(decided["cycle_id"]) if ended else decided["reason"],
            champion=champion.version if champion else None,
            served_version=served_version,
            served_mae=served_mae,
            frozen_mae=self._frozen_mae(stored["batch_id"]) if served_version else None,
            seconds=round(seconds, 2),
        )

    def _served(self, *, batch_id: str | None) -> tuple[int | None, float | None]:
        """Read from the prediction log who predicted, and how far off on average."""
        outcomes = self.parts.store.predictions.outcomes(
            self.specification,
            as_of_seq=self.parts.store.batches.newest_seq(MODEL),
            batch_id=batch_id,
        )
        if len(outcomes.position) == 0:
            return None, None
        predicted = outcomes.predictions["prediction"].to_numpy()
        return int(outcomes.version[-1]), float(np.abs(predicted - outcomes.truth).mean())

    def _frozen_mae(self, batch_id: str) -> float:
        """Score the first champion, by the product's own predictor, on a batch."""
        if self._frozen is None:
            first = self.parts.store.models.champions(MODEL)[0]
            version = self.parts.store.models.get(MODEL, first.version)
            self._frozen = load_version(version, store=self.parts.store)
        losses: list[float] = []
        for rows in self.parts.store.batches.rows(self.parts.store.batches.get(batch_id)):
            predicted = self._frozen.predict(rows)["prediction"]
            losses += (predicted - rows[self.specification.target]).abs().to_list()
        self._frozen_losses += losses
        return float(np.mean(losses))

    def _gate_reason(self, cycle_id: str) -> str:
        gates = [
            decision.reason
            for decision in self.parts.store.decisions.decisions(MODEL)
            if decision.cycle_id == cycle_id and decision.kind == "gate"
        ]
        return gates[-1] if gates else ""


def _reply(rows: Sequence[TraceRow], name: str) -> dict[str, Any]:
    """Give the newest reply of a kind; empty if there is none."""
    bodies = [row.reply_body for row in rows if row.reply_class.endswith(name)]
    return dict(json.loads(bodies[-1])) if bodies else {}


def _is_awaited(row: TraceRow) -> bool:
    return not row.body_class.endswith(_SIDE_EFFECTS)


def _raise_for_failure(month: MonthFile, rows: Sequence[TraceRow]) -> None:
    for row in rows:
        if row.status == "error" and _is_awaited(row):
            raise StoreError(
                f"{month.path.name}: {row.target} failed in session {row.session_id}: "
                f"{row.failure}"
            )
        if row.target and row.reply_class.endswith("FileStored"):
            stored = json.loads(row.reply_body)
            if stored["outcome"] != "stored":
                raise StoreError(f"{month.path.name} was not stored: {stored['text']}")
