"""The formulae of drift, on counts: PSI and its null distribution, tests, family-wise control.

Only `scipy.special` is used, and imported when a number is needed: `scipy.stats` takes seconds.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from iris_ct.core.drift.binning import Codes, Floats, Ints

EMPTY_BIN_SHARE = 1e-4
"""Share at which PSI stops caring how empty a bin is; half a row where a window is small."""
MIN_BIN_ROWS = 10
"""Rows in both windows together below which bins are pooled."""
MIN_EXPECTED_ROWS = 5.0
"""Rows that a bin of the chi-square test must expect in either window (Cochran 1954)."""
N_BINS = 10
"""Bins of a numeric feature: deciles of the reference window, and values that fill a decile."""


def population_stability_index(reference: Ints, current: Ints) -> float:
    """Measure how far shares have moved between two windows.

    Parameters
    ----------
    reference, current : ndarray of shape (n_bins,)
        Rows by bin, the same bins in both; each window holds at least one row.

    Returns
    -------
    float
        Dimensionless, zero or more. Zero means equal shares in every bin.

    Notes
    -----
    ``sum((c - r) * ln(c / r))`` over bins of shares r and c; a share below ``EMPTY_BIN_SHARE``,
    or below half a row of the smaller window, counts as that.

    References
    ----------
    .. [1] Yurdakul and Naranjo (2020), "Statistical properties of the population stability
       index", Journal of Risk Model Validation 14(4).

    Examples
    --------
    >>> round(population_stability_index(np.array([50, 50]), np.array([30, 70])), 4)
    0.1695
    """
    n_reference, n_current = reference.sum(), current.sum()
    least = max(EMPTY_BIN_SHARE, 0.5 / min(n_reference, n_current))
    r = np.maximum(reference / n_reference, least)
    c = np.maximum(current / n_current, least)
    return float(np.sum((c - r) * np.log(c / r)))


def psi_critical(n_reference: int, n_current: int, n_bins: int, significance: float) -> float:
    """Give the PSI that two windows of the same source exceed with a small probability.

    Parameters
    ----------
    n_reference, n_current : int
        Rows of the two windows.
    n_bins : int
        Bins with rows; with fewer than two, PSI is zero and nothing exceeds it.
    significance : float
        Probability, for one feature.

    Returns
    -------
    float
        ``(1/n_reference + 1/n_current)`` times the upper quantile of chi-square with
        ``n_bins - 1`` degrees of freedom.

    References
    ----------
    .. [1] Yurdakul and Naranjo (2020), as in `population_stability_index`, theorem 1.

    Examples
    --------
    >>> round(psi_critical(1000, 1000, 10, 0.05), 5)  # 0.002 * 16.919
    0.03384
    """
    from scipy.special import chdtri

    if n_bins < 2:
        return 0.0
    return (1 / n_reference + 1 / n_current) * float(chdtri(n_bins - 1, significance))


def kolmogorov_smirnov(reference: Ints, current: Ints) -> tuple[float, float]:
    """Compare two ordered distributions by the largest distance of their shares below a value.

    Parameters
    ----------
    reference, current : ndarray of shape (n_cells,)
        Rows by cell of the fine grid, cells in rising order, missing ones left out.

    Returns
    -------
    statistic, p_value : float
        The distance at the grid's edges, never above the distance over all values; and the
        asymptotic probability, too large rather than too small for ties and for coarse grids.
        (0, 1) if a window is empty.

    References
    ----------
    .. [1] Smirnov (1948), "Table for estimating the goodness of fit of empirical
       distributions", Annals of Mathematical Statistics 19.
    """
    from scipy.special import kolmogorov

    n, m = int(reference.sum()), int(current.sum())
    if n == 0 or m == 0:
        return 0.0, 1.0
    distance = float(np.max(np.abs(np.cumsum(reference) / n - np.cumsum(current) / m)))
    return distance, float(kolmogorov(math.sqrt(n * m / (n + m)) * distance))


def chi_square(reference: Ints, current: Ints) -> tuple[float, float]:
    """Test that two windows have the same shares, by Pearson's chi-square.

    Parameters
    ----------
    reference, current : ndarray of shape (n_bins,)
        Rows by bin; bins that expect fewer than ``MIN_EXPECTED_ROWS`` rows in the smaller
        window are pooled, which is decided from both windows together.

    Returns
    -------
    statistic, p_value : float
        (0, 1) if fewer than two bins are left.
    """
    from scipy.special import chdtrc

    n, m = int(reference.sum()), int(current.sum())
    if n == 0 or m == 0:
        return 0.0, 1.0
    both = reference + current
    small = both * (min(n, m) / (n + m)) < MIN_EXPECTED_ROWS
    r, c = pool(reference, current, small)
    both = r + c
    if len(both) > 1 and both[-1] * (min(n, m) / (n + m)) < MIN_EXPECTED_ROWS:
        # The pool itself is too small: it joins the smallest of the others.
        r, c = _join_last(r, c)
        both = r + c
    if len(both) < 2:
        return 0.0, 1.0
    expected = both * (m / (n + m))
    # Both windows miss their expectation by the same number of rows.
    statistic = float(np.sum((c - expected) ** 2 * (1 / expected + 1 / (both - expected))))
    return statistic, float(chdtrc(len(both) - 1, statistic))


def largest_share_change(reference: Ints, current: Ints) -> tuple[float, float]:
    """Test each bin on its own, exactly at any size: a new category, a column going missing.

    Parameters
    ----------
    reference, current : ndarray of shape (n_bins,)
        Rows by bin.

    Returns
    -------
    statistic, p_value : float
        Change of share (current minus reference) of the least probable bin, and its two-sided
        probability times the number of bins; (0, 1) if a window is empty.

    Notes
    -----
    Given the rows a bin has in both windows, those in the current one are hypergeometric; the
    binomial used here spreads wider, so that the probability errs upwards.
    """
    from scipy.special import betainc

    n, m = int(reference.sum()), int(current.sum())
    if n == 0 or m == 0:
        return 0.0, 1.0
    c, r = current.astype(np.float64), reference.astype(np.float64)
    share = m / (n + m)
    # The tail on the side where the bin has moved: at least, or at most, as many rows.
    grew = c * n > r * m
    rows, others = np.where(grew, c, r), np.where(grew, r, c)
    tail = betainc(np.maximum(rows, 1.0), others + 1.0, np.where(grew, share, 1.0 - share))
    p_values = np.where(rows > 0, np.minimum(1.0, 2.0 * tail), 1.0)
    least = int(np.argmin(p_values))
    change = float(c[least] / m - r[least] / n)
    return change, min(1.0, float(p_values[least]) * len(p_values))


def decile_starts(reference: Ints) -> Codes:
    """Choose the bins of a numeric feature as runs of grid cells.

    Parameters
    ----------
    reference : ndarray of shape (n_cells,)
        Rows of the reference window by cell, without the missing ones.

    Returns
    -------
    ndarray of shape (n_bins,)
        First cell of each bin, rising from 0. A cell that holds a decile or more is a bin of
        its own.
    """
    n = int(reference.sum())
    if n == 0:
        return np.zeros(1, dtype=np.intp)
    below = np.cumsum(reference) * N_BINS
    ends = np.searchsorted(below, np.arange(1, N_BINS) * n)
    full = np.flatnonzero(reference * N_BINS >= n)
    starts = np.unique(np.concatenate([[0], ends + 1, full, full + 1]))
    return starts[starts < len(reference)]


def pool(reference: Ints, current: Ints, small: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Put the bins marked small into one, at the end; none if they hold no row."""
    if not small.any():
        return reference, current
    r, c = reference[~small], current[~small]
    rest = int(reference[small].sum()), int(current[small].sum())
    return (np.append(r, rest[0]), np.append(c, rest[1])) if any(rest) else (r, c)


def _join_last(reference: Ints, current: Ints) -> tuple[Ints, Ints]:
    into = int(np.argmin((reference + current)[:-1]))
    r, c = reference[:-1].copy(), current[:-1].copy()
    r[into] += reference[-1]
    c[into] += current[-1]
    return r, c


def holm(p_values: Floats) -> Floats:
    """Adjust p-values so that all of a family can be read against one significance.

    Parameters
    ----------
    p_values : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        Adjusted by Holm (1979), "A simple sequentially rejective multiple test procedure".

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
