"""Rows to score and what came out, apart from the protocol they travelled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import DataError

# A refusal names the first few; whoever sent them can find the others alike.
TOLD_REFUSALS = 20


class Inputs(msgspec.Struct, frozen=True):
    """Rows to score: exactly one of ``rows``, ``matrix`` and ``columns``.

    A cell is a number, a text, a bool or None (missing). It means what it says when it is
    written down: 1, 1.0 and "1" are the same category, "1.5" is a number.

    Attributes
    ----------
    names : tuple of str or None
        Names of the cells of a row, in any order; features that are not named are missing.
        None: the features in their declared order.
    rows : sequence of n sequences or None
        Cells, row by row.
    matrix : ndarray of shape (n, k) or None
        Numbers; NaN is missing.
    columns : mapping or None
        For each name its n cells, as a sequence or an array of one dimension.
    """

    names: tuple[str, ...] | None = None
    rows: Sequence[Sequence[Any]] | None = None
    matrix: NDArray[np.float64] | None = None
    columns: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None


class Outputs(msgspec.Struct, frozen=True):
    """What a model says about n rows, in their order.

    Attributes
    ----------
    prediction : ndarray of shape (n,), or list of n str
        Numbers in the unit of the target, or labels.
    probabilities : ndarray of shape (n, len(classes)) or None
        Of each class; None for regression.
    classes : tuple of str
        Labels in the order of the probabilities; empty for regression.
    keys : list of n str or None
        Keys of the rows as the store spells them; None where none was given.
    """

    prediction: NDArray[np.float64] | list[str]
    probabilities: NDArray[np.float64] | None = None
    classes: tuple[str, ...] = ()
    keys: list[str | None] | None = None


class RowsRefusedError(DataError):
    """Rows that the model does not take; none of the request was scored.

    Attributes
    ----------
    refusals : tuple of (int, str, str)
        Row number from 1, column and reason code of the first `TOLD_REFUSALS` reasons.
    """

    def __init__(self, message: str, refusals: tuple[tuple[int, str, str], ...] = ()) -> None:
        super().__init__(message, refusals)
        self.refusals = tuple(tuple(refusal) for refusal in refusals)

    def __str__(self) -> str:
        """Give the message alone."""
        return str(self.args[0])
