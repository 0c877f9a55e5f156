"""Turning declared columns into the float64 matrix that a model sees."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.canonical import canonical_json
from iris_ct.core.errors import IncompatibleModelError
from iris_ct.core.specification import DatetimePart, Feature, FeatureKind, Specification

if TYPE_CHECKING:
    import polars as pl

Matrix = NDArray[np.float64]

# Rarer categories become NaN like unseen ones: too few rows to learn from, and a value that
# only one or two rows have could name a person inside the model file.
MIN_CATEGORY_ROWS = 5

# The most frequent ones are kept; beyond that a column is an identifier rather than a feature.
MAX_CATEGORIES = 5000

_PARTS = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "week": "week",
    "day": "day",
    "weekday": "weekday",
    "yearday": "ordinal_day",
    "hour": "hour",
    "minute": "minute",
}


@dataclass(frozen=True)
class EncodedFeature:
    """How one declared feature becomes one or more matrix columns."""

    name: str
    kind: FeatureKind
    categories: tuple[str, ...] = ()
    parts: tuple[DatetimePart, ...] = ()


@dataclass(frozen=True)
class FeatureEncoding:
    """What a model must know about columns, learned from its training rows alone.

    Attributes
    ----------
    features : tuple of EncodedFeature
        In declared order.
    time_zone : str
        IANA zone in which the parts of datetime features are taken.
    classes : tuple of str
        Class labels of the training rows, sorted; empty for regression.
    """

    features: tuple[EncodedFeature, ...]
    time_zone: str = "UTC"
    classes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the matrix columns; ``<feature>.<part>`` for datetime parts."""
        return tuple(
            column
            for feature in self.features
            for column in (
                [f"{feature.name}.{part}" for part in feature.parts]
                if feature.kind == "datetime"
                else [feature.name]
            )
        )

    @property
    def categorical_columns(self) -> tuple[int, ...]:
        """Indices of the matrix columns that hold category codes."""
        kinds = [f.kind for f in self.features for _ in range(max(1, len(f.parts)))]
        return tuple(index for index, kind in enumerate(kinds) if kind == "categorical")

    def encode(self, frame: pl.DataFrame) -> Matrix:
        """Encode rows.

        Parameters
        ----------
        frame : polars.DataFrame
            At least the declared features: numeric as numbers, boolean as booleans, categorical
            as text, datetime as timestamps (without a zone: the model's own).

        Returns
        -------
        ndarray of shape (n_rows, len(columns))
            Float64, C-contiguous. Booleans are 0 and 1, categories their place in sorted order;
            missing values and unseen categories are NaN.

        Raises
        ------
        IncompatibleModelError
            If a column is missing or of a kind that does not fit.
        """
        matrix = np.empty((frame.height, len(self.columns)), dtype=np.float64)
        self.encode_into(frame, matrix)
        return matrix

    def encode_into(self, frame: pl.DataFrame, matrix: Matrix) -> None:
        """Encode rows into a matrix of shape (n_rows, len(columns)) that is there already."""
        self._check_columns(frame)
        column = 0
        for feature in self.features:
            for series in _encode_feature(feature, frame[feature.name], self.time_zone):
                matrix[:, column] = series.to_numpy()
                column += 1

    def _check_columns(self, frame: pl.DataFrame) -> None:
        missing = [f.name for f in self.features if f.name not in frame.columns]
        if missing:
            raise IncompatibleModelError(
                f"The rows lack {len(missing)} of {len(self.features)} columns that the model "
                f"was trained with: {', '.join(missing)}. Add them, or train a model without them."
            )

    def to_json(self) -> str:
        """Give the encoding as canonical JSON."""
        return canonical_json(
            {
                "features": [
                    {
                        "name": f.name,
                        "kind": f.kind,
                        "categories": list(f.categories),
                        "parts": list(f.parts),
                    }
                    for f in self.features
                ],
                "time_zone": self.time_zone,
                "classes": list(self.classes),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> FeatureEncoding:
        """Read an encoding back; the inverse of `to_json`."""
        content = json.loads(text)
        return cls(
            features=tuple(
                EncodedFeature(
                    name=f["name"],
                    kind=f["kind"],
                    categories=tuple(f["categories"]),
                    parts=tuple(f["parts"]),
                )
                for f in content["features"]
            ),
            time_zone=content["time_zone"],
            classes=tuple(content["classes"]),
        )


def learn_encoding(
    specification: Specification,
    frames: Iterable[pl.DataFrame],
    *,
    min_rows: int = MIN_CATEGORY_ROWS,
) -> FeatureEncoding:
    """Learn categories and classes from training rows, chunk by chunk.

    Parameters
    ----------
    frames : iterable of polars.DataFrame
        The training rows with the categorical features and, for classes, the target.
    min_rows : int
        Rows that a category needs.
    """
    categorical = [f.name for f in specification.features if f.kind == "categorical"]
    counted = (
        categorical
        if specification.task == "regression"
        else [
            *categorical,
            specification.target,
        ]
    )
    counts: dict[str, Counter[str]] = {name: Counter() for name in counted}
    for frame in frames:
        for name in counted:
            counts[name].update(_count(frame[name]))
    classes = counts.pop(specification.target, Counter())
    return FeatureEncoding(
        features=tuple(_describe(f, counts.get(f.name), min_rows) for f in specification.features),
        time_zone=specification.time_zone,
        classes=tuple(sorted(classes)),
    )


def _count(series: pl.Series) -> Mapping[str, int]:
    import polars as pl

    text = series.drop_nulls().cast(pl.String)
    found = text.value_counts()
    return dict(zip(found[:, 0].to_list(), found[:, 1].to_list(), strict=True))


def _describe(feature: Feature, counts: Mapping[str, int] | None, min_rows: int) -> EncodedFeature:
    return EncodedFeature(
        name=feature.name,
        kind=feature.kind,
        categories=() if counts is None else keep_categories(counts, min_rows),
        parts=feature.parts,
    )


def keep_categories(counts: Mapping[str, int], min_rows: int) -> tuple[str, ...]:
    """Choose the categories a model knows, sorted.

    Examples
    --------
    >>> keep_categories({"b": 9, "a": 5, "c": 1}, min_rows=5)
    ('a', 'b')
    """
    frequent = [name for name, n_rows in counts.items() if n_rows >= min_rows]
    frequent.sort(key=lambda name: (-counts[name], name))
    return tuple(sorted(frequent[:MAX_CATEGORIES]))


def _encode_feature(
    feature: EncodedFeature, series: pl.Series, time_zone: str
) -> Sequence[pl.Series]:
    """Give the matrix columns of one feature as float64 series without nulls."""
    import polars as pl

    if feature.kind == "categorical":
        known = pl.Enum(list(feature.categories))
        return [_full(series.cast(pl.String).cast(known, strict=False).to_physical())]
    if feature.kind == "datetime":
        local = _local_time(feature.name, series, time_zone)
        return [_full(getattr(local.dt, _PARTS[part])()) for part in feature.parts]
    if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        raise _wrong_kind(feature, series)
    return [_full(series)]


def _full(series: pl.Series) -> pl.Series:
    """Give float64 with NaN instead of null."""
    import polars as pl

    return series.cast(pl.Float64).fill_null(float("nan"))


def _local_time(name: str, series: pl.Series, time_zone: str) -> pl.Series:
    """Give timestamps on the model's own clock."""
    import polars as pl

    if series.dtype == pl.Null:
        return series.cast(pl.Datetime("us", time_zone))
    if not isinstance(series.dtype, pl.Datetime):
        raise _wrong_kind(EncodedFeature(name, "datetime"), series)
    if series.dtype.time_zone is None:
        return series
    return series.dt.convert_time_zone(time_zone)


def _wrong_kind(feature: EncodedFeature, series: pl.Series) -> IncompatibleModelError:
    return IncompatibleModelError(
        f"Column {feature.name!r} should be {feature.kind}, but the rows hold {series.dtype}. "
        "Convert it, or change the feature's kind in the model file and retrain."
    )


def compact_categories(
    encoding: FeatureEncoding, column_counts: Mapping[int, Any], class_counts: Any | None
) -> tuple[FeatureEncoding, dict[int, Matrix]]:
    """Drop categories and classes that the rows of one fit do not hold.

    Parameters
    ----------
    column_counts : mapping of int to ndarray
        For each categorical matrix column how often each code occurs in the fit's rows.
    class_counts : ndarray or None
        How often each class occurs in the fit's rows.

    Returns
    -------
    encoding : FeatureEncoding
        What `learn_encoding` would have given for these rows alone.
    recoding : dict of int to ndarray
        New code by old code for each changed matrix column; NaN for dropped categories.
    """
    features, recoding, column = [], {}, 0
    for feature in encoding.features:
        if feature.kind == "categorical":
            counts = dict(zip(feature.categories, column_counts[column].tolist(), strict=True))
            kept = keep_categories(counts, MIN_CATEGORY_ROWS)
            if kept != feature.categories:
                place = {name: float(code) for code, name in enumerate(kept)}
                recoding[column] = np.array(
                    [place.get(name, float("nan")) for name in feature.categories]
                )
            feature = EncodedFeature(feature.name, feature.kind, kept)
        features.append(feature)
        column += max(1, len(feature.parts))
    classes = encoding.classes
    if class_counts is not None:
        classes = tuple(label for label, n in zip(classes, class_counts, strict=True) if n > 0)
    return FeatureEncoding(tuple(features), encoding.time_zone, classes), recoding
