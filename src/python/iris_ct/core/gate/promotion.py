"""Promote, hold or reject: what a challenger must show on the fresh holdout.

A *first* model is compared with the naive baseline. A *refresh* (the champion's recipe on newer
rows) is promoted unless it is worse than the margin. A *replacement* (another recipe or window)
must show the minimum gain. A refused challenger is a normal day: nothing here raises for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from iris_ct.core.canonical import finite
from iris_ct.core.dataset.batch import POSITION
from iris_ct.core.decision import Check
from iris_ct.core.evaluation.baseline import baseline_losses
from iris_ct.core.evaluation.comparison import MIN_BLOCKS, PairedComparison, paired_blocks
from iris_ct.core.evaluation.losses import row_losses
from iris_ct.core.evaluation.metrics import measure
from iris_ct.core.gate.agreement import agree
from iris_ct.core.gate.limits import check_limits
from iris_ct.core.gate.slices import check_slices
from iris_ct.core.policy import GatePolicy
from iris_ct.core.span import span_length
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["first", "refresh", "replace"]
Outcome = Literal["promote", "hold", "reject"]


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes
    ----------
    outcome : str
        ``promote``; ``hold`` when the challenger did not show enough, or too few or spent rows
        judged it; ``reject`` when it is clearly worse or breaks a limit.
    reason : str
        One short sentence; holds no row value.
    checks : tuple of Check
        Every question that was asked.
    numbers, thresholds : dict
        What was measured and what was required, as JSON values.
    """

    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]
    numbers: dict[str, Any]
    thresholds: dict[str, Any]


@dataclass(frozen=True)
class _Answer:
    """A check, what its failure means, and how to say it."""

    check: Check
    failure: Outcome
    text: str


def judge(
    *,
    specification: Specification,
    rows: pl.DataFrame,
    challenger: pl.DataFrame,
    champion: pl.DataFrame | None,
    baseline: Mapping[str, float],
    is_refresh: bool,
    reused: bool,
    accept_reused: bool = False,
) -> Verdict:
    """Judge a challenger on the holdout.

    Parameters
    ----------
    rows : polars.DataFrame
        The holdout rows in order of event position: ``_position``, features and target.
    challenger, champion : polars.DataFrame
        Predictions for these rows, in their order; without a champion the challenger is a
        first model.
    baseline : mapping
        What the challenger's training rows taught someone without a model, see
        `iris_ct.core.evaluation.baseline.learn_baseline`.
    is_refresh : bool
        The challenger is the champion's recipe on newer rows.
    reused : bool
        The holdout holds rows that an earlier gate has used.
    accept_reused : bool
        A person allowed promotion nevertheless.

    Returns
    -------
    Verdict
        ``numbers`` holds at least ``kind``, ``challenger`` and ``champion`` (metrics by name;
        the champion's are None for a first model), ``challenger_loss``, ``champion_loss`` (for
        a first model the baseline's), ``change``, ``low`` and ``high``.
    """
    kind: Kind = "first" if champion is None else "refresh" if is_refresh else "replace"
    policy, metric = specification.gate, specification.metric
    least = max(policy.min_holdout_rows, MIN_BLOCKS)
    if rows.height < least:
        return insufficient(least - rows.height, policy)
    truth, positions = rows[specification.target].to_numpy(), rows[POSITION].to_numpy()
    new = row_losses(metric, truth, challenger)
    old = (
        baseline_losses(metric, truth, baseline)
        if champion is None
        else row_losses(metric, truth, champion)
    )
    compared = paired_blocks(
        old,
        new,
        positions,
        block=span_length(specification.block),
        confidence=policy.confidence,
        metric=metric,
    )
    metrics = measure(specification.task, truth, challenger)
    answers = [
        _enough(rows.height, policy),
        _not_reused(reused, accept_reused),
        *_loss(compared, kind, policy),
        *(_Answer(check, "reject", check.name) for check in check_limits(metrics, policy)),
    ]
    if champion is not None:
        answers += [
            _Answer(check, "reject", f"clearly worse on {check.name}")
            for check in check_slices(specification, rows, positions, old, new)
        ]
    numbers = {
        "kind": kind,
        "challenger": metrics,
        "champion": None if champion is None else measure(specification.task, truth, champion),
        **compared.content(),
    }
    return _conclude(answers, numbers, thresholds_of(policy, metric), compared, kind)


