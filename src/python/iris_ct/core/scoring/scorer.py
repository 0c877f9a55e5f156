"""Scoring rows as they come from a protocol: quick for what is usual, careful for the rest.

Both ways give the same numbers to the last bit; a property test holds them against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import DataError, IncompatibleModelError
from iris_ct.core.scoring.checked import CheckedReader
from iris_ct.core.scoring.inputs import Inputs, Outputs, RowsRefusedError
from iris_ct.core.scoring.reader import BatchReader, Cells, KeyReader, RowReader, UnsureError
from iris_ct.core.scoring.signature import Signature
from iris_ct.core.scoring.text import TextReader
from iris_ct.core.training.native import NativeBooster

Keys = list[str | None] | None

_MANY_ROWS = 64

BASE = "(base)"
"""Name of the contribution that does not depend on the row: the expected raw score."""


class Scorer:
    """One version of a model, ready to answer; immutable, usable from any thread.

    Parameters
    ----------
    model : str or NativeBooster
        LightGBM's native text, or the model loaded from it.
    signature : Signature
        What the version takes and gives.
    threads : int
        Threads of one call for many rows; a few rows always use one.

    Raises
    ------
    IncompatibleModelError
        If model and signature do not belong together.
    """

    def __init__(
        self, model: str | NativeBooster, signature: Signature, *, threads: int = 1
    ) -> None:
        self.signature = signature
        self.threads = threads
        self._booster = NativeBooster(model) if isinstance(model, str) else model
        _check(self._booster, signature)
        self._row = RowReader(signature)
        self._batch = BatchReader(signature)
        self._key = KeyReader(signature)
        self._careful = CheckedReader(signature)
        self._names = frozenset(signature.names)
        self._keys_are_features = self._key.is_given(self._names)
        self._known = signature.known
        self._text = TextReader(signature.names)
        self._answer = _answers(signature)
        self._gives_numbers = signature.task == "regression" and not self._keys_are_features

    def score_row(self, values: Mapping[str, Any]) -> Outputs:
        """Score one row whose cells are named.

        Parameters
        ----------
        values : mapping
            Numbers, texts, bools or None by feature, perhaps with the key columns; features that
            are not named are missing.

        Raises
        ------
        DataError
            If a name means nothing here.
        RowsRefusedError
            If the row is not as the specification declares it.
        """
        row = self._booster.row()
        keys: Keys = None
        keyed = False
        if values.keys() != self._names:
            self._check_names(values)
            keyed = self._key.is_given(values)
        elif self._keys_are_features:
            keyed = True
        try:
            if keyed:
                keys = self._key_of(values)
            self._row.read_named(values, row.fill)
        except UnsureError:
            cells = {name: [cell] for name, cell in values.items()}
            matrix, keys = self._careful.read(cells, 1, keyed=keyed)
            row.fill(*matrix[0])
        return self._answer(row.predict(), keys)

    def number_of(self, text: str) -> float | None:
        """Predict one row out of the text of a JSON object, if it is as usual.

        Returns
        -------
        float or None
            The prediction of `score_row`. None if the model gives classes, if the text does not
            name every feature once and nothing else, or if the row is for the careful way, which
            may take or refuse it.
        """
        if not self._gives_numbers:
            return None
        row = self._booster.row()
        try:
            self._row.read(self._text.read(text), row.fill)
        except UnsureError:
            return None
        return row.predict().item()

    def score(self, inputs: Inputs) -> Outputs:
        """Score rows; all of them, or none if one is refused.

        Raises
        ------
        DataError
            If names mean nothing here, or rows have another number of cells.
        RowsRefusedError
            If a row is not as the specification declares it.
        """
        rows = inputs.rows
        if rows is not None and len(rows) == 1:
            alone = self._score_alone(inputs.names, rows[0])
            if alone is not None:
                return alone
        matrix, keys = self._read(inputs)
        # To wake threads takes longer than a few rows.
        threads = self.threads if len(matrix) >= _MANY_ROWS else 1
        return self._answer(self._booster.predict(matrix, threads=threads), keys)

    def contributions(self, inputs: Inputs) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Share out each row's raw score over the features.

        Returns
        -------
        names : tuple of str
            The features, and `BASE` at the end.
        contributions : ndarray of shape (n, n_features + 1)
            Those of a time's parts are summed. A row's sum is the prediction for regression, the
            logit of the positive class for two classes. With more classes the shape is
            (n, n_classes, n_features + 1), and the softmax of the sums gives the probabilities.
        """
        matrix, _ = self._read(inputs)
        shares = self._booster.contributions(matrix, threads=self.threads)
        widths = [len(column.parts) or 1 for column in self.signature.columns]
        starts = np.cumsum([0, *widths])
        result = np.add.reduceat(shares, starts, axis=2)
        return (*self.signature.names, BASE), result[:, 0] if shares.shape[1] == 1 else result

    def _score_alone(self, names: tuple[str, ...] | None, cells: Sequence[Any]) -> Outputs | None:
        """Score one row the quick way; None if it is for the careful way."""
        row = self._booster.row()
        keys: Keys = None
        try:
            if names is None or names == self._row.names:
                if len(cells) != len(self._row.names):
                    return None
                if self._keys_are_features:
                    keys = self._key_of(dict(zip(self._row.names, cells, strict=True)))
                self._row.read(cells, row.fill)
            elif len(cells) == len(names) == len(set(names)) and self._known.issuperset(names):
                values = dict(zip(names, cells, strict=True))
                if self._key.is_given(values):
                    keys = self._key_of(values)
                self._row.read_named(values, row.fill)
            else:
                return None
        except UnsureError:
            return None
        return self._answer(row.predict(), keys)

    def _key_of(self, values: Mapping[str, Any]) -> Keys:
        return [self._key.read([values.get(name) for name in self._key.columns])]

    def _read(self, inputs: Inputs) -> tuple[NDArray[np.float64], Keys]:
        """Read rows the quick way if that is sure, else the careful way."""
        names = self._names_of(inputs)
        keyed = self._key.is_given(frozenset(names))
        try:
            if names == self._row.names and not keyed:
                if inputs.rows is not None:
                    return self._batch.read_rows(inputs.rows), None
                if inputs.matrix is not None:
                    return self._batch.read_matrix(inputs.matrix), None
            columns, n_rows = _columns(inputs, names)
            matrix = self._batch.read_columns([columns.get(n) for n in self._row.names], n_rows)
            return matrix, self._keys(columns, n_rows) if keyed else None
        except UnsureError:
            columns, n_rows = _columns(inputs, names)
            cells = {name: _as_list(said) for name, said in columns.items()}
            return self._careful.read(cells, n_rows, keyed=keyed)

    def _keys(self, columns: Mapping[str, Cells], n_rows: int) -> Keys:
        cells = [_as_list(columns.get(name, [None] * n_rows)) for name in self._key.columns]
        return [self._key.read(parts) for parts in zip(*cells, strict=True)]

    def _names_of(self, inputs: Inputs) -> tuple[str, ...]:
        given = [said for said in (inputs.rows, inputs.matrix, inputs.columns) if said is not None]
        if len(given) != 1:
            raise DataError(
                f"Rows were given in {len(given)} forms; expected one of rows, matrix, columns."
            )
        if inputs.columns is not None:
            names = tuple(inputs.columns)
        else:
            names = self._row.names if inputs.names is None else tuple(inputs.names)
        if names != self._row.names:
            self._check_names(names)
            if len(set(names)) < len(names):
                raise DataError("The row names a feature twice. Say each one once.")
        return names

    def _check_names(self, names: Sequence[str] | Any) -> None:
        """Refuse names that mean nothing here: most often one that is misspelt."""
        if self._known.issuperset(names):
            return
        unknown = sorted(set(names) - self._known)
        raise DataError(
            f"'{self.signature.model}' has no feature {', '.join(unknown)}. "
            f"It has: {', '.join(self._row.names)}. Missing ones count as null."
        )


