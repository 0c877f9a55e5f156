"""The grid: where each feature and the target of one specification are counted.

A grid is learnt once, from the first rows, and then stays: counts taken on the same grid merge
by addition. It is not a model of the data, only a fixed set of cells fine enough to lose nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from iris_ct.core.canonical import canonical_json
from iris_ct.core.drift.binning import (
    MAX_NAMES,
    N_KEYS,
    N_OTHER,
    Codes,
    Floats,
    NameCodes,
    code_table,
    keys,
)
from iris_ct.core.errors import IntegrityError, SchemaMismatchError
from iris_ct.core.specification import FeatureKind, Specification

Role = Literal["feature", "target"]

N_QUANTILES = 160
"""Cells of equal share in the first rows; with the tails a feature has at most 252."""
# Beyond the outer quantiles: 32 equal cells over two spans, then cells that grow by the square
# root of two out to 256 spans, so that a later shift is seen wherever it goes.
_LINEAR_TAIL = np.arange(1, 33) / 16.0
_LOG_TAIL = 2.0 * 2.0 ** (np.arange(1, 15) / 2.0)
_TAIL = np.concatenate([_LINEAR_TAIL, _LOG_TAIL])
# Quantiles of more rows than this do not get better where a cell holds 1/160 of them.
_LEARNING_ROWS = 65_536
# A step is the power of two next above this part of a span: 16 spans or more make the limit.
_STEPS_PER_SPAN = 4096.0
MOMENT_LIMIT = 65_536.0
"""Steps from the centre that a value counts as, at most, in the moments."""


@dataclass(frozen=True)
class FeatureGrid:
    """Where one column is counted.

    Attributes
    ----------
    name, role, kind : str
        Column; whether it is an input or the target; its kind (a class target is categorical).
    centre, unit : float
        For numbers: the median rounded to a step, subtracted before binning, and one step (a power of two, so that
        dividing by it is exact), both in the feature's unit; datetimes are seconds since 1970.
    starts : tuple of int
        For numbers: rising keys (see `binning`) at which a new cell begins.
    names : tuple of str
        For categories: the known names.
    """

    name: str
    role: Role
    kind: FeatureKind
    centre: float = 0.0
    unit: float = 1.0
    starts: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether the column is counted along a number line."""
        return self.kind in ("numeric", "datetime")

    @property
    def n_codes(self) -> int:
        """Cells of this column; the last one counts what is missing."""
        if self.is_number:
            return len(self.starts) + 2
        return 3 if self.kind == "boolean" else len(self.names) + N_OTHER + 1

    def steps(self, values: Floats) -> Floats:
        """Give a new array of distances from the centre in steps; NaN stays."""
        with np.errstate(over="ignore"):
            # Plus the negative centre, so that -0.0 becomes 0.0 and both fall in one cell.
            steps = values + (0.0 - self.centre)
            steps *= 1.0 / self.unit
        return steps

    @cached_property
    def _table(self) -> npt.NDArray[np.int16]:
        return code_table(np.array(self.starts, dtype=np.intp))

    def number_codes(self, steps: Floats) -> Codes:
        """Give the cell of each distance from the centre; NaN has the code of what is missing."""
        codes: Codes = np.take(self._table, keys(steps), mode="clip").astype(np.intp)
        missing = np.isnan(steps)
        if missing.any():
            codes[missing] = self.n_codes - 1
        return codes

    @cached_property
    def name_codes(self) -> NameCodes:
        """Look-up of category names."""
        return NameCodes(self.names)

    def content(self) -> dict[str, Any]:
        """Give the column's grid as plain JSON values."""
        return {
            "name": self.name,
            "role": self.role,
            "kind": self.kind,
            "centre": self.centre,
            "unit": self.unit,
            "starts": list(self.starts),
            "names": list(self.names),
        }


@dataclass(frozen=True)
class Grid:
    """Where all columns of one specification are counted; the same for all its batches."""

    columns: tuple[FeatureGrid, ...]

    def to_bytes(self) -> bytes:
        """Write the grid as canonical JSON."""
        return canonical_json(
            {"version": 1, "columns": [column.content() for column in self.columns]}
        ).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes: only counts of the same grid can be merged or compared."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def grid_from_bytes(content: bytes) -> Grid:
    """Read a grid back; `IntegrityError` if the bytes are no grid."""
    try:
        columns = json.loads(content)["columns"]
        return Grid(
            tuple(
                FeatureGrid(**{**c, "starts": tuple(c["starts"]), "names": tuple(c["names"])})
                for c in columns
            )
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"Stored drift grid of {len(content)} bytes is damaged: expected canonical JSON with "
            "'columns'. Restore the store from its backup."
        ) from error


