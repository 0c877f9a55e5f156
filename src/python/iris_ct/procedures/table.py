"""Answers as rows: the columns of `catalogue`, for SQL and for screens.

Instants become ``YYYY-MM-DD HH:MM:SS.ffffff`` in UTC, as SQL writes them; lists and mappings
become text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from iris_ct.bootstrap import Parts
from iris_ct.core.canonical import canonical_json
from iris_ct.procedures.batches import quarantine
from iris_ct.procedures.door import Answer, Door
from iris_ct.procedures.models import drift, models, status
from iris_ct.procedures.records import decisions, explain, history, log

Row = tuple[Any, ...]


def status_rows(parts: Parts, door: Door, model: str) -> Iterator[Row]:
    """Give one row for the model, or for each where ``model`` is empty."""
    pending = door.pending()
    for name in [model] if model else models(parts):
        yield _status(status(parts, name, pending_messages=pending))


def drift_rows(parts: Parts, model: str) -> Iterator[Row]:
    """Give the newest report's columns, then the served error if it was looked at."""
    for report in drift(parts, model):
        head = (report["report_id"], sql_time(report["measured_at"]), report.get("version"))
        if not report.get("features"):
            yield (*head, "", "", "", report["status"], report["drifted"], *[None] * 11, "")
        for feature in report.get("features", ()):
            yield (*head, *_feature(feature))
        if error := report.get("error"):
            yield (*head, *_error(error))


def history_rows(parts: Parts, model: str) -> Iterator[Row]:
    """Give one row for each reign, oldest first."""
    for reign in history(parts, model):
        yield (
            reign["version"],
            sql_time(reign["since"]),
            reign["since_event"],
            reign["actor"],
            reign["window"],
            reign["rows"],
            reign["holdout_loss"],
            reign["metric"],
            reign["cycle_id"],
            reign["trigger"],
            reign["verdict"],
            reign["decision"],
            reign["reason"],
            reign["mlflow_run"],
            reign["mlflow_version"],
        )


def decision_rows(parts: Parts, model: str, newest: int) -> Iterator[Row]:
    """Give the newest decisions, oldest of them first; ``record`` is the canonical JSON."""
    for decision in decisions(parts, model, newest=newest):
        yield (
            decision["decision_id"],
            decision["model"],
            decision["kind"],
            decision["outcome"],
            decision["reason"],
            decision["cycle_id"],
            decision["actor"],
            decision["rule"],
            decision["event_now"],
            sql_time(decision["decided_at"]),
            canonical_json(decision),
        )


def explain_rows(parts: Parts, subject: str) -> Iterator[Row]:
    """Give a decision in words, one line a row; the last says whether the chain is intact."""
    yield from enumerate(explained(explain(parts, subject)), start=1)


def quarantine_rows(parts: Parts, model: str) -> Iterator[Row]:
    """Give one row for each batch with rows held back."""
    for held in quarantine(parts, model):
        yield (
            held["batch_id"],
            held["rows"],
            held["whole_batch"],
            ", ".join(f"{reason} {count}" for reason, count in held["reasons"].items()),
            sql_time(held["arrived_at"]),
            held["file"],
        )


def log_rows(parts: Parts, model: str, newest: int) -> Iterator[Row]:
    """Give the newest audit events of a model, or of all where ``model`` is empty."""
    for event in log(parts, model or None, newest=newest):
        yield (
            event["event_id"],
            sql_time(event["happened_at"]),
            event["model"],
            event["step"],
            event["severity"],
            event["text"],
            canonical_json(event["facts"]),
        )


def explained(answer: Answer) -> list[str]:
    """Give an explanation with the line about the chain of records."""
    verdict = (
        "The chain of records is intact."
        if answer["intact"]
        else f"The chain of records is BROKEN: record {answer['broken_at']} is not what its "
        "digest says. Compare it with a backup of the store."
    )
    return [*answer["words"], verdict]


def sql_time(moment: str | None) -> str | None:
    """Say an instant as SQL does, in UTC.

    Examples
    --------
    >>> sql_time("2026-11-21T09:15:53.5+01:00"), sql_time(None)
    ('2026-11-21 08:15:53.500000', None)
    """
    if moment is None:
        return None
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


def _status(answer: Answer) -> Row:
    champion, drifted = answer["champion"] or {}, answer["last_drift"] or {}
    return (
        answer["model"],
        answer["task"],
        champion.get("version"),
        sql_time(champion.get("trained_at")),
        answer["rows"],
        answer["batches"],
        answer["label_files"],
        answer["quarantined_rows"],
        answer["quarantined_batches"],
        answer["newest_event"],
        answer["trainings"],
        answer["promotions"],
        answer["holds"],
        answer["rejections"],
        answer["failures"],
        answer["open_cycle"],
        drifted.get("status"),
        drifted.get("drifted"),
        ", ".join(drifted.get("features", ())),
        drifted.get("error_drifted"),
        sql_time(drifted.get("measured_at")),
        answer["unregistered_versions"],
        answer["pending_messages"],
        _standing_source(answer["source"]),
    )


def _standing_source(source: Mapping[str, Any] | None) -> str | None:
    """Say why rows of the model's table do not come, if they do not."""
    if source is None:
        return None
    why: str | None = source["standstill"] or source["failure"]
    return why


_MEASURED = (
    "psi",
    "psi_threshold",
    "statistic",
    "observed",
    "p_value",
    "adjusted_p_value",
    "mean_shift",
    "missing_before",
    "missing_now",
    "unseen_before",
    "unseen_now",
)


def _feature(feature: Mapping[str, Any]) -> Row:
    return (
        feature["name"],
        feature["role"],
        feature["kind"],
        feature["status"],
        feature["drifted"],
        *(feature[name] for name in _MEASURED),
        feature["reason"],
    )


def _error(error: Mapping[str, Any]) -> Row:
    """Say the served error in the columns of a feature: its ratio to the holdout's loss."""
    said = {"statistic": "loss_ratio", "observed": error["factor"], "p_value": error["p_value"]}
    limit = f"must exceed {error['factor_threshold']:g} with p below {error['significance']:g}"
    return (
        error["metric"],
        "error",
        "",
        error["status"],
        error["drifted"],
        *(said.get(name) for name in _MEASURED),
        limit,
    )
