"""The training window is chosen, not assumed: candidates are compared on one block of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iris_ct.core.dataset.windows import longest_first, rows_in_window, thin_evenly
from iris_ct.core.errors import TrainingFailedError
from iris_ct.core.evaluation.comparison import MIN_BLOCKS, PairedComparison, paired_blocks
from iris_ct.core.evaluation.losses import Floats, mean_loss, row_losses
from iris_ct.core.span import span_length
from iris_ct.core.specification import Specification
from iris_ct.core.training.lightgbm_trainer import Fit, fit
from iris_ct.core.training.predictor import Predictor
from iris_ct.core.training.table import Rows, TrainingTable

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class WindowChoice:
    """The chosen window and everything it was compared with."""

    window: str
    rounds: int
    candidates: tuple[dict[str, Any], ...]
    curve: tuple[float, ...]


@dataclass(frozen=True)
class _Candidate:
    window: str
    same: tuple[str, ...]
    n_rows: int
    fit: Fit
    losses: Floats


def choose_window(
    table: TrainingTable,
    specification: Specification,
    *,
    preferred: str | None,
    on_progress: Progress,
) -> WindowChoice:
    """Compare the specification's windows on the validation block.

    Windows end where the block begins. Those with the same rows are fitted once. The preferred
    window (the champion's; for a first model the one with the smallest loss) is kept unless
    another one is clearly better: the whole interval of the paired difference is below zero.
    The boosting rounds are those after which the chosen window's loss on the block was smallest.

    Parameters
    ----------
    preferred : str or None
        The champion's window.

    Returns
    -------
    WindowChoice
        Without a block nothing is fitted; the longest window and all rounds are taken then.
    """
    distinct = _distinct(table, specification, preferred)
    block = table.block
    if block.size < MIN_BLOCKS:
        names = [name for _, same, _ in distinct for name in same]
        kept = preferred if preferred in names else distinct[0][0]
        return WindowChoice(
            str(kept), specification.training.rounds, tuple(_untried(distinct, str(kept))), ()
        )
    fitted = []
    for number, (window, same, rows) in enumerate(distinct):
        candidate = _try(table, specification, window, same, rows, block)
        if candidate is not None:
            fitted.append(candidate)
        on_progress(f"window {window}", (number + 1) / len(distinct))
    if not fitted:
        raise TrainingFailedError(
            f"Model {specification.name!r}: no training window holds two classes."
        )
    return _choose(table, specification, fitted, preferred)


def _distinct(
    table: TrainingTable, specification: Specification, preferred: str | None
) -> list[tuple[str, tuple[str, ...], Rows]]:
    """List windows with different rows, longest first; the preferred name stands for its set."""
    found: list[tuple[list[str], Rows]] = []
    for window in longest_first(specification.windows):
        rows = rows_in_window(table.positions, table.before_block, window)
        twin = next((names for names, others in found if others.size == rows.size), None)
        if twin is not None:
            twin.append(window)
        elif rows.size:
            found.append(([window], rows))
    if not found:
        raise TrainingFailedError(
            f"Model {specification.name!r} has no rows that may train before its holdout."
        )
    return [
        (preferred if preferred in names else names[0], tuple(names), rows)
        for names, rows in found
    ]


def _untried(
    distinct: list[tuple[str, tuple[str, ...], Rows]], chosen: str
) -> list[dict[str, Any]]:
    return [
        {
            "window": window,
            "same_as": [name for name in same if name != window],
            "n_rows": int(rows.size),
            "rounds": None,
            "loss": None,
            "change": None,
            "low": None,
            "high": None,
            "chosen": chosen in same,
        }
        for window, same, rows in distinct
    ]


def _try(
    table: TrainingTable,
    specification: Specification,
    window: str,
    same: tuple[str, ...],
    rows: Rows,
    block: Rows,
) -> _Candidate | None:
    """Fit one window and measure it on the block; None if it holds a single class only."""
    thinned = thin_evenly(rows, specification.training.window_rows)
    if table.encoding.classes and len(set(table.target[thinned].tolist())) < 2:
        return None
    made = fit(table, thinned, specification, rounds=specification.training.rounds, watch=block)
    predictor = Predictor(
        made.model_text, table.encoding, specification, threads=specification.training.threads
    )
    losses = row_losses(
        specification.metric,
        table.truth(block),
        predictor.predict_matrix(table.take(block)),
    )
    return _Candidate(window, same, int(thinned.size), made, losses)


def _choose(
    table: TrainingTable,
    specification: Specification,
    fitted: list[_Candidate],
    preferred: str | None,
) -> WindowChoice:
    metric = specification.metric
    best = min(fitted, key=lambda candidate: float(candidate.losses.mean()))
    base = next((c for c in fitted if preferred in c.same), best)
    compared = {
        candidate.window: paired_blocks(
            base.losses,
            candidate.losses,
            table.positions[table.block],
            block=span_length(specification.block),
            confidence=specification.gate.confidence,
            metric=metric,
        )
        for candidate in fitted
    }
    chosen = best if compared[best.window].high < 0 else base
    return WindowChoice(
        window=chosen.window,
        rounds=chosen.fit.rounds,
        candidates=tuple(_content(c, metric, compared[c.window], c is chosen) for c in fitted),
        curve=chosen.fit.curve,
    )


def _content(
    candidate: _Candidate, metric: str, compared: PairedComparison, chosen: bool
) -> dict[str, Any]:
    numbers = compared.content()
    return {
        "window": candidate.window,
        "same_as": [name for name in candidate.same if name != candidate.window],
        "n_rows": candidate.n_rows,
        "rounds": candidate.fit.rounds,
        "loss": mean_loss(metric, candidate.losses),
        **{name: numbers[name] for name in ("change", "low", "high")},
        "chosen": chosen,
    }
