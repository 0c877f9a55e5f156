"""One LightGBM fit: rows in, model text out; the same rows give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import TrainingFailedError
from iris_ct.core.specification import Specification
from iris_ct.core.training.parameters import boosting_parameters
from iris_ct.core.training.predictor import positive_class
from iris_ct.core.training.table import Rows, TrainingTable, as_run

# LightGBM's text refuses these in names and splits them at blanks.
_NOT_IN_NAMES = re.compile(r'[\s,:"\[\]{}]')

# Rounds without a smaller loss on the watched rows after which boosting stops.
PATIENCE_ROUNDS = 25

# Matrix cells below which another thread costs more in waking up than it computes.
CELLS_PER_THREAD = 200_000

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Fit:
    """One fitted model.

    Attributes
    ----------
    model_text : str
        LightGBM's native text.
    rounds : int
        Boosting rounds in the text; with watched rows those up to their smallest loss.
    curve : tuple of float
        Loss on the watched rows after each round; empty if none were watched.
    importances : dict
        Total gain by matrix column.
    """

    model_text: str
    rounds: int
    curve: tuple[float, ...]
    importances: dict[str, float]


def fit(
    table: TrainingTable,
    rows: Rows,
    specification: Specification,
    *,
    rounds: int,
    watch: Rows | None = None,
    on_progress: Progress | None = None,
) -> Fit:
    """Fit one model.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Ascending indices of the training rows.
    rounds : int
        Boosting rounds at most.
    watch : ndarray, optional
        Indices of rows on which the loss is measured after each round. Boosting stops when it
        has not fallen for some rounds, and only the rounds up to the smallest loss are kept.
    on_progress : callable, optional
        Called with the share of rounds done.

    Returns
    -------
    Fit

    Raises
    ------
    TrainingFailedError
        If there are no rows, fewer than two classes, or LightGBM refuses a parameter.
    """
    target = learnable_target(table, rows, specification)
    parameters = boosting_parameters(specification, n_classes=len(table.encoding.classes))
    n_cells = rows.size * len(table.encoding.columns)
    parameters["num_threads"] = threads_for(n_cells, specification)
    curve: list[float] = []
    try:
        data = _dataset(table, rows, target, parameters)
        watching = _watching(table, watch, specification, data)
        booster = lgb.train(
            parameters,
            data,
            num_boost_round=rounds,
            callbacks=_callbacks(rounds, curve, on_progress, is_watched=bool(watching)),
            **watching,
        )
    except lgb.basic.LightGBMError as error:
        raise TrainingFailedError(
            f"LightGBM could not fit model {specification.name!r}: {error}. Look at "
            "training.parameters in its model file."
        ) from error
    kept = booster.best_iteration if watching else booster.current_iteration()
    gain = booster.feature_importance("gain", iteration=kept)
    return Fit(
        model_text=booster.model_to_string(num_iteration=kept),
        rounds=kept,
        curve=tuple(curve),
        importances=dict(zip(table.encoding.columns, gain.tolist(), strict=True)),
    )


def threads_for(n_cells: int, specification: Specification) -> int:
    """Give the threads that pay for a fit of so many matrix cells, `training.threads` at most.

    The same rows always get the same number, because a model's bytes may depend on it.
    """
    return max(1, min(specification.training.threads, n_cells // CELLS_PER_THREAD))


def learnable_target(
    table: TrainingTable, rows: Rows, specification: Specification
) -> NDArray[np.float64]:
    """Give the target as LightGBM wants it, after checking that something can be learned.

    Raises
    ------
    TrainingFailedError
        If there are no rows, or the rows do not hold the classes that the task needs.
    """
    name = specification.name
    if rows.size == 0:
        raise TrainingFailedError(f"Model {name!r} has no training rows in its window.")
    target = table.target[rows]
    if specification.task == "regression":
        return target
    n_classes = np.unique(target).size
    if n_classes < 2:
        raise TrainingFailedError(
            f"Model {name!r} needs two classes to learn; all {rows.size} training rows have the "
            "same target. Wait for rows of another class, or allow a longer window."
        )
    if specification.task == "multiclass":
        return target
    classes = table.encoding.classes
    if len(classes) != 2:
        raise TrainingFailedError(
            f"Model {name!r} is binary, but its target has {len(classes)} classes. Set "
            "task = 'multiclass', or correct the target."
        )
    positive = positive_class(specification, classes)
    if positive not in classes:
        raise TrainingFailedError(
            f"Model {name!r} names positive = {positive!r}, which no training row has."
        )
    hits: NDArray[np.float64] = (target == classes.index(positive)).astype(np.float64)
    return hits


def _dataset(
    table: TrainingTable,
    rows: Rows,
    target: NDArray[np.float64],
    parameters: dict[str, Any],
    reference: lgb.Dataset | None = None,
) -> lgb.Dataset:
    # Neighbouring rows go to LightGBM where they are; others are read in small batches.
    run = as_run(rows)
    data = table.matrix[run] if run is not None else _PickedRows(table.matrix, rows)
    return lgb.Dataset(
        data,
        label=target,
        reference=reference,
        params={**parameters},
        feature_name=safe_names(table.encoding.columns),
        categorical_feature=list(table.encoding.categorical_columns),
    )


class _PickedRows(lgb.Sequence):
    """Rows of a memory-mapped matrix that are no neighbours, without copying them all."""

    batch_size = 16_384

    def __init__(self, matrix: NDArray[np.float64], rows: Rows) -> None:
        self.matrix, self.rows = matrix, rows

    def __getitem__(self, wanted: int | slice | list[int]) -> NDArray[np.float64]:
        picked: NDArray[np.float64] = self.matrix[self.rows[wanted]]
        return picked

    def __len__(self) -> int:
        return int(self.rows.size)


def _watching(
    table: TrainingTable, watch: Rows | None, specification: Specification, data: lgb.Dataset
) -> dict[str, Any]:
    """Give the arguments that measure the curve; nothing without rows to watch."""
    if watch is None or watch.size == 0:
        return {}
    target = table.target[watch]
    if specification.task == "binary":
        positive = positive_class(specification, table.encoding.classes)
        target = (table.labels(watch) == positive).astype(np.float64)
    return {
        "valid_sets": [_dataset(table, watch, target, {}, reference=data)],
        "valid_names": ["block"],
    }


def _callbacks(
    rounds: int, curve: list[float], on_progress: Progress | None, *, is_watched: bool
) -> list[Any]:
    def keep(environment: Any) -> None:
        if environment.evaluation_result_list:
            curve.append(float(environment.evaluation_result_list[0][2]))
        if on_progress is not None:
            on_progress((environment.iteration + 1) / rounds)

    stopping = [lgb.early_stopping(PATIENCE_ROUNDS, verbose=False)] if is_watched else []
    return [keep, *stopping]


def safe_names(names: Sequence[str]) -> list[str]:
    """Give column names that LightGBM's text can hold, all different.

    Examples
    --------
    >>> safe_names(["Jitter(%)", "a b", "a,b"])
    ['Jitter(%)', 'a_b', 'a_b_2']
    """
    safe: list[str] = []
    for name in names:
        base = candidate = _NOT_IN_NAMES.sub("_", name)
        n_same = 1
        while candidate in safe:
            n_same += 1
            candidate = f"{base}_{n_same}"
        safe.append(candidate)
    return safe
