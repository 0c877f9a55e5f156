"""Validation: the rows of a file, chunk by chunk, become typed rows or bad rows with reasons.

Three validators share one way of reading: `RowValidator` for rows that train and are predicted,
`LabelValidator` for labels that come later, `InputValidator` for rows that are only predicted.
All issues are collected; an exception is raised only if the columns themselves do not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import polars as pl

from iris_ct.core.dataset import issues
from iris_ct.core.dataset.batch import KEY, POSITION, ROW
from iris_ct.core.dataset.columns import (
    Reading,
    can_be_category,
    can_be_number,
    read_booleans,
    read_categories,
    read_numbers,
)
from iris_ct.core.dataset.issues import Code, IssueTally, ValidationReport
from iris_ct.core.dataset.keys import place_keys, read_keys
from iris_ct.core.dataset.parting import (
    PLACE,
    RAGGED,
    REASONS,
    Parts,
    ValidatedChunk,
    ragged_rows,
)
from iris_ct.core.dataset.schema import COLUMNS_OF_THE_PRODUCT, check_columns, target_type
from iris_ct.core.dataset.times import can_be_time, read_times
from iris_ct.core.span import span_length
from iris_ct.core.specification import Feature, Specification

__all__ = [
    "PLACE",
    "RAGGED",
    "REASONS",
    "InputValidator",
    "LabelValidator",
    "RowValidator",
    "ValidatedChunk",
    "stored_rows",
]

KnownKeys = Callable[[pl.Series], pl.Series]


class _Validator:
    """What the three validators share; owned by one caller, used by one thread."""

    def __init__(
        self,
        specification: Specification,
        required: Sequence[str],
        *,
        classes: Sequence[str] = (),
    ) -> None:
        self.specification = specification
        self._classes = tuple(classes)
        self.required = tuple(dict.fromkeys(required))
        self._tally = IssueTally()
        self._filled: dict[str, bool] = {}
        self._schema_seen: pl.Schema | None = None

    def check_columns(self, schema: pl.Schema, *, source: str) -> None:
        """Check the columns of a file before its first row.

        Raises
        ------
        SchemaMismatchError
            If columns are missing or hold types that cannot be read as declared.
        """
        self._schema_seen = schema
        spec = self.specification
        fits = dict.fromkeys(self.required, can_be_category)
        for feature in spec.features:
            if feature.name in fits:
                fits[feature.name] = {"numeric": can_be_number, "datetime": can_be_time}.get(
                    feature.kind, can_be_category
                )
        if spec.event_time in fits:
            fits[spec.event_time] = can_be_time
        if spec.target in schema and spec.task == "regression":
            fits[spec.target] = can_be_number
        check_columns(schema, spec, required=self.required, fits=fits, source=source)
        used = {*self.required, spec.target, *spec.input_columns, *COLUMNS_OF_THE_PRODUCT}
        for name in schema:
            if name not in used:
                self._tally.note(issues.EXTRA_COLUMN, name)

    def validate(self, chunk: pl.DataFrame, *, first_place: int) -> ValidatedChunk:
        """Read the rows of one chunk and part them.

        Parameters
        ----------
        chunk : DataFrame of n rows
            All columns of the file, as text or in the file's own types.
        first_place : int
            Number of the chunk's first row in its file, from 1.
        """
        parts = self._look(chunk, first_place)
        good = parts.good()
        target = self.specification.target
        if target in good.columns:
            self._tally.n_labelled += good.height - good[target].null_count()
        for feature in self.specification.features:
            if feature.name in good.columns and not self._filled.get(feature.name):
                self._filled[feature.name] = good[feature.name].null_count() < good.height
        return ValidatedChunk(good, parts.bad(keep=self.required))

    def hold(self, chunk: pl.DataFrame, *, first_place: int) -> pl.DataFrame:
        """Give every row of a chunk as bad rows are given, the good ones without a reason.

        For a batch that is quarantined as a whole.
        """
        return self._look(chunk, first_place).bad(keep=self.required, every_row=True)

    def report(self) -> ValidationReport:
        """Give the report over all chunks so far."""
        for name, filled in self._filled.items():
            if not filled and self._tally.n_rows > self._tally.n_bad:
                self._tally.note(issues.EMPTY_COLUMN, name)
        return self._tally.report(max_bad_share=self.specification.data.max_bad_share)

    def _read(self, parts: Parts) -> None:
        raise NotImplementedError

    def _look(self, chunk: pl.DataFrame, first_place: int) -> Parts:
        """Read a chunk and count what was found."""
        if self._schema_seen is None:
            self.check_columns(chunk.schema, source="The file")
        parts = Parts(chunk, first_place)
        self._read(parts)
        ragged = ragged_rows(chunk)
        if ragged is not None:
            # What stands in such a row is in the wrong columns: one reason is enough.
            parts.problems = {at: rows & ~ragged for at, rows in parts.problems.items()}
            parts.mark(issues.RAGGED_ROW, "", ragged)
        for (code, column), rows in parts.found.items():
            self._tally.count(code, column, rows, first_place=first_place)
        self._tally.n_rows += chunk.height
        self._tally.n_bad += int(parts.bad_rows.sum())
        return parts

    def _read_features(self, parts: Parts) -> None:
        """Read every declared feature and hold it against its rules."""
        features = self.specification.features
        numeric = [f.name for f in features if f.kind == "numeric"]
        # One select for all numbers: the library converts them side by side.
        quick = parts.frame.select(pl.col(numeric).cast(pl.Float64, strict=False))
        for feature in features:
            given = parts.frame[feature.name]
            if feature.kind == "numeric":
                reading = read_numbers(given, quick[feature.name])
            elif feature.kind == "boolean":
                reading = read_booleans(given)
            elif feature.kind == "datetime":
                reading = read_times(given, time_zone=self.specification.time_zone)
            else:
                reading = read_categories(given)
            self._keep(parts, feature.name, reading)
            _check_rules(parts, feature, reading)

    def _keep(self, parts: Parts, column: str, reading: Reading) -> None:
        parts.columns[column] = reading.values
        for code, rows in reading.failures:
            parts.mark(code, column, rows)

    def _keep_present(
        self, parts: Parts, reading: Reading, name: str, missing: Code, column: str
    ) -> None:
        """Keep texts that no row may lack, and name the columns where one does."""
        parts.columns[name] = reading.values
        if not reading.values.has_nulls():
            return
        parts.mark(missing, column, reading.values.is_null() & ~reading.failed)
        for code, rows in reading.failures:
            parts.mark(code, column, rows)

    def _read_key(self, parts: Parts) -> None:
        reading = read_keys(parts.frame, self.specification)
        self._keep_present(
            parts, reading, KEY, issues.MISSING_KEY, ",".join(self.specification.key)
        )

    def _read_target(self, parts: Parts) -> None:
        name = self.specification.target
        if name not in parts.frame.columns:
            self._tally.note(issues.TARGET_ABSENT, name)
            empty = pl.Series(name, [None], dtype=target_type(self.specification))
            parts.columns[name] = empty.new_from_index(0, parts.frame.height)
            return
        given = parts.frame[name]
        if self.specification.task != "regression":
            categories = read_categories(given)
            self._keep(parts, name, categories)
            said = categories.values
            if self._classes:
                parts.mark(
                    issues.BAD_TARGET, name, ~said.is_in(self._classes).fill_null(value=True)
                )
            return
        reading = read_numbers(given)
        parts.columns[name] = reading.values
        if reading.failures:
            parts.mark(issues.BAD_TARGET, name, reading.failed)


class RowValidator(_Validator):
    """Rows as they arrive: key, event time, group, features, and the target if it is known.

    Parameters
    ----------
    specification : Specification
    known_keys : callable, optional
        Tells for keys (str series) whether a stored row has them (bool series); asked only if
        ``on_duplicate`` is ``reject``.
    classes : sequence of str
        The two classes of a binary target, once both are known; any other is bad then.
    now : datetime, optional
        Event times further ahead of it than ``data.max_ahead`` are bad; None: none is.
    """

    def __init__(
        self,
        specification: Specification,
        *,
        known_keys: KnownKeys | None = None,
        classes: Sequence[str] = (),
        now: datetime | None = None,
    ) -> None:
        super().__init__(specification, specification.input_columns, classes=classes)
        self._known_keys = known_keys
        self._latest = _latest_time(specification, now)
        # Only for on_duplicate = reject: eight bytes for each row of the file.
        self._keys_seen = pl.Series(dtype=pl.UInt64)

    def _read(self, parts: Parts) -> None:
        group = self.specification.group
        self._read_position(parts)
        if self.specification.key:
            self._read_key(parts)
            self._refuse_duplicates(parts)
        if group is not None:
            reading = read_categories(parts.frame[group])
            self._keep_present(parts, reading, group, issues.MISSING_GROUP, group)
        self._read_features(parts)
        self._read_target(parts)

    def _read_position(self, parts: Parts) -> None:
        """Read the event time as microseconds since 1970, UTC."""
        column = self.specification.event_time
        if column is None:
            return
        reading = read_times(parts.frame[column], time_zone=self.specification.time_zone)
        for code, rows in reading.failures:
            parts.mark(code, column, rows)
        if reading.values.has_nulls():
            parts.mark(issues.MISSING_TIME, column, reading.values.is_null() & ~reading.failed)
        if self._latest is not None:
            ahead = (reading.values > self._latest).fill_null(value=False)
            parts.mark(issues.TIME_IN_FUTURE, column, ahead)
        parts.columns[POSITION] = reading.values.to_physical()

    def _refuse_duplicates(self, parts: Parts) -> None:
        if self.specification.on_duplicate != "reject":
            return
        keys, column = parts.columns[KEY], ",".join(self.specification.key)
        present = keys.is_not_null()
        hashes = keys.hash(seed=0)
        again = ~keys.is_first_distinct() | hashes.is_in(self._keys_seen.implode())
        parts.mark(issues.DUPLICATE_KEY, column, again & present)
        self._keys_seen = self._keys_seen.append(hashes.filter(present & ~again))
        if self._known_keys is not None:
            known = self._known_keys(keys.fill_null("")) & present
            parts.mark(issues.KNOWN_KEY, column, known)


class LabelValidator(_Validator):
    """Labels that come later: key columns and the target.

    The labels of a model without key columns name their rows in a column ``_key``, as
    `RowValidator`'s callers made it: ``<batch id>:<place>``.
    """

    def __init__(self, specification: Specification, *, classes: Sequence[str] = ()) -> None:
        self._key_columns = specification.key or (KEY,)
        required = (*self._key_columns, specification.target)
        super().__init__(specification, required, classes=classes)

    def _read(self, parts: Parts) -> None:
        if self.specification.key:
            self._read_key(parts)
        else:
            reading = read_categories(parts.frame[KEY])
            self._keep_present(parts, reading, KEY, issues.MISSING_KEY, KEY)
        self._read_target(parts)
        target = self.specification.target
        missing = parts.columns[target].is_null()
        for code in (issues.BAD_TARGET, issues.NUL_CHARACTER):
            if (unreadable := parts.problems.get((code, target))) is not None:
                missing = missing & ~unreadable
        parts.mark(issues.MISSING_TARGET, target, missing)


class InputValidator(_Validator):
    """Rows that are only predicted: features, and the key columns if the model has any."""

    def __init__(self, specification: Specification) -> None:
        super().__init__(specification, (*specification.key, *specification.feature_names))

    def _read(self, parts: Parts) -> None:
        if self.specification.key:
            self._read_key(parts)
        self._read_features(parts)


def stored_rows(
    good: pl.DataFrame, specification: Specification, *, batch_id: str, first_row: int
) -> pl.DataFrame:
    """Give validated rows the columns they are stored with.

    Parameters
    ----------
    good : DataFrame of n rows
        `ValidatedChunk.good` of a `RowValidator`.
    first_row : int
        Arrival ordinal of the chunk's first good row.

    Returns
    -------
    DataFrame
        ``_row``, ``_position`` (the ordinal where the model has no event time), ``_key``
        (``<batch id>:<place>`` without key columns), group, features, target.
    """
    rows = pl.int_range(first_row, first_row + good.height, dtype=pl.Int64, eager=True).alias(ROW)
    position = good[POSITION] if specification.event_time else rows.alias(POSITION)
    keys = good[KEY] if specification.key else place_keys(batch_id, good[PLACE])
    rest = good.drop(PLACE, POSITION, KEY, strict=False)
    return pl.DataFrame([rows, position, keys, *rest.get_columns()])


def _latest_time(specification: Specification, now: datetime | None) -> datetime | None:
    """Give the latest event time that is not ahead of the clock for no good reason."""
    if now is None or specification.max_ahead is None:
        return None
    return now + timedelta(microseconds=span_length(specification.max_ahead))


def _check_rules(parts: Parts, feature: Feature, reading: Reading) -> None:
    values, name = reading.values, feature.name
    if not feature.nullable and values.has_nulls():
        parts.mark(issues.MISSING_VALUE, name, values.is_null() & ~reading.failed)
    if feature.min is not None:
        parts.mark(issues.BELOW_MINIMUM, name, (values < feature.min).fill_null(value=False))
    if feature.max is not None:
        parts.mark(issues.ABOVE_MAXIMUM, name, (values > feature.max).fill_null(value=False))
    if feature.allowed is not None:
        allowed = values.is_in(list(feature.allowed))
        parts.mark(issues.NOT_ALLOWED, name, (~allowed).fill_null(value=False))
