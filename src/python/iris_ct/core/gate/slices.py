"""Slices: parts of the rows that a challenger must not clearly hurt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.canonical import finite
from iris_ct.core.decision import Check
from iris_ct.core.evaluation.comparison import MIN_BLOCKS, paired_blocks
from iris_ct.core.evaluation.losses import Floats
from iris_ct.core.span import span_length
from iris_ct.core.specification import Specification

if TYPE_CHECKING:
    import polars as pl

# A feature with more values is no natural slice unless the specification names it.
MAX_VALUES = 12


def check_slices(
    specification: Specification,
    features: pl.DataFrame,
    positions: NDArray[np.int64],
    champion: Floats,
    challenger: Floats,
) -> list[Check]:
    """Compare the models on every slice that is large enough.

    A slice fails only if the lower end of the interval of its relative loss change is above
    ``slice_margin``. The confidence is shared among the slices (Bonferroni), so that many
    slices together alarm no more often than one.

    Parameters
    ----------
    features : polars.DataFrame
        Features of the holdout rows.
    champion, challenger : ndarray of shape (n,)
        Losses row by row.

    Returns
    -------
    list of Check
        ``slice <feature> <i>/<k>``: the i-th of the feature's k values in the holdout, sorted.
        The value itself is a row value and is not written.
    """
    policy = specification.gate
    slices = list(_slices(specification, features))
    if not slices:
        return []
    confidence = 1.0 - (1.0 - policy.confidence) / len(slices)
    checks = []
    for name, rows in slices:
        compared = paired_blocks(
            champion[rows],
            challenger[rows],
            positions[rows],
            block=span_length(specification.block),
            confidence=confidence,
            metric=specification.metric,
        )
        checks.append(
            Check(
                name,
                finite(compared.low),
                policy.slice_margin,
                compared.low <= policy.slice_margin,
                f"lower end of the interval of the loss change at most ({rows.size} rows)",
            )
        )
    return checks


def _slices(
    specification: Specification, features: pl.DataFrame
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Give the name and row indices of each slice with enough rows."""
    least = max(specification.gate.min_slice_rows, MIN_BLOCKS)
    for feature, named in _sliced_features(specification, features):
        values = features[feature].drop_nulls().unique().sort()
        if not named and values.len() > MAX_VALUES:
            continue
        for number, value in enumerate(values.to_list(), start=1):
            rows = np.flatnonzero((features[feature] == value).fill_null(value=False).to_numpy())
            if rows.size >= least and rows.size < features.height:
                yield f"slice {feature} {number}/{values.len()}", rows


def _sliced_features(
    specification: Specification, features: pl.DataFrame
) -> Iterator[tuple[str, bool]]:
    """Give the features to slice by, and whether the specification named them."""
    chosen = specification.gate.slices
    for feature in specification.features:
        if feature.name not in features.columns:
            continue
        if chosen is not None:
            if feature.name in chosen:
                yield feature.name, True
        elif feature.kind in ("categorical", "boolean"):
            yield feature.name, False
