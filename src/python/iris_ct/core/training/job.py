"""A whole training: choose the window and fit, or refit a recipe that was chosen before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.dataset.split import JUDGE, TRAIN, VALIDATE
from iris_ct.core.dataset.windows import rows_in_window
from iris_ct.core.errors import TrainingFailedError
from iris_ct.core.evaluation.baseline import learn_baseline
from iris_ct.core.specification import Specification
from iris_ct.core.training.encoding import compact_categories
from iris_ct.core.training.lightgbm_trainer import Fit, fit, learnable_target
from iris_ct.core.training.predictor import Predictor
from iris_ct.core.training.recipe import recipe_digest
from iris_ct.core.training.result import TrainingResult
from iris_ct.core.training.table import CHUNK_ROWS, Rows, TrainingTable
from iris_ct.core.training.window_choice import WindowChoice, choose_window

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str, float], None]


def train_and_predict(
    table: TrainingTable,
    specification: Specification,
    *,
    preferred_window: str | None,
    on_progress: Progress,
) -> TrainingResult:
    """Choose the window, fit it up to the holdout, and predict the holdout.

    Parameters
    ----------
    table : TrainingTable
        Encoded with what the rows of roles 1 and 2 taught; is recoded to the chosen window.
    preferred_window : str or None
        The champion's window.

    Returns
    -------
    TrainingResult
        With ``holdout``.

    Raises
    ------
    TrainingFailedError
        If nothing can be learned from the rows; the text says why.
    """
    choice = choose_window(
        table, specification, preferred=preferred_window, on_progress=on_progress
    )
    rows = rows_in_window(table.positions, table.having(TRAIN, VALIDATE), choice.window)
    return _fit_rows(
        table,
        rows,
        specification,
        choice=choice,
        on_progress=on_progress,
    )


def refit(
    table: TrainingTable,
    specification: Specification,
    *,
    window: str,
    rounds: int,
    on_progress: Progress,
) -> TrainingResult:
    """Fit exactly this window and number of rounds on all rows up to the newest.

    Raises
    ------
    TrainingFailedError
        If nothing can be learned from the rows; the text says why.
    """
    rows = rows_in_window(table.positions, table.having(TRAIN, VALIDATE, JUDGE), window)
    return _fit_rows(
        table,
        rows,
        specification,
        choice=WindowChoice(window, rounds, (), ()),
        on_progress=on_progress,
        is_refit=True,
    )


def _fit_rows(
    table: TrainingTable,
    rows: Rows,
    specification: Specification,
    *,
    choice: WindowChoice,
    on_progress: Progress,
    is_refit: bool = False,
) -> TrainingResult:
    if rows.size == 0:
        raise TrainingFailedError(
            f"Model {specification.name!r} has no rows that may train in window {choice.window!r}."
        )
    _narrow(table, rows)
    learnable_target(table, rows, specification)
    made = fit(
        table,
        rows,
        specification,
        rounds=choice.rounds,
        on_progress=lambda share: on_progress("fit", share),
    )
    return TrainingResult(
        model_text=made.model_text,
        encoding=table.encoding,
        recipe_digest=recipe_digest(specification),
        window=choice.window,
        rounds=made.rounds,
        n_rows=int(rows.size),
        fit_from=int(table.positions[rows[0]]),
        fit_until=int(table.positions[rows[-1]]),
        candidates=choice.candidates,
        curve=choice.curve,
        importances=made.importances,
        baseline=learn_baseline(specification.task, table.truth(rows)),
        holdout=None if is_refit else _predict_judges(table, specification, made),
    )


def _narrow(table: TrainingTable, rows: Rows) -> None:
    """Recode the table to what these rows alone teach."""
    encoding = table.encoding
    categorical = [f for f in encoding.features if f.kind == "categorical"]
    counts = {
        column: _count_codes(table, rows, column, len(feature.categories))
        for column, feature in zip(encoding.categorical_columns, categorical, strict=True)
    }
    class_counts = None
    if encoding.classes:
        class_counts = np.bincount(
            table.target[rows].astype(np.intp), minlength=len(encoding.classes)
        )
    table.recode(*compact_categories(encoding, counts, class_counts))


def _count_codes(table: TrainingTable, rows: Rows, column: int, n_codes: int) -> NDArray[np.int64]:
    """Count each category code of a column, chunk by chunk."""
    counts = np.zeros(n_codes, dtype=np.int64)
    for first in range(0, rows.size, CHUNK_ROWS):
        codes = table.matrix[rows[first : first + CHUNK_ROWS], column]
        known = codes[~np.isnan(codes)].astype(np.intp)
        counts += np.bincount(known, minlength=n_codes)
    return counts


def _predict_judges(table: TrainingTable, specification: Specification, made: Fit) -> pl.DataFrame:
    """Predict the rows that judge, chunk by chunk."""
    import polars as pl

    predictor = Predictor(
        made.model_text, table.encoding, specification, threads=specification.training.threads
    )
    judges = table.judges
    parts = []
    for first in range(0, max(judges.size, 1), CHUNK_ROWS):
        rows = judges[first : first + CHUNK_ROWS]
        parts.append(
            predictor.predict_matrix(table.take(rows)).insert_column(
                0, pl.Series("_row", table.row_numbers[rows])
            )
        )
    return pl.concat(parts)
