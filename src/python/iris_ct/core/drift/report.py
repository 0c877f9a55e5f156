"""The verdict on data drift: each column of the current window against the reference window.

A column has drifted when its shift is real (significant over the whole family of columns) and
large (PSI over its floor and over what chance gives). No value of a row, no edge of a grid and
no name of a category is in a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from iris_ct.core.canonical import finite
from iris_ct.core.drift.binning import N_OTHER, Ints
from iris_ct.core.drift.cells import Column, Summary
from iris_ct.core.drift.grid import Role
from iris_ct.core.drift.statistics import (
    MIN_BIN_ROWS,
    chi_square,
    decile_starts,
    holm,
    kolmogorov_smirnov,
    largest_share_change,
    pool,
    population_stability_index,
    psi_critical,
)
from iris_ct.core.errors import IntegrityError
from iris_ct.core.policy import DriftPolicy
from iris_ct.core.specification import FeatureKind

# Places of a column's last codes.
_MISSING, _UNSEEN = slice(-1, None), slice(-1 - N_OTHER, -1)

Status = Literal["measured", "insufficient"]
Reason = Literal[
    "same",  # not a row has another bin's share
    "within_chance",  # two windows of one source differ as much
    "small",  # real, but too small to matter
    "shifted",  # drifted: values have moved
    "missing_moved",  # drifted: most of it is the share of missing values
    "new_categories",  # drifted: most of it is categories that the grid does not know
    "insufficient",  # too few rows to say
]


@dataclass(frozen=True)
class FeatureDrift:
    """What happened to one column.

    Attributes
    ----------
    psi, psi_threshold : float or None
        Population stability index, and what it must exceed; None if insufficient.
    statistic, observed : str, float or None
        The test that saw most (``ks``, ``chi_square`` or ``share_change``) and its value.
    p_value, adjusted_p_value : float or None
        Of all tests of this column together (Bonferroni), and after Holm over all columns.
    missing_before, missing_now : float
        Share of missing values in the reference and the current window.
    unseen_before, unseen_now : float or None
        For categories: share of names that the grid does not know.
    mean_shift : float or None
        For numbers: current minus reference mean, in standard deviations of the reference.
    drifted : bool
    reason : str
        Stable code.
    """

    name: str
    role: Role
    kind: FeatureKind
    status: Status
    psi: float | None
    psi_threshold: float | None
    statistic: str | None
    observed: float | None
    p_value: float | None
    adjusted_p_value: float | None
    missing_before: float
    missing_now: float
    unseen_before: float | None
    unseen_now: float | None
    mean_shift: float | None
    drifted: bool
    reason: Reason

    def content(self) -> dict[str, Any]:
        """Give the finding as plain JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class DriftReport:
    """What happened to all columns of one model between two windows.

    Attributes
    ----------
    status : str
        ``insufficient`` if either window holds fewer than ``policy.min_rows`` rows: then
        nothing was tested and nothing has drifted.
    features : tuple of FeatureDrift
        In the order of the specification, then the target with role ``target``.
    """

    status: Status
    drifted: bool
    n_reference: int
    n_current: int
    significance: float
    psi_floor: float
    min_rows: int
    features: tuple[FeatureDrift, ...]

    @property
    def drifted_features(self) -> tuple[str, ...]:
        """Names of the columns that have drifted, the target included."""
        return tuple(feature.name for feature in self.features if feature.drifted)

    def content(self) -> dict[str, Any]:
        """Give the report as plain JSON values with stable keys."""
        return {
            "status": self.status,
            "drifted": self.drifted,
            "n_reference": self.n_reference,
            "n_current": self.n_current,
            "significance": self.significance,
            "psi_floor": self.psi_floor,
            "min_rows": self.min_rows,
            "drifted_features": list(self.drifted_features),
            "features": [feature.content() for feature in self.features],
        }


@dataclass(frozen=True)
class _Pair:
    """Counts of one column in both windows: on the grid, and in the bins that are tested."""

    column: Column
    reference: Ints
    current: Ints
    reference_bins: Ints
    current_bins: Ints
    status: Status


@dataclass(frozen=True)
class _Tested:
    statistic: str
    observed: float
    p_value: float


def compare_windows(reference: Summary, current: Summary, *, policy: DriftPolicy) -> DriftReport:
    """Measure the drift of every column from merged summaries.

    Parameters
    ----------
    reference, current : Summary
        Of the rows that define "usual", and of the rows under test, counted on one grid.
    policy : DriftPolicy
        ``significance`` for the whole family of columns, ``psi_floor`` and ``min_rows``.

    Returns
    -------
    DriftReport
        The same for any grouping of the rows into batches and cells.

    Raises
    ------
    IntegrityError
        If the summaries were counted on different grids.

    Notes
    -----
    p-values assume rows that do not depend on each other; rows in time do, and then small
    shifts are significant sooner than they should. The floor on PSI is what keeps them quiet:
    see docs/how-it-works/drift.md.
    """
    if reference.layout.grid_digest != current.layout.grid_digest:
        raise IntegrityError(
            "The reference and the current window were counted on different drift grids; "
            "expected one. Take the reference summary again from the stored rows."
        )
    n_reference, n_current = reference.total_rows, current.total_rows
    enough = min(n_reference, n_current) >= policy.min_rows
    before, now = reference.totals, current.totals
    pairs = [
        _pair(column, before[column.counts], now[column.counts], policy.min_rows if enough else 0)
        for column in reference.layout.columns
    ]
    if not enough:
        features = tuple(_insufficient(pair) for pair in pairs)
    else:
        features = _judge(pairs, reference, current, policy)
    return DriftReport(
        status="measured" if enough else "insufficient",
        drifted=any(feature.drifted for feature in features),
        n_reference=n_reference,
        n_current=n_current,
        significance=policy.significance,
        psi_floor=policy.psi_floor,
        min_rows=policy.min_rows,
        features=features,
    )