def _columns(inputs: Inputs, names: tuple[str, ...]) -> tuple[dict[str, Cells], int]:
    """Give the cells of each name, and the number of rows.

    Raises
    ------
    DataError
        If rows or columns have not all the same number of cells.
    """
    if inputs.columns is not None:
        lengths = {len(cells) for cells in inputs.columns.values()}
        if len(lengths) > 1:
            raise DataError(
                "The columns have different numbers of cells: "
                f"{', '.join(map(str, sorted(lengths)))}. Give one for each row."
            )
        return dict(inputs.columns), next(iter(lengths), 0)
    if inputs.matrix is not None:
        if inputs.matrix.ndim != 2 or inputs.matrix.shape[1] != len(names):
            raise DataError(
                f"The array has the shape {inputs.matrix.shape}; expected (rows, {len(names)}): "
                f"{', '.join(names)}."
            )
        return dict(zip(names, inputs.matrix.T, strict=True)), len(inputs.matrix)
    rows: Sequence[Any] = [] if inputs.rows is None else inputs.rows
    for place, row in enumerate(rows, start=1):
        if not isinstance(row, Sequence | np.ndarray) or isinstance(row, str | bytes):
            found = "no list of cells"
        elif len(row) != len(names):
            found = f"{len(row)} cells"
        else:
            continue
        raise RowsRefusedError(
            f"Row {place} has {found}; expected {len(names)}: {', '.join(names)}.",
            ((place, "", "ragged_row"),),
        )
    if not rows:
        return dict.fromkeys(names, ()), 0
    return dict(zip(names, zip(*rows, strict=True), strict=True)), len(rows)


