"""table -> batch files: what is new, changed or gone in a model's table since it was read last.

One step reads at most a batch and records at its end, in one transaction, how far it has come; the
batch gets its name in the same transaction. A step that is interrupted has therefore not happened,
and a batch that was recorded is found among the pending ones until it is ingested.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from iris_ct.core.audit import Severity
from iris_ct.core.errors import ConfigError, ConflictError, CTError
from iris_ct.core.mark import kept, some_before
from iris_ct.core.source import MAX_OVERLAP_ROWS, SourcePolicy
from iris_ct.core.specification import Specification
from iris_ct.flow.identify import audit_event
from iris_ct.flow.source_look import Found, Look
from iris_ct.flow.specify import current_specification
from iris_ct.ports import (
    Clock,
    ModelFiles,
    Reading,
    SeenRow,
    SourceFiles,
    SourceState,
    Store,
    Tables,
)

# Where files cannot be locked another reader may be faster once or twice, not for ever.
_TRIES = 5


@dataclass(frozen=True)
class SourceBatch:
    """What one step found.

    Attributes
    ----------
    path : str or None
        The batch file, relative to the home; None if there was nothing to hand over.
    label : str
        What people call the batch.
    n_new, n_changed, n_deleted : int
        Rows by what became of them since they were read last.
    more : bool
        Another step has work to do.
    swept : bool
        A comparison of all ids ended with this step.
    """

    path: str | None
    label: str
    n_new: int
    n_changed: int
    n_deleted: int
    more: bool
    swept: bool


def is_due(source: SourcePolicy, state: SourceState | None, *, now: datetime) -> bool:
    """Tell whether it is time for another look at a table; another place is looked at at once.

    Unless the newest look failed: it may have been a look at that place.
    """
    if state is None or state.looked_at is None:
        return True
    if now - state.looked_at >= timedelta(microseconds=source.every_us):
        return True
    return state.place != source.place and (state.failure is None or state.read_at is None)


def due_sources(
    *, files: ModelFiles, store: Store, clock: Clock, actor: str
) -> list[Specification]:
    """List the models whose tables it is time to look at; a broken model file is passed over."""
    due = []
    for model in sorted({*files.names(), *store.specifications.models()}):
        try:
            specification = current_specification(
                model, files=files, store=store, clock=clock, actor=actor
            )
        except ConfigError:
            # 'ct doctor' names it, and so does whatever asks for the model.
            continue
        source = specification.source
        if source is not None and is_due(source, store.sources.state(model), now=clock.now()):
            due.append(specification)
    return due


def waiting_batches(model: str, *, files: SourceFiles, store: Store) -> list[str]:
    """List the batches that were recorded but perhaps not handed over, oldest first."""
    state = store.sources.state(model)
    return files.waiting(state.pending) if state is not None else []


def read_source(
    specification: Specification,
    *,
    tables: Tables,
    files: SourceFiles,
    store: Store,
    clock: Clock,
    sweep: bool = False,
) -> Iterator[SourceBatch]:
    """Read a model's table step by step until nothing is left to do.

    Parameters
    ----------
    sweep : bool
        Compare all ids now, due or not.

    Yields
    ------
    SourceBatch
        For each step, after it was recorded.

    Raises
    ------
    SourceError, SourceUnavailableError
        If the table cannot be read; noted, and told once as an audit event.
    ConflictError
        If another reader was faster each time.
    """
    source = specification.source
    if source is None:
        raise ConfigError(
            f"models/{specification.name}.toml has no table [source], so there is no table to "
            "read. Add it (docs/models.md), or hand files over: ct ingest MODEL FILE ..."
        )
    tries, more, sweeps = 0, True, sweep
    while more:
        try:
            # One step at a time; another reader goes on between two.
            with files.alone(specification.name):
                batch = _step(specification, source, tables, files, store, clock, sweeps=sweeps)
        except ConflictError:
            tries += 1
            if tries == _TRIES:
                raise
            continue
        except CTError as error:
            note_failure(specification.name, source.place, str(error), store=store, clock=clock)
            raise
        more, sweeps, tries = batch.more, sweeps and not batch.swept, 0
        yield batch


def note_failure(model: str, place: str, failure: str, *, store: Store, clock: Clock) -> None:
    """Keep why a table cannot be read; an audit event tells it once, not at each look."""
    at = clock.now()
    with store.transactions.begin():
        before = store.sources.fail(model, place, failure, at=at)
        if before.failure != failure:
            store.audit.record(
                audit_event(
                    model,
                    "Source",
                    f"failure:{before.n_failures + 1}",
                    f"the table of {model} cannot be read: {failure.splitlines()[0]}"[:300],
                    at=at,
                    severity=Severity.WARNING,
                    facts={"failures": before.n_failures + 1},
                )
            )


def _step(
    specification: Specification,
    source: SourcePolicy,
    tables: Tables,
    files: SourceFiles,
    store: Store,
    clock: Clock,
    *,
    sweeps: bool,
) -> SourceBatch:
    began = clock.now()
    state = store.sources.state(specification.name)
    fresh = SourceState(specification.name, source.place)
    restarted = state is not None and state.place != source.place
    if state is None:
        state = fresh
    elif restarted:
        # Totals, turn and what is pending go on.
        state = replace(
            state,
            **{name: getattr(fresh, name) for name in _PROGRESS},
        )
    found = Found(source.batch_rows)
    with tables.open(specification) as table:
        look = Look(specification, source, store, table, state, found, began)
        look.again()
        look.onward()
        if not found.more:
            look.changes()
        if not found.more and (sweeps or look.sweep_is_due()):
            look.sweep()
    return _record(look, files, clock, restarted=restarted)


_PROGRESS = (
    *("place", "newest_id", "window_from", "settled_mark", "settling_mark", "settling_at"),
    *("swept_to", "swept_at"),
)


def _record(look: Look, files: SourceFiles, clock: Clock, *, restarted: bool) -> SourceBatch:
    """Write the batch, then name it and record the reading in one transaction."""
    found, before, store = look.found, look.state, look.store
    model, label = look.model, look.source.label
    at = clock.now()
    if look.settling is None and found.mark is not None and look.source.changed is not None:
        # Until now the table had no mark that could be trusted.
        look.settling = found.mark
        look.settled = some_before(found.mark, look.source.settling_us)
    number = before.n_batches + (found.n_rows > 0)
    path = files.name(model, f"{label}-{number:06}", at) if found.n_rows else None
    written = files.write(path, pl.concat(found.frames)) if path else None
    pending = (*files.waiting(before.pending), *([path] if path else []))
    after = replace(
        before,
        newest_id=look.newest_id,
        window_from=_window_from(look, at),
        settled_mark=kept(look.settled, look.source.changed),
        settling_mark=kept(look.settling, look.source.changed),
        settling_at=look.settling_at or (at if look.settling else None),
        swept_to=look.swept_to,
        # What is read for the first time needs no sweep at once.
        swept_at=at if before.read_at is None or restarted else look.swept_at,
        # A step that leaves work behind is no finished look.
        looked_at=before.looked_at if found.more else at,
        read_at=at,
        n_new=before.n_new + found.n_new,
        n_changed=before.n_changed + found.n_changed,
        n_deleted=before.n_deleted + len(found.gone),
        n_batches=number,
        pending=pending,
    )
    batch = SourceBatch(
        path,
        f"{label}, batch {number}",
        found.n_new,
        found.n_changed,
        len(found.gone),
        found.more,
        look.swept,
    )
    try:
        with store.transactions.begin():
            told = store.sources.advance(
                Reading(
                    before,
                    after,
                    seen=_remembered(look, after, at),
                    added=found.added,
                    gone=found.gone,
                    forget_until=look.forget_until if look.source.changed else at,
                    restarted=restarted,
                )
            )
            files.sweep(model, pending)
            if written is not None and path is not None:
                files.place(written, path)
            _tell(look, batch, told, store, at)
    finally:
        if written is not None:
            files.discard(written)
    return batch


def _window_from(look: Look, at: datetime) -> int | None:
    """Give the id above which rows are read again next time; it never goes back."""
    source, found = look.source, look.found
    arrived = {one: row.read_at for one, row in look.window.items() if one not in found.gone}
    low = look.state.window_from
    for one in found.added:
        if low is None or one > low:
            arrived[one] = at
    ids = sorted(arrived)
    most = source.overlap_rows or MAX_OVERLAP_ROWS
    outside = ids[:-most] if len(ids) > most else []
    if source.overlap_us is not None:
        old = at - timedelta(microseconds=source.overlap_us)
        outside += [one for one in ids if arrived[one] < old]
    return max([*([low] if low is not None else []), *outside], default=None)


def _remembered(look: Look, after: SourceState, at: datetime) -> dict[int, SeenRow]:
    """Keep the digests of rows in the window, and of those that `changed` may show again."""
    low = after.window_from
    every = look.source.changed is not None
    return {
        one: SeenRow(digest, _first_read(look, one, at))
        for one, digest in look.found.seen.items()
        if low is None or one > low or every
    }


def _first_read(look: Look, one: int, at: datetime) -> datetime:
    """Let a row leave the window by the time of its arrival, however often it changes."""
    row = look.window.get(one)
    return at if row is None or look.source.overlap_us is None else row.read_at


def _tell(look: Look, batch: SourceBatch, state: SourceState, store: Store, at: datetime) -> None:
    """Record what happened, where it is of interest."""
    model, label, found = look.model, look.source.label, look.found
    told: list[tuple[str, str, Severity]] = []
    if look.state.failure is not None:
        told.append(("again", f"{label} of {model} can be read again", Severity.INFO))
    if batch.n_new or batch.n_changed:
        text = f"{label} of {model}: {batch.n_new} new and {batch.n_changed} changed rows read"
        told.append(("read", text, Severity.INFO))
    if batch.n_changed and not look.corrects:
        why = (
            "on_duplicate = reject leaves the stored ones as they are"
            if look.specification.key
            else "without key columns the stored ones cannot be corrected"
        )
        text = f"{label} of {model}: {batch.n_changed} rows changed after they were read; {why}"
        told.append(("uncorrected", text, Severity.WARNING))
    if found.gone:
        text = (
            f"{label} of {model}: {len(found.gone)} rows that were read are gone from the table; "
            "what is stored of them stays"
        )
        told.append(("gone", text, Severity.WARNING))
    facts = {"new": batch.n_new, "changed": batch.n_changed, "deleted": batch.n_deleted}
    for subject, text, severity in told:
        store.audit.record(
            audit_event(
                model,
                "Source",
                f"{subject}:{state.turn}",
                text,
                at=at,
                severity=severity,
                facts={**facts, "turn": state.turn, "path": batch.path},
            )
        )