def _pair(column: Column, reference: Ints, current: Ints, min_rows: int) -> _Pair:
    """Bin one column; ``min_rows`` is 0 when the windows are too small anyway."""
    r, c = _bins(column, reference, current)
    r, c = pool(r, c, (r + c) < MIN_BIN_ROWS)
    enough = min_rows > 0 and min(r.sum(), c.sum()) >= min_rows
    return _Pair(column, reference, current, r, c, "measured" if enough else "insufficient")


def _bins(column: Column, reference: Ints, current: Ints) -> tuple[Ints, Ints]:
    """Choose what is tested; missing values are a bin of features, and no part of a target."""
    if column.kind == "datetime":
        # Time moves on by itself: only whether it is there can drift.
        present = np.array([0, len(reference) - 1])
        return np.add.reduceat(reference, present), np.add.reduceat(current, present)
    if column.kind == "numeric":
        starts = decile_starts(reference[:-1])
        r = np.append(np.add.reduceat(reference[:-1], starts), reference[-1])
        c = np.append(np.add.reduceat(current[:-1], starts), current[-1])
    else:
        r, c = reference, current
    return (r[:-1], c[:-1]) if column.role == "target" else (r, c)


def _judge(
    pairs: list[_Pair], reference: Summary, current: Summary, policy: DriftPolicy
) -> tuple[FeatureDrift, ...]:
    judged = [pair for pair in pairs if pair.status == "measured"]
    tested = [_test(pair) for pair in judged]
    adjusted = holm(np.array([test.p_value for test in tested]))
    for_one = policy.significance / max(1, len(judged))
    findings = {
        pair.column.name: _finding(
            pair, test, float(p), for_one, policy, _mean_shift(pair.column, reference, current)
        )
        for pair, test, p in zip(judged, tested, adjusted, strict=True)
    }
    return tuple(findings.get(pair.column.name) or _insufficient(pair) for pair in pairs)


def _test(pair: _Pair) -> _Tested:
    """Run the tests of one column; their p-values are joined by Bonferroni."""
    tests = [
        ("chi_square", *chi_square(pair.reference_bins, pair.current_bins)),
        ("share_change", *largest_share_change(pair.reference_bins, pair.current_bins)),
    ]
    if pair.column.kind == "numeric":
        tests.insert(0, ("ks", *kolmogorov_smirnov(pair.reference[:-1], pair.current[:-1])))
    name, observed, p_value = min(tests, key=lambda test: test[2])
    return _Tested(name, observed, min(1.0, p_value * len(tests)))


def _finding(
    pair: _Pair,
    test: _Tested,
    adjusted: float,
    for_one: float,
    policy: DriftPolicy,
    mean_shift: float | None,
) -> FeatureDrift:
    r, c = pair.reference_bins, pair.current_bins
    psi = population_stability_index(r, c)
    critical = psi_critical(int(r.sum()), int(c.sum()), len(r), for_one)
    threshold = max(policy.psi_floor, critical)
    real = adjusted <= policy.significance
    drifted = real and psi > threshold
    return FeatureDrift(
        status="measured",
        psi=psi,
        psi_threshold=threshold,
        statistic=test.statistic,
        observed=test.observed,
        p_value=test.p_value,
        adjusted_p_value=adjusted,
        mean_shift=mean_shift,
        drifted=drifted,
        reason=_reason(pair, psi, real=real, drifted=drifted),
        **_shares(pair),
    )


def _insufficient(pair: _Pair) -> FeatureDrift:
    return FeatureDrift(
        status="insufficient",
        psi=None,
        psi_threshold=None,
        statistic=None,
        observed=None,
        p_value=None,
        adjusted_p_value=None,
        mean_shift=None,
        drifted=False,
        reason="insufficient",
        **_shares(pair),
    )


def _shares(pair: _Pair) -> dict[str, Any]:
    """Name the column, and give its shares of missing and of unknown values."""
    column = pair.column
    categorical = column.kind == "categorical"
    return {
        "name": column.name,
        "role": column.role,
        "kind": column.kind,
        "missing_before": _share(pair.reference, _MISSING),
        "missing_now": _share(pair.current, _MISSING),
        "unseen_before": _share(pair.reference, _UNSEEN) if categorical else None,
        "unseen_now": _share(pair.current, _UNSEEN) if categorical else None,
    }


def _share(counts: Ints, codes: slice) -> float:
    return float(counts[codes].sum() / max(1, counts.sum()))


def _mean_shift(column: Column, reference: Summary, current: Summary) -> float | None:
    if column.kind != "numeric":
        return None
    before, now = reference.moments(column.name), current.moments(column.name)
    if not before.n or not now.n or not before.deviation > 0.0:
        return None
    return finite((now.mean - before.mean) / before.deviation)


def _reason(pair: _Pair, psi: float, *, real: bool, drifted: bool) -> Reason:
    if psi == 0.0:
        return "same"
    if not real:
        return "within_chance"
    if not drifted:
        return "small"
    if pair.column.role == "feature" and _part_of(pair, _MISSING) > psi / 2:
        return "missing_moved"
    if pair.column.kind == "categorical" and _part_of(pair, _UNSEEN) > psi / 2:
        return "new_categories"
    return "shifted"


def _part_of(pair: _Pair, codes: slice) -> float:
    """Give the PSI of some codes together against all others."""
    r, c = int(pair.reference[codes].sum()), int(pair.current[codes].sum())
    return population_stability_index(
        np.array([r, int(pair.reference.sum()) - r]), np.array([c, int(pair.current.sum()) - c])
    )
