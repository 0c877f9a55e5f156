"""store -> drift: how far inputs and errors have moved since the champion was fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iris_ct.core.audit import Severity
from iris_ct.core.canonical import canonical_json
from iris_ct.core.drift.error import compare_error
from iris_ct.core.drift.report import compare_windows
from iris_ct.core.drift.summary import summary_from_bytes
from iris_ct.core.evaluation.losses import row_losses
from iris_ct.core.span import span_length
from iris_ct.core.specification import Specification
from iris_ct.flow.decide import mature_horizon
from iris_ct.flow.fold import fold_journal
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.flow.reference import columns_digest, window_summary
from iris_ct.flow.serve import Champions, LoadedModel
from iris_ct.ports import Clock, Store


@dataclass(frozen=True)
class Detection:
    """The stored report, in short; its identifier is empty if there was nothing to compare."""

    report_id: str
    drifted: bool
    drifted_features: tuple[str, ...]
    error_drifted: bool


def detect(
    model: str, subject: str, *, store: Store, champions: Champions, clock: Clock
) -> Detection:
    """Compare everything newer than the champion's fit with its reference window.

    Parameters
    ----------
    subject : str
        What occasioned the check; it names the report, so that a repeated check is one report.
    """
    champion = champions.serving(model)
    event_now = store.batches.newest_position(model)
    specification = store.specifications.newest(model)
    if champion is None or event_now is None or specification is None:
        return Detection("", drifted=False, drifted_features=(), error_drifted=False)
    version = champion.version.version
    report_id = decision_id("drift", model, subject, str(version))
    data = _data_drift(champion, specification, event_now, store)
    error = _error_drift(champion, specification, event_now, store, clock)
    content = {
        "report_id": report_id,
        "subject": subject,
        "version": version,
        "event_now": event_now,
        "measured_at": clock.now().isoformat(),
        "error": error,
        **data,
    }
    found = Detection(
        report_id,
        drifted=bool(data["drifted"]),
        drifted_features=tuple(data["drifted_features"]),
        error_drifted=bool(error and error["drifted"]),
    )
    with store.transactions.begin():
        store.summaries.save_report(model, report_id, subject, canonical_json(content))
        store.audit.record(
            audit_event(
                model,
                "Drift",
                report_id,
                _say(found),
                at=clock.now(),
                severity=Severity.WARNING if found.error_drifted else Severity.INFO,
                facts={"features": list(found.drifted_features)[:20], "subject": subject},
            )
        )
    return found


def _data_drift(
    champion: LoadedModel, specification: Specification, event_now: int, store: Store
) -> dict[str, Any]:
    """Compare merged summaries; no row is read."""
    nothing = {"status": "not_measured", "drifted": False, "drifted_features": []}
    if not specification.drift.enabled:
        return nothing | {"status": "disabled"}
    if columns_digest(champion.specification) != columns_digest(specification):
        return nothing | {"status": "columns_changed"}
    version = champion.version
    reference = store.summaries.reference(version.model, version.version)
    current = window_summary(
        specification,
        from_position=version.fit_until + 1,
        to_position=event_now,
        as_of_seq=store.batches.newest_seq(version.model),
        store=store,
    )
    if reference is None or current is None:
        return nothing
    report = compare_windows(summary_from_bytes(reference), current, policy=specification.drift)
    return report.content() | {"drifted_features": list(report.drifted_features)}


def _error_drift(
    champion: LoadedModel,
    specification: Specification,
    event_now: int,
    store: Store,
    clock: Clock,
) -> dict[str, Any] | None:
    """Compare the champion's served losses on mature rows with its loss on its own holdout.

    None where there is no loss: also while the champion predicts another target than the
    specification now names.
    """
    version, metric = champion.version, champion.specification.metric
    if version.holdout_loss is None or not specification.predicts_like(champion.specification):
        return None
    fold_journal(store, clock)
    outcomes = store.predictions.outcomes(
        specification,
        as_of_seq=store.batches.newest_seq(version.model),
        from_position=version.fit_until + 1,
        to_position=mature_horizon(specification, event_now),
        version=version.version,
    )
    if len(outcomes.position) == 0:
        return None
    losses = row_losses(
        metric,
        outcomes.truth,
        outcomes.predictions,
        positive=champion.predictor.positive,
    )
    drift = compare_error(
        version.holdout_loss,
        losses,
        outcomes.position,
        policy=specification.drift,
        block_length=span_length(specification.block),
    )
    return {"metric": metric, **drift.content()}


def _say(found: Detection) -> str:
    parts = []
    if found.drifted:
        parts.append(f"{len(found.drifted_features)} features have drifted")
    if found.error_drifted:
        parts.append("the served error has drifted")
    return " and ".join(parts) or "nothing has drifted"
