"""Columns that may know the target: found by numbers, sums and names; said, never acted upon.

Each column alone predicts the target with the means of its cells (bins, or its most frequent
categories), learned on every other row and measured on the rest. What one column can do nearly
perfectly is rarely known before the event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from iris_ct.core.proposal.profile import ColumnProfile

Task = Literal["regression", "binary", "multiclass"]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# R squared, twice the AUC minus one, or the share of the errors of always guessing the largest
# class that a column avoids: each is 0 for a useless column and 1 for a perfect one.
SUSPICIOUS = {"regression": 0.80, "binary": 0.70, "multiclass": 0.50}

_CELLS = 64
_MIN_ROWS = 50
_MIN_MISSING = 20
# Pairs of so many columns at most are tried for sums; a pair costs a pass over the sample.
_SUMMED_COLUMNS = 60
_AFTERWARDS = re.compile(
    r"(?<!upon_)(?<!at_)(?<!before_)(?<!last_)(?<!previous_)(?<!prior_)(?:^|(?<=[_.\s-]))(outcome|result|actual|final|resolved|closed|duration|death|died|deceased"
    r"|discharge|discharged|cancelled|canceled|refund|refunded|churned|settled)(?:$|[_.\s-])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Suspicion:
    """Columns that may leak the target, and why."""

    columns: tuple[str, ...]
    why: str


def suspicions(
    target: ColumnProfile, columns: Mapping[str, ColumnProfile], *, task: Task
) -> list[Suspicion]:
    """Find columns that may know the target.

    Parameters
    ----------
    target : ColumnProfile
        The target over the sample.
    columns : mapping
        Candidates for features, by name.
    task : str

    Returns
    -------
    list of Suspicion
        The certain ones (sums, equality) first.
    """
    found = _arithmetic(target, columns) if target.nature == "number" else []
    named = {name for suspicion in found for name in suspicion.columns}
    for name, column in columns.items():
        if name in named:
            continue
        strength = knowledge(target, column, task=task)
        if strength is not None and strength >= SUSPICIOUS[task]:
            found.append(Suspicion((name,), _strong(strength, target.name, task)))
        elif _missing_together(target, column):
            found.append(
                Suspicion(
                    (name,),
                    f"it is missing where {target.name} is, as if both were written down together: "
                    "is it known when a prediction is made?",
                )
            )
        elif match := _AFTERWARDS.search(name):
            found.append(
                Suspicion(
                    (name,),
                    f"its name says {match[1].lower()!r}: is it known when a prediction is made?",
                )
            )
    return found


def knowledge(target: ColumnProfile, column: ColumnProfile, *, task: Task) -> float | None:
    """Measure what one column alone knows of the target, 0 to 1; None with too few rows."""
    labelled = target.values.is_not_null().to_numpy()
    if labelled.sum() < _MIN_ROWS:
        return None
    cells = _cells(column)[labelled]
    known = target.values.filter(pl.Series(labelled))
    if task == "multiclass":
        classes = known.cast(pl.String).rank("dense").cast(pl.Int64).to_numpy() - 1
        return _error_avoided(classes, cells)
    if task == "binary":
        truth = (known.cast(pl.String).rank("dense") == 2).cast(pl.Float64).to_numpy()
        return _gini(truth, cells)
    return _r_squared(known.cast(pl.Float64).to_numpy(), cells)


def _strong(strength: float, target: str, task: Task) -> str:
    measure = {
        "regression": f"explains {strength:.0%} of the variance of",
        "binary": f"ranks by AUC {(1 + strength) / 2:.2f} the classes of",
        "multiclass": f"avoids {strength:.0%} of the errors in guessing",
    }[task]
    return f"alone, it {measure} {target}: is it known when a prediction is made?"


def _missing_together(target: ColumnProfile, column: ColumnProfile) -> bool:
    """Tell whether a column is mostly missing with the target and nearly never without it."""
    without = target.values.is_null()
    if without.sum() < _MIN_MISSING:
        return False
    absent = column.values.is_null()
    share = int((absent & without).sum()) / int(without.sum())
    elsewhere = int((absent & ~without).sum()) / max(int((~without).sum()), 1)
    return share >= 0.8 and elsewhere <= 0.02


def _cells(column: ColumnProfile) -> Codes:
    """Put each row into one of a few cells; missing values have their own."""
    values = column.values
    if column.nature in ("text", "boolean"):
        texts = values.cast(pl.String)
        top = texts.drop_nulls().value_counts(sort=True)[column.name].head(_CELLS)
        codes = texts.replace_strict(
            top, pl.Series(range(len(top)), dtype=pl.Int64), default=_CELLS, return_dtype=pl.Int64
        )
        return np.where(texts.is_null().to_numpy(), _CELLS + 1, codes.to_numpy()).astype(np.int64)
    numbers = values.to_physical().cast(pl.Float64)
    present = numbers.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(present, np.linspace(0, 1, _CELLS + 1)[1:-1]))
    bins = np.searchsorted(edges, numbers.fill_null(0.0).to_numpy(), side="right")
    return np.where(numbers.is_null().to_numpy(), _CELLS + 1, bins).astype(np.int64)


def _halves(n: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    even = np.arange(n) % 2 == 0
    return even, ~even


def _means(truth: Floats, cells: Codes) -> tuple[Floats, Floats]:
    """Give the second half's truth, and the means of its cells in the first half."""
    learn, judge = _halves(len(truth))
    counts = np.bincount(cells[learn], minlength=_CELLS + 2)
    sums = np.bincount(cells[learn], weights=truth[learn], minlength=_CELLS + 2)
    overall = truth[learn].mean()
    means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    return truth[judge], means[cells[judge]]


