"""inbox -> validation -> store: one pass over a file makes it a batch, or says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import polars as pl

from iris_ct.core.audit import Severity
from iris_ct.core.dataset.batch import KEY, Batch, BatchKind, BatchState
from iris_ct.core.dataset.issues import EXTRA_COLUMN, TARGET_ABSENT, ValidationReport
from iris_ct.core.dataset.validation import (
    PLACE,
    LabelValidator,
    RowValidator,
    stored_rows,
)
from iris_ct.core.decision import Decision
from iris_ct.core.errors import ConfigError, DataError
from iris_ct.core.specification import Specification
from iris_ct.flow.count import ChunkCounter
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.flow.serve import known_classes
from iris_ct.flow.specify import current_specification
from iris_ct.ports import (
    BatchWriter,
    Clock,
    Inbox,
    ModelFiles,
    RowSource,
    Store,
)

# Enough to see what is wrong with a file, few enough for a log line.
_REASONS_TOLD = 3


@dataclass(frozen=True)
class Arrival:
    """A claimed file: ``path``, relative to the home, names it for ever.

    ``kind`` is rows, labels or release; a release brings back rows of ``released_batch``.
    """

    model: str
    path: str
    source: str
    kind: str
    released_batch: str
    actor: str

    @property
    def batch_kind(self) -> BatchKind:
        """What the file's rows are stored as."""
        return "labels" if self.kind == "labels" else "rows"


@dataclass(frozen=True)
class Stored:
    """What became of a file: stored, quarantined, duplicate or refused."""

    outcome: str
    batch_id: str
    n_rows: int
    n_labelled: int
    n_quarantined: int
    text: str


def ingest_file(
    arrival: Arrival, *, files: ModelFiles, inbox: Inbox, store: Store, clock: Clock
) -> Stored:
    """Validate and store a file's rows, record what became of it, then move the file away.

    Whatever happens, the rows are in the store, in quarantine, or in a file in quarantine.
    Repeated after a crash, it finds the record and only moves the file.

    Raises
    ------
    UnreadableFileError
        If the path is none of a claimed file of that model; nothing is recorded then.
    """
    inbox.exists(arrival.model, arrival.path)
    recorded = store.decisions.get(_identifier(arrival))
    if recorded is None:
        try:
            specification = current_specification(
                arrival.model, files=files, store=store, clock=clock, actor=arrival.actor
            )
            recorded = _store(arrival, specification, inbox, store, clock)
        except (DataError, ConfigError) as error:
            refused = Stored("refused", "", 0, 0, 0, str(error))
            recorded = _record(arrival, refused, None, store, clock)
    stored = Stored(**recorded.numbers["stored"])
    _move(arrival, stored, recorded.numbers["report"], inbox)
    return stored


def _store(
    arrival: Arrival,
    specification: Specification,
    inbox: Inbox,
    store: Store,
    clock: Clock,
) -> Decision:
    """Read the file once; only a batch that is held back whole is read twice."""
    with (
        inbox.open(arrival.model, arrival.path) as source,
        store.batches.writer(specification, arrival.batch_kind) as writer,
    ):
        pass_ = _Pass(arrival, specification, writer, store, clock.now())
        report = pass_.part(source)
        earlier = store.batches.find(arrival.model, source.fingerprint)
        if earlier is not None:
            text = f"{arrival.source}: the same content arrived before, as {earlier.batch_id}"
            told = Stored("duplicate", earlier.batch_id, 0, 0, 0, text)
            return _record(arrival, told, report, store, clock)
        if report.n_good == 0 and arrival.kind == "release":
            text = f"{arrival.source}: all {report.n_bad} rows are still bad; nothing is released"
            told = Stored("refused", "", 0, 0, report.n_bad, text)
            return _record(arrival, told, report, store, clock)
        if report.verdict == "accepted" or arrival.kind == "release":
            return pass_.commit("stored", source.fingerprint, report, clock)
    with (
        inbox.open(arrival.model, arrival.path) as source,
        store.batches.writer(specification, arrival.batch_kind) as writer,
    ):
        pass_ = _Pass(arrival, specification, writer, store, clock.now())
        report = pass_.hold(source)
        return pass_.commit("quarantined", source.fingerprint, report, clock)


