"""Paired comparison of two models on the same rows, with blocks in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.canonical import finite
from iris_ct.core.errors import InsufficientDataError

Floats = NDArray[np.float64]

# Fewer blocks make the t interval so wide that it says nothing.
MIN_BLOCKS = 8


@dataclass(frozen=True)
class PairedComparison:
    """How a challenger's loss relates to the champion's on the same rows.

    Attributes
    ----------
    champion_loss, challenger_loss : float
        The metric of either model.
    change : float
        Relative change of the loss, ``challenger / champion - 1``; negative is better.
    low, high : float
        Two-sided confidence interval of the change.
    """

    n_rows: int
    n_blocks: int
    champion_loss: float
    challenger_loss: float
    change: float
    low: float
    high: float

    def content(self) -> dict[str, Any]:
        """Give the comparison as plain JSON values; None where a number is not finite."""
        return {
            "n_rows": self.n_rows,
            "n_blocks": self.n_blocks,
            "champion_loss": finite(self.champion_loss),
            "challenger_loss": finite(self.challenger_loss),
            "change": finite(self.change),
            "low": finite(self.low),
            "high": finite(self.high),
        }


def paired_blocks(
    champion: Floats,
    challenger: Floats,
    positions: NDArray[np.int64],
    *,
    block: int,
    confidence: float,
    metric: str = "mae",
) -> PairedComparison:
    """Compare two models' losses on the same rows.

    Neighbouring rows share weather, season and fashion, so that rows are no independent
    witnesses; blocks in time are. The relative change is a ratio of sums, and its variance is
    that of a ratio estimator over the blocks.

    Parameters
    ----------
    champion, challenger : ndarray of shape (n,)
        Losses row by row, see `iris_ct.core.evaluation.losses.row_losses`.
    positions : ndarray of shape (n,)
        Event positions, ascending.
    block : int
        Length of a block in event positions. If that gives fewer than 8 blocks, the rows are
        cut into 8 blocks of equal size instead.
    confidence : float
        Two-sided, between 0.5 and 1.
    metric : str
        For ``rmse`` the squared errors are compared and the change is that of the root.

    Returns
    -------
    PairedComparison

    Raises
    ------
    InsufficientDataError
        If there are fewer than 8 rows.

    Notes
    -----
    With block sums ``a_b`` (champion) and ``c_b`` (challenger): ``R = sum(c) / sum(a)``,
    ``e_b = c_b - R a_b``, ``se = sqrt(B / (B - 1) * sum(e_b^2)) / sum(a)``, interval
    ``R - 1 +- t(B - 1) se`` [1]_.

    References
    ----------
    .. [1] Cochran, W. G. (1977), "Sampling Techniques", 3rd ed., section 6.
    """
    if champion.size < MIN_BLOCKS:
        raise InsufficientDataError(
            f"A paired comparison needs {MIN_BLOCKS} rows at least; there are {champion.size}."
        )
    labels = _block_of(positions, block)
    old: Floats = np.bincount(labels, weights=champion).astype(np.float64)
    new: Floats = np.bincount(labels, weights=challenger).astype(np.float64)
    change, error = _ratio(old, new)
    reach = error * _t_quantile(confidence, old.size - 1) if error > 0 else 0.0
    low, high = change - reach, change + reach
    losses = float(champion.mean()), float(challenger.mean())
    if metric == "rmse":
        change, low, high = (_root(number) for number in (change, low, high))
        losses = float(np.sqrt(losses[0])), float(np.sqrt(losses[1]))
    return PairedComparison(champion.size, old.size, *losses, change, low, high)


def _block_of(positions: NDArray[np.int64], block: int) -> NDArray[np.intp]:
    """Give the block number of every row: 0, 1, 2 ... without gaps."""
    _, labels = np.unique(positions // block, return_inverse=True)
    if int(labels.max()) + 1 >= MIN_BLOCKS:
        return labels
    return np.arange(positions.size) * MIN_BLOCKS // positions.size


def _ratio(old: Floats, new: Floats) -> tuple[float, float]:
    """Give the relative change of the sums and its standard error."""
    total = float(old.sum())
    if total == 0.0:
        return (0.0 if float(new.sum()) == 0.0 else float("inf")), 0.0
    ratio = float(new.sum()) / total
    rest = new - ratio * old
    n_blocks = old.size
    return ratio - 1.0, float(np.sqrt(n_blocks / (n_blocks - 1) * (rest**2).sum())) / total


def _root(change: float) -> float:
    """Turn a relative change of a mean of squares into that of its root."""
    return float(np.sqrt(max(0.0, 1.0 + change))) - 1.0


def _t_quantile(confidence: float, degrees: int) -> float:
    """Give the two-sided quantile of Student's t distribution."""
    # The special functions alone load ten times faster than scipy.stats.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + confidence / 2.0))