def _as_list(cells: Cells) -> list[Any]:
    listed: list[Any] = cells.tolist() if isinstance(cells, np.ndarray) else list(cells)
    return listed


def _answers(signature: Signature) -> Callable[[NDArray[np.float64], Keys], Outputs]:
    """Give what names a model's outputs: an array of n * n_outputs numbers that is not kept."""
    classes = signature.classes
    if signature.task == "regression":
        return lambda output, keys: Outputs(output.copy(), None, (), keys)
    if signature.task == "multiclass":
        labels = np.array(classes)

        def of_classes(output: NDArray[np.float64], keys: Keys) -> Outputs:
            probabilities = output.reshape(-1, len(classes)).copy()
            return Outputs(
                labels[probabilities.argmax(axis=1)].tolist(), probabilities, classes, keys
            )

        return of_classes
    positive = classes.index(str(signature.positive))
    binary = np.array([classes[1 - positive], classes[positive]])

    def of_two(output: NDArray[np.float64], keys: Keys) -> Outputs:
        probabilities = np.empty((len(output), 2), dtype=np.float64)
        probabilities[:, positive] = output
        probabilities[:, 1 - positive] = 1.0 - output
        return Outputs(
            binary[(output >= 0.5).astype(np.intp)].tolist(), probabilities, classes, keys
        )

    return of_two


def _check(booster: NativeBooster, signature: Signature) -> None:
    n_classes = {"regression": 0, "binary": 2}.get(signature.task, booster.n_outputs)
    if (
        len(signature.matrix_columns) != booster.n_columns
        or len(signature.classes) != n_classes
        or (signature.task == "binary" and signature.positive not in signature.classes)
    ):
        raise IncompatibleModelError(
            f"The model text of '{signature.model}' has {booster.n_columns} columns and "
            f"{booster.n_outputs} outputs; the signature has {len(signature.matrix_columns)} "
            f"columns and {len(signature.classes)} classes. Load both of one version."
        )
