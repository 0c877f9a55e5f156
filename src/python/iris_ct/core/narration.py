"""Decisions in words: what was decided, on what, by which checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from iris_ct.core.decision import Check, Decision
from iris_ct.core.specification import Specification

_TITLES = {
    "specification": "Specification",
    "ingest": "Arrival",
    "retrain": "Retraining",
    "window": "Window",
    "gate": "Gate",
    "promotion": "Promotion",
    "rollback": "Rollback",
    "appointment": "Appointment",
    "rollout": "Rollout",
}


def narrate(decision: Decision, specification: Specification | None) -> list[str]:
    """Say a decision in lines for a person.

    Parameters
    ----------
    specification : Specification or None
        Tells whether event positions are times.

    Returns
    -------
    list of str
        Headline, circumstances, one line for each check, the rule, the digest.
    """
    lines = [
        f"{_TITLES[decision.kind]} of {decision.model}: {decision.outcome}. {decision.reason}",
        f"Decided {decision.decided_at:%Y-%m-%d %H:%M:%S} UTC by {decision.actor}"
        + (f", in cycle {decision.cycle_id}" if decision.cycle_id else "")
        + f"; newest event: {say_position(decision.event_now, specification)}.",
    ]
    lines += [_say_check(check) for check in decision.checks]
    lines += _say_windows(decision)
    lines.append(f"Rule: {decision.rule}.")
    lines.append(f"Record {decision.decision_id}, digest {decision.digest[:16]}.")
    return lines


def say_position(position: int | None, specification: Specification | None) -> str:
    """Say an event position: a time, or a row number where arrival is the time.

    Examples
    --------
    >>> say_position(None, None)
    'none yet'
    """
    if position is None:
        return "none yet"
    if specification is None or specification.event_time is None:
        return f"row {position}"
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=position)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _say_check(check: Check) -> str:
    verdict = "passed" if check.passed else "FAILED"
    rule = f" ({check.rule})" if check.rule else ""
    return (
        f"  {verdict}: {check.name} was {_say(check.observed)}, "
        f"required {_say(check.required)}{rule}"
    )


def _say_windows(decision: Decision) -> list[str]:
    windows: list[dict[str, Any]] = decision.inputs.get("windows") or []
    return [
        f"  window {window.get('window')}: {_say(window.get('n_rows'))} rows, "
        f"loss {_say(window.get('loss'))}"
        for window in windows
    ]


def _say(value: float | int | str | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