def learn_grid(frame: pl.DataFrame, specification: Specification) -> Grid:
    """Learn the grid from a model's first rows.

    Parameters
    ----------
    frame : DataFrame of shape (n, any)
        Rows with every declared feature, and the target if it is known already. Any number of
        rows will do: a column without a value gets a grid around zero. More than 65,536 rows
        are thinned evenly.
    specification : Specification
        Whose features and target are to be counted.

    Returns
    -------
    Grid
        The same for the same rows in any order, as long as they are not thinned.

    Raises
    ------
    SchemaMismatchError
        If a declared feature is no column of the frame.
    """
    missing = [name for name in specification.feature_names if name not in frame.columns]
    if missing:
        raise SchemaMismatchError(
            f"Cannot learn the drift grid of '{specification.name}': {len(missing)} features are "
            f"no columns of the rows: {', '.join(missing)}. Expected every declared feature."
        )
    thinned = frame.gather_every(max(1, -(-frame.height // _LEARNING_ROWS)))
    allowed = {feature.name: feature.allowed or () for feature in specification.features}
    columns = []
    for name, role, kind in _columns(specification):
        values = thinned[name] if name in thinned.columns else pl.Series(name, [], pl.Null)
        columns.append(_learn_column(values, name, role, kind, allowed.get(name, ())))
    return Grid(tuple(columns))


def _columns(specification: Specification) -> list[tuple[str, Role, FeatureKind]]:
    """List what is counted: the features in their order, then the target."""
    columns: list[tuple[str, Role, FeatureKind]] = [
        (feature.name, "feature", feature.kind) for feature in specification.features
    ]
    kind: FeatureKind = "numeric" if specification.task == "regression" else "categorical"
    return [*columns, (specification.target, "target", kind)]


def _learn_column(
    values: pl.Series, name: str, role: Role, kind: FeatureKind, allowed: tuple[str, ...]
) -> FeatureGrid:
    if kind == "boolean":
        return FeatureGrid(name, role, kind)
    if kind == "categorical":
        return FeatureGrid(name, role, kind, names=_frequent_names(values, allowed))
    finite = as_floats(values)
    finite = finite[np.isfinite(finite)]
    centre, span = _centre_and_span(finite)
    unit = 2.0 ** math.ceil(math.log2(span / _STEPS_PER_SPAN))
    rounded = unit * float(np.rint(centre / unit))
    centre = rounded if math.isfinite(rounded) else 0.0
    steps = FeatureGrid(name, role, kind, centre, unit).steps(finite)
    starts = tuple(int(key) for key in _starts(steps, span / unit))
    return FeatureGrid(name, role, kind, centre, unit, starts)


def as_floats(values: pl.Series) -> Floats:
    """Give a numeric or datetime column as float64; NaN is missing, datetimes are seconds."""
    if values.dtype.is_temporal():
        values = values.cast(pl.Datetime("us")).to_physical() / 1e6
    floats: Floats = values.cast(pl.Float64).rechunk().to_numpy()
    return floats


def _frequent_names(values: pl.Series, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Name the allowed categories, then the most frequent ones, ties in the order of names."""
    found = (
        values.cast(pl.String)
        .drop_nulls()
        .alias("name")
        .to_frame()
        .group_by("name")
        .len()
        .sort(["len", "name"], descending=[True, False])
        .head(MAX_NAMES)["name"]
    )
    return tuple(dict.fromkeys((*allowed, *found)))[:MAX_NAMES]


def _centre_and_span(values: Floats) -> tuple[float, float]:
    """Find the middle of a feature, and a width that a few odd values do not stretch."""
    if values.size == 0:
        return 0.0, 1.0
    low, centre, high = np.quantile(
        values, [1 / N_QUANTILES, 0.5, 1 - 1 / N_QUANTILES], method="lower"
    )
    with np.errstate(over="ignore"):
        widths = (high - low, values.max() - values.min(), abs(centre))
    return float(centre), next((float(w) for w in widths if 1e-300 < w < np.inf), 1.0)


def _starts(steps: Floats, span: float) -> Codes:
    """Choose where cells begin: at quantiles, around values that repeat, and over the tails."""
    if steps.size == 0:
        steps = np.zeros(1)
    found = np.sort(keys(steps))
    distinct = np.unique(found)
    if len(distinct) <= N_QUANTILES // 2:
        inner = np.union1d(distinct, distinct + 1)
        low, high = steps.min(), steps.max()
    else:
        at = (np.arange(1, N_QUANTILES) * len(found)) // N_QUANTILES
        quantiles, times = np.unique(found[at], return_counts=True)
        # A value that fills several quantiles gets a cell of its own.
        inner = np.union1d(quantiles, quantiles[times > 1] + 1)
        low, high = np.quantile(steps, [1 / N_QUANTILES, 1 - 1 / N_QUANTILES], method="lower")
    below, above = keys(low - _TAIL * span), keys(high + _TAIL * span)
    starts = np.union1d(inner, np.union1d(below, above)).astype(np.intp)
    return starts[(starts > 0) & (starts < N_KEYS)]
