"""The encoded rows of one training, in order of event position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.dataset.split import JUDGE, TRAIN, VALIDATE
from iris_ct.core.training.encoding import FeatureEncoding

Rows = NDArray[np.intp]

# Rows that are recoded or predicted at once: about 100 MB at 200 columns.
CHUNK_ROWS = 65_536


@dataclass
class TrainingTable:
    """Encoded rows; the matrix may be a memory-mapped file.

    Attributes
    ----------
    encoding : FeatureEncoding
        The one the matrix is encoded with.
    matrix : ndarray of shape (n_rows, n_columns)
        Float64, C-contiguous, writable.
    target : ndarray of shape (n_rows,)
        Float64: the value, or the class's place in ``encoding.classes``; -1 for a class that
        no training row has.
    positions, row_numbers : ndarray of shape (n_rows,)
        Int64: event positions, ascending, and arrival ordinals.
    roles : ndarray of shape (n_rows,)
        Int8, see `iris_ct.core.dataset.split`.
    """

    encoding: FeatureEncoding
    matrix: NDArray[np.float64]
    target: NDArray[np.float64]
    positions: NDArray[np.int64]
    row_numbers: NDArray[np.int64]
    roles: NDArray[np.int8]

    def having(self, *roles: int) -> NDArray[np.bool_]:
        """Mark the rows with one of these roles."""
        marked: NDArray[np.bool_] = np.isin(self.roles, roles)
        return marked

    @property
    def judges(self) -> Rows:
        """Indices of the rows that judge."""
        return np.flatnonzero(self.roles == JUDGE)

    @property
    def block(self) -> Rows:
        """Indices of the rows on which windows are compared."""
        return np.flatnonzero(self.roles == VALIDATE)

    @property
    def before_block(self) -> NDArray[np.bool_]:
        """Mark the rows that train while windows are compared."""
        return self.having(TRAIN)

    def take(self, rows: Rows) -> NDArray[np.float64]:
        """Give matrix rows: a view if they are neighbours, else a copy."""
        run = as_run(rows)
        return self.matrix[run] if run is not None else self.matrix[rows]

    def labels(self, rows: Rows) -> NDArray[np.str_]:
        """Give the class labels of rows; empty text for a class that no training row has."""
        names = np.array([*self.encoding.classes, ""])
        result: NDArray[np.str_] = names[self.target[rows].astype(np.intp)]
        return result

    def truth(self, rows: Rows) -> NDArray[np.float64] | NDArray[np.str_]:
        """Give the target as losses want it: numbers, or class labels."""
        return self.labels(rows) if self.encoding.classes else self.target[rows]

    def recode(self, encoding: FeatureEncoding, recoding: dict[int, NDArray[np.float64]]) -> None:
        """Change the table to a narrower encoding, in place."""
        for first in range(0, len(self.matrix) if recoding else 0, CHUNK_ROWS):
            part = self.matrix[first : first + CHUNK_ROWS]
            for column, codes in recoding.items():
                old = part[:, column]
                known = ~np.isnan(old)
                old[known] = codes[old[known].astype(np.intp)]
        if encoding.classes != self.encoding.classes:
            place = {label: float(code) for code, label in enumerate(encoding.classes)}
            codes = np.array([*(place.get(c, -1.0) for c in self.encoding.classes), -1.0])
            self.target = codes[self.target.astype(np.intp)]
        self.encoding = encoding


def as_run(rows: Rows) -> slice | None:
    """Give ascending row indices as a slice if they are neighbours."""
    if rows.size and int(rows[-1]) - int(rows[0]) + 1 == rows.size:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return None