def insufficient(needed: int, policy: GatePolicy) -> Verdict:
    """Hold because too few rows could judge; say how many more are needed."""
    return Verdict(
        outcome="hold",
        reason=f"insufficient: {needed} more fresh rows are needed",
        checks=(Check("fresh_rows_missing", needed, 0, passed=False, rule="rows at most"),),
        numbers={"n_holdout": 0, "needed": needed},
        thresholds={"min_holdout_rows": policy.min_holdout_rows},
    )


def thresholds_of(policy: GatePolicy, metric: str) -> dict[str, Any]:
    """Give what a verdict was measured against, as JSON values."""
    return {
        "metric": metric,
        "min_holdout_rows": policy.min_holdout_rows,
        "margin": policy.margin,
        "min_gain": policy.min_gain,
        "confidence": policy.confidence,
        "slice_margin": policy.slice_margin,
        "min_slice_rows": policy.min_slice_rows,
        "limits": dict(policy.limits),
    }


def _enough(n_rows: int, policy: GatePolicy) -> _Answer:
    wanted = policy.min_holdout_rows
    check = Check("holdout_rows", n_rows, wanted, n_rows >= wanted, "rows at least")
    return _Answer(check, "hold", "too few rows judged it")


def _not_reused(reused: bool, accepted: bool) -> _Answer:
    seen = "reused" if reused else "unused"
    required = "reused, as a person accepted" if accepted else "unused"
    check = Check("holdout_reused", seen, required, accepted or not reused, "rows spent in a gate")
    return _Answer(check, "hold", "its holdout was spent in an earlier gate")


def _loss(compared: PairedComparison, kind: Kind, policy: GatePolicy) -> Iterable[_Answer]:
    """Ask the question of each kind: better than the baseline, not worse, or clearly better."""
    change = finite(compared.change)
    if kind == "first":
        yield _Answer(
            Check(
                "loss_change",
                change,
                0.0,
                compared.change < 0.0,
                "relative loss change against the naive baseline below",
            ),
            "reject",
            "no better than the naive baseline",
        )
        return
    if kind == "refresh":
        yield _Answer(
            Check(
                "loss_change",
                change,
                policy.margin,
                compared.change <= policy.margin,
                "relative loss change against the champion at most",
            ),
            "reject" if compared.low > policy.margin else "hold",
            "worse than the champion by more than the margin",
        )
        return
    failure: Outcome = "reject" if compared.low > 0.0 else "hold"
    yield _Answer(
        Check(
            "loss_change",
            change,
            -policy.min_gain,
            compared.change <= -policy.min_gain,
            "relative loss change against the champion at most",
        ),
        failure,
        "its gain over the champion is too small",
    )
    yield _Answer(
        Check(
            "loss_change_high",
            finite(compared.high),
            0.0,
            compared.high <= 0.0,
            "upper end of the interval of the change at most",
        ),
        failure,
        "its gain over the champion may be chance",
    )


def _conclude(
    answers: list[_Answer],
    numbers: dict[str, Any],
    thresholds: dict[str, Any],
    compared: PairedComparison,
    kind: Kind,
) -> Verdict:
    failed = [answer for answer in answers if not answer.check.passed]
    other = "the baseline" if kind == "first" else "the champion"
    change = f"loss {compared.change:+.1%} against {other}"
    outcome: Outcome = "promote"
    reason = change
    if failed:
        outcome = "reject" if any(answer.failure == "reject" for answer in failed) else "hold"
        said = [answer.text for answer in failed if answer.failure == outcome]
        reason = f"{'; '.join(said[:3])} ({change})"
    return Verdict(outcome, reason, tuple(answer.check for answer in answers), numbers, thresholds)


__all__ = ["Kind", "Outcome", "Verdict", "agree", "insufficient", "judge", "thresholds_of"]
