"""What happened to a model, in one list: data, drift, error, retrainings, champions, decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from iris_ct.bootstrap import Parts
from iris_ct.core.cycle import Cycle
from iris_ct.core.dataset.batch import Batch
from iris_ct.core.decision import Decision
from iris_ct.core.model_version import Champion
from iris_ct.core.narration import say_position
from iris_ct.core.specification import Specification
from iris_ct.procedures.door import Answer
from iris_ct.procedures.models import specification

# Columns named in words; the drift report has them all.
_MOST_NAMED = 6
# These are told by what they led to.
_TOLD_OTHERWISE = frozenset({("ingest", "stored"), ("promotion", "promoted")})


def timeline(parts: Parts, model: str, *, newest: int = 200) -> Answer:
    """List what happened, newest first.

    Parameters
    ----------
    newest : int
        At most so many of each: arrivals, drift reports, cycles, champions, decisions.

    Returns
    -------
    dict
        ``positions``: what an event position is, ``time`` (microseconds since 1970 UTC) or
        ``row``; ``complete``: False if older ones were left out; ``events``: each with ``kind``
        (data, labels, drift, error, retraining, champion, decision), ``at``, ``position`` and
        ``event`` (the newest event known then, as a number and in words), ``words``,
        ``notable`` (an operator may want to look), ``subject`` (what `explain` takes, or None),
        ``version``, and ``size`` with ``limit``: rows, drifted columns, or the factor of the
        error and what it may be.
    """
    spec = specification(parts, model)
    store = parts.store
    first = store.batches.newest_seq(model) - newest
    arrivals = store.batches.arrivals(model, after_seq=max(first, 0))
    reports = store.summaries.reports(model, newest=newest + 1)
    cycles = store.cycles.cycles(model)
    champions = store.models.champions(model)
    decisions = store.decisions.decisions(model, newest=newest + 1)
    taken = {decision.decision_id: decision for decision in decisions}
    events = [
        *(_arrival(batch, spec) for batch in arrivals),
        *(event for text in reports[:newest] for event in _measured(json.loads(text), spec)),
        *(_cycle(cycle, spec) for cycle in cycles[-newest:]),
        *(
            _champion(champion, taken.get(champion.decision_id), spec)
            for champion in champions[-newest:]
        ),
        *(
            _decision(decision, spec)
            for decision in decisions[-newest:]
            if (decision.kind, decision.outcome) not in _TOLD_OTHERWISE
        ),
    ]
    events.sort(key=lambda event: str(event["at"]), reverse=True)
    return {
        "model": model,
        "positions": "row" if spec.event_time is None else "time",
        "complete": first <= 0
        and max(len(reports), len(cycles), len(champions), len(decisions)) <= newest,
        "events": events,
    }


def _event(
    kind: str,
    at: datetime | str,
    position: int | None,
    words: str,
    spec: Specification,
    *,
    notable: bool = False,
    subject: str | None = None,
    version: int | None = None,
    size: float | None = None,
    limit: float | None = None,
) -> Answer:
    return {
        "kind": kind,
        "at": at if isinstance(at, str) else at.isoformat(),
        "position": position,
        "event": say_position(position, spec),
        "words": words,
        "notable": notable,
        "subject": subject,
        "version": version,
        "size": size,
        "limit": limit,
    }


def _arrival(batch: Batch, spec: Specification) -> Answer:
    is_rows = batch.kind == "rows"
    words = f"{batch.n_rows} {'rows' if is_rows else 'labels'} from {batch.source}"
    if batch.state == "quarantined":
        words = f"{batch.source} was held back whole: {batch.n_quarantined} rows"
    elif batch.n_quarantined:
        words += f", {batch.n_quarantined} held back"
    return _event(
        "data" if is_rows else "labels",
        batch.arrived_at,
        batch.last_position,
        words,
        spec,
        notable=batch.n_quarantined > 0,
        size=batch.n_rows,
    )


def _measured(report: Answer, spec: Specification) -> Iterator[Answer]:
    """Tell a report's drift, and its error if that was looked at."""
    at, position, version = report["measured_at"], report["event_now"], report.get("version")
    names = report["drifted_features"]
    yield _event(
        "drift",
        at,
        position,
        _say_drift(report["status"], names),
        spec,
        notable=report["drifted"],
        version=version,
        size=len(names) if report["status"] == "measured" else None,
    )
    error = report.get("error")
    if error:
        yield _event(
            "error",
            at,
            position,
            _say_error(error),
            spec,
            notable=error["drifted"],
            version=version,
            size=error["factor"],
            limit=error["factor_threshold"],
        )


def _say_drift(status: str, names: list[str]) -> str:
    if status != "measured":
        return f"drift could not be tested: {status.replace('_', ' ')}"
    if not names:
        return "no column has drifted"
    more = len(names) - _MOST_NAMED
    listed = ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{len(names)} {'column has' if len(names) == 1 else 'columns have'} drifted: {listed}"


def _say_error(error: Answer) -> str:
    if error["factor"] is None:
        return f"the served {error['metric']} could not be compared"
    words = (
        f"the served {error['metric']} is {error['loss']:.4g}, "
        f"{error['factor']:.3g} times the {error['reference_loss']:.4g} of the holdout"
    )
    if error["status"] != "measured":
        return f"{words}; too few rows to test"
    return f"{words}; the limit is {error['factor_threshold']:g} times"


def _cycle(cycle: Cycle, spec: Specification) -> Answer:
    reasons = ", ".join(dict.fromkeys(trigger.reason for trigger in cycle.triggers))
    words = f"retraining for {reasons or 'no known reason'} is under way"
    if cycle.closed_at is not None:
        seconds = (cycle.closed_at - cycle.opened_at).total_seconds()
        words = f"retraining for {reasons}: {cycle.state} after {seconds:.3g} s"
    return _event(
        "retraining",
        cycle.opened_at,
        cycle.event_now,
        words,
        spec,
        notable=cycle.state == "failed",
        subject=cycle.cycle_id,
    )


def _champion(champion: Champion, decision: Decision | None, spec: Specification) -> Answer:
    reason = _line(decision.reason) if decision else f"version {champion.version} serves"
    return _event(
        "champion",
        champion.since,
        champion.since_position,
        f"{reason} (by {champion.actor})",
        spec,
        notable=decision is not None and decision.kind == "rollback",
        subject=champion.decision_id,
        version=champion.version,
    )


def _decision(decision: Decision, spec: Specification) -> Answer:
    return _event(
        "decision",
        decision.decided_at,
        decision.event_now,
        f"{decision.kind}: {decision.outcome}. {_line(decision.reason)}",
        spec,
        notable=decision.outcome in {"reject", "back", "quarantined"},
        subject=decision.decision_id,
    )


def _line(text: str) -> str:
    return text.splitlines()[0] if text else ""