class _Pass:
    """One reading of a file into one writer."""

    def __init__(
        self,
        arrival: Arrival,
        specification: Specification,
        writer: BatchWriter,
        store: Store,
        now: datetime,
    ) -> None:
        self._arrival, self._specification = arrival, specification
        self._writer, self._store = writer, store
        self._n_rows = 0
        self._n_unmatched = 0
        self._summary: bytes | None = None
        classes = known_classes(specification, store)
        self._validator: RowValidator | LabelValidator = (
            LabelValidator(specification, classes=classes)
            if arrival.kind == "labels"
            else RowValidator(
                specification,
                known_keys=lambda keys: store.batches.known_keys(specification.name, keys),
                classes=classes,
                now=now,
            )
        )

    def part(self, source: RowSource) -> ValidationReport:
        """Write good rows as rows, count them for drift, and bad rows into quarantine."""
        self._validator.check_columns(source.schema, source=self._arrival.source)
        with ChunkCounter(self._specification, store=self._store) as counter:
            for chunk in source:
                parted = self._validator.validate(chunk, first_place=source.first_place)
                if parted.bad.height:
                    self._writer.write_quarantined(parted.bad)
                if parted.good.height:
                    self._write(parted.good, counter)
            self._summary = counter.summary()
        return self._validator.report()

    def hold(self, source: RowSource) -> ValidationReport:
        """Write every row into quarantine, the bad ones with their reasons."""
        self._validator.check_columns(source.schema, source=self._arrival.source)
        for chunk in source:
            held = self._validator.hold(chunk, first_place=source.first_place)
            self._writer.write_quarantined(held)
        return self._validator.report()

    def commit(
        self, state: BatchState, fingerprint: str, report: ValidationReport, clock: Clock
    ) -> Decision:
        """Catalogue the batch and record what became of the file, in one transaction."""
        arrival = self._arrival
        with self._store.transactions.begin():
            batch = self._writer.commit(
                fingerprint=fingerprint,
                source=arrival.source,
                state=state,
                n_labelled=report.n_labelled if state == "stored" else 0,
                arrived_at=clock.now(),
                summary=self._summary,
            )
            if arrival.released_batch:
                self._store.quarantine.mark_released(
                    arrival.released_batch,
                    by_batch=batch.batch_id,
                    actor=arrival.actor,
                    at=clock.now(),
                )
            text = f"{arrival.source}: {self._told(batch, state, report)}"
            stored = Stored(
                state,
                batch.batch_id,
                batch.n_rows,
                batch.n_labelled,
                batch.n_quarantined,
                text,
            )
            return _record(arrival, stored, report, self._store, clock)

    def _told(self, batch: Batch, state: BatchState, report: ValidationReport) -> str:
        """Say what became of the rows, and what a person would want to know about them."""
        if state == "quarantined":
            return f"all {report.n_rows} rows held back as {batch.batch_id}: {_worst(report)}"
        what = "labels" if self._arrival.kind == "labels" else "rows"
        said = f"{batch.n_rows} {what} stored as {batch.batch_id}"
        if report.n_bad:
            said += f", {report.n_bad} held back: {_worst(report)}"
        if self._n_unmatched:
            said += f"; {self._n_unmatched} of the labels match no stored row yet"
        meant = _meant_target(report, self._specification)
        if meant is not None:
            said += (
                f"; there is no column {self._specification.target!r}, the target, but {meant!r}: "
                "is the name misspelt?"
            )
        return said

    def _write(self, good: pl.DataFrame, counter: ChunkCounter) -> None:
        if self._arrival.kind == "labels":
            known = self._store.batches.known_keys(self._specification.name, good[KEY])
            self._n_unmatched += int((~known).sum())
            self._writer.write_rows(good.drop(PLACE))
            return
        rows = stored_rows(
            good,
            self._specification,
            batch_id=self._writer.batch_id,
            first_row=self._writer.first_row + self._n_rows,
        )
        self._n_rows += rows.height
        counter.add(rows)
        self._writer.write_rows(rows)


def _worst(report: ValidationReport) -> str:
    """Name the most frequent reasons of a report."""
    reasons = [f"{reason} ({n} rows)" for reason, n in report.reasons.items()]
    return ", ".join(reasons[:_REASONS_TOLD]) + (", ..." if len(reasons) > _REASONS_TOLD else "")


def _meant_target(report: ValidationReport, specification: Specification) -> str | None:
    """Find the column that the target's name may be a misspelling of."""
    if not any(issue.code == TARGET_ABSENT for issue in report.issues):
        return None
    unused = [issue.column for issue in report.issues if issue.code == EXTRA_COLUMN]
    return next(iter(get_close_matches(specification.target, unused, n=1)), None)


def _identifier(arrival: Arrival) -> str:
    return decision_id("ingest", arrival.model, arrival.path, arrival.kind)


def _record(
    arrival: Arrival,
    stored: Stored,
    report: ValidationReport | None,
    store: Store,
    clock: Clock,
) -> Decision:
    at = clock.now()
    severity = Severity.INFO if stored.outcome == "stored" else Severity.WARNING
    with store.transactions.begin():
        decision = store.decisions.record(
            Decision(
                decision_id=_identifier(arrival),
                model=arrival.model,
                kind="ingest",
                outcome=stored.outcome,
                reason=stored.text,
                cycle_id=None,
                actor=arrival.actor,
                rule="good rows are stored and bad rows held back; too many bad rows hold back "
                "the whole batch; the same content is stored once",
                event_now=store.batches.newest_position(arrival.model),
                decided_at=at,
                inputs={"source": arrival.source, "path": arrival.path, "kind": arrival.kind},
                numbers={
                    "stored": asdict(stored),
                    "report": report.content() if report else None,
                },
                thresholds={"max_bad_share": report.max_bad_share} if report else {},
            )
        )
        store.audit.record(
            audit_event(
                arrival.model,
                "Ingest",
                decision.decision_id,
                stored.text.splitlines()[0][:300],
                at=at,
                severity=severity,
                facts={"batch": stored.batch_id, "rows": stored.n_rows},
            )
        )
    return decision


def _move(
    arrival: Arrival, stored: Stored, report: Mapping[str, Any] | None, inbox: Inbox
) -> None:
    """Move the file to where its outcome belongs, if it is not there yet."""
    if not inbox.exists(arrival.model, arrival.path):
        return
    if stored.outcome in {"stored", "duplicate"}:
        inbox.archive(arrival.model, arrival.path)
    else:
        inbox.set_aside(arrival.model, arrival.path, report=report or {}, text=stored.text)
