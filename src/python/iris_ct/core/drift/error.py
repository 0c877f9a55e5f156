"""The verdict on error drift: the served losses against the champion's loss on its holdout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from iris_ct.core.canonical import finite
from iris_ct.core.drift.binning import Floats, Ints
from iris_ct.core.errors import DataError
from iris_ct.core.policy import DriftPolicy

MIN_BLOCKS = 8
"""Blocks in time at least; fewer would not tell a bad day from a worse model."""


@dataclass(frozen=True)
class ErrorDrift:
    """Whether the champion has become worse than it was when it was promoted.

    Attributes
    ----------
    loss, reference_loss : float or None, float
        Mean served loss, and the champion's loss on its holdout, in the unit of the metric.
    factor : float or None
        Their ratio; None without rows, or if the reference loss is zero.
    factor_threshold : float
    p_value : float or None
        One-sided: that blocks like these have a mean loss above the reference by chance.
    n_rows, n_blocks : int
    """

    status: Literal["measured", "insufficient"]
    drifted: bool
    loss: float | None
    reference_loss: float
    factor: float | None
    factor_threshold: float
    p_value: float | None
    significance: float
    n_rows: int
    n_blocks: int

    def content(self) -> dict[str, Any]:
        """Give the verdict as plain JSON values with stable keys."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def compare_error(
    reference_loss: float,
    losses: Floats,
    positions: Ints,
    *,
    policy: DriftPolicy,
    block_length: int,
) -> ErrorDrift:
    """Compare served losses with the loss a champion was promoted for.

    Parameters
    ----------
    reference_loss : float
        Mean loss on the champion's holdout, zero or more.
    losses : ndarray of shape (n,)
        Loss of each served row whose truth is known, same metric; finite.
    positions : ndarray of shape (n,)
        Event positions of these rows, in any order.
    policy : DriftPolicy
        ``error_factor``, ``significance`` and ``min_rows``.
    block_length : int
        Event positions in one block. If that gives fewer than 8 blocks, the rows are cut into
        8 runs of equal size in the order of their positions.

    Returns
    -------
    ErrorDrift
        Drifted if the mean is ``error_factor`` times the reference or more, and is above it by
        more than chance between blocks gives at ``significance``.

    Raises
    ------
    DataError
        If a loss is not finite or the arrays differ in length.

    Notes
    -----
    The mean is a ratio of block sums over block sizes; its standard error comes from the
    blocks' residuals (Cochran 1977, "Sampling Techniques", section 9A.1), compared with
    Student's t of ``n_blocks - 1`` degrees of freedom. The reference loss is taken as known.
    """
    losses, positions = np.asarray(losses, dtype=np.float64), np.asarray(positions, dtype=np.int64)
    _check(losses, positions)
    n = len(losses)
    loss = float(losses.mean()) if n else None
    blocks = _blocks(positions, block_length) if n >= max(policy.min_rows, MIN_BLOCKS) else None
    factor = None if loss is None or reference_loss <= 0.0 else finite(loss / reference_loss)
    p_value = None if blocks is None else _p_value(reference_loss, losses, blocks)
    too_large = loss is not None and loss > 0.0 and loss >= policy.error_factor * reference_loss
    return ErrorDrift(
        status="insufficient" if p_value is None else "measured",
        drifted=p_value is not None and too_large and p_value <= policy.significance,
        loss=loss,
        reference_loss=reference_loss,
        factor=factor,
        factor_threshold=policy.error_factor,
        p_value=p_value,
        significance=policy.significance,
        n_rows=n,
        n_blocks=0 if blocks is None else int(blocks.max()) + 1,
    )


def _check(losses: Floats, positions: Ints) -> None:
    if losses.shape != positions.shape or losses.ndim != 1:
        raise DataError(
            f"Served losses have shape {losses.shape} and positions {positions.shape}; expected "
            "one position for each loss."
        )
    if bad := int(np.count_nonzero(~np.isfinite(losses))):
        raise DataError(
            f"{bad} of {len(losses)} served losses are not finite; expected a number for each "
            "row whose truth is known. Leave rows without truth out."
        )


def _blocks(positions: Ints, block_length: int) -> Ints:
    """Tell each row's block, from 0."""
    _, blocks = np.unique(positions // block_length, return_inverse=True)
    if blocks.max() + 1 < MIN_BLOCKS:
        order = np.argsort(positions, kind="stable")
        blocks = np.empty(len(positions), dtype=np.int64)
        blocks[order] = np.arange(len(positions)) * MIN_BLOCKS // len(positions)
    return blocks.astype(np.int64)


def _p_value(reference_loss: float, losses: Floats, blocks: Ints) -> float:
    from scipy.special import stdtr

    mean = float(losses.mean())
    sizes = np.bincount(blocks)
    residuals = np.bincount(blocks, weights=losses) - sizes * mean
    n_blocks = len(sizes)
    spread = n_blocks / (n_blocks - 1) * float(residuals @ residuals)
    error = math.sqrt(spread) / len(losses)
    if error == 0.0:
        return 0.0 if mean > reference_loss else 1.0
    return float(stdtr(n_blocks - 1, -(mean - reference_loss) / error))