def _r_squared(truth: Floats, cells: Codes) -> float:
    judged, guessed = _means(truth, cells)
    variance = float(np.mean((judged - judged.mean()) ** 2))
    return 1.0 - float(np.mean((judged - guessed) ** 2)) / variance if variance else 0.0


def _gini(truth: Floats, cells: Codes) -> float:
    judged, guessed = _means(truth, cells)
    positive = int(judged.sum())
    negative = len(judged) - positive
    if not positive or not negative:
        return 0.0
    ranks = pl.Series(guessed).rank("average").to_numpy()
    above = ranks[judged == 1.0].sum() - positive * (positive + 1) / 2
    return float(2.0 * above / (positive * negative) - 1.0)


def _error_avoided(classes: Codes, cells: Codes) -> float:
    learn, judge = _halves(len(classes))
    n_classes = int(classes.max()) + 1
    table = np.zeros((_CELLS + 2, n_classes))
    np.add.at(table, (cells[learn], classes[learn]), 1.0)
    largest = int(table.sum(axis=0).argmax())
    # A cell without rows guesses the largest class.
    guess = np.where(table.sum(axis=1) > 0, table.argmax(axis=1), largest)
    base = float(np.mean(classes[judge] != largest))
    wrong = float(np.mean(classes[judge] != guess[cells[judge]]))
    return 1.0 - wrong / base if base else 0.0


def _arithmetic(target: ColumnProfile, columns: Mapping[str, ColumnProfile]) -> list[Suspicion]:
    """Find columns that equal the target, and pairs whose sum or difference does."""
    numbers = [c for c in columns.values() if c.nature == "number" and c.n_distinct > 1]
    truth = target.values.to_numpy()
    given = {c.name: c.values.to_numpy() for c in numbers[:_SUMMED_COLUMNS]}
    equal = [name for name, values in given.items() if _same(values, truth)]
    found = [Suspicion((name,), f"it is {target.name} itself") for name in equal]
    for one, other in combinations([name for name in given if name not in equal], 2):
        if why := _pair(one, other, given[one], given[other], target.name, truth):
            found.append(Suspicion((one, other), why))
    return found


def _pair(one: str, other: str, a: Floats, b: Floats, target: str, truth: Floats) -> str | None:
    # The first rows rule out nearly every pair at once.
    head = slice(0, 256)
    for said, left, right in (
        (f"{one} + {other} = {target}", a, b),
        (f"{one} - {other} = {target}", a, -b),
        (f"{other} - {one} = {target}", b, -a),
    ):
        if _same(left[head] + right[head], truth[head]) and _same(left + right, truth):
            return said
    return None


def _same(values: Floats, truth: Floats) -> bool:
    """Tell whether two columns are equal wherever both are known, and mostly are."""
    both = np.isfinite(values) & np.isfinite(truth)
    if both.sum() < _MIN_ROWS or both.sum() < 0.5 * np.isfinite(truth).sum():
        return False
    return bool(np.allclose(values[both], truth[both], rtol=1e-9, atol=1e-9))


def columns_of(found: Sequence[Suspicion]) -> tuple[str, ...]:
    """Name all suspected columns, once each."""
    return tuple(dict.fromkeys(name for suspicion in found for name in suspicion.columns))
