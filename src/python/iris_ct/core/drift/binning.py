"""Exact and fast binning: a float becomes a 16-bit key that keeps order, a key becomes a code.

A value, as its distance from the feature's centre, is rounded to a 32-bit float, and the upper
half of its bits (sign, exponent, 7 bits of mantissa) is its place. Equal values have equal places, a larger
value never has a smaller place, and every float has one, so a bin is a table look-up rather than
a binary search: about a tenth of its cost, and no value falls outside the table. Steps are 0.8 %
of the distance from the centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.intp]

N_KEYS = 1 << 16
_HALF = N_KEYS // 2
# Bits of positive infinity; the places above it, and above its negative twin, are NaN.
_INFINITY = 0x7F80


def places(values: Floats) -> npt.NDArray[np.uint32]:
    """Give the upper half of the bits of values as 32-bit floats.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN is missing, infinities are welcome; -0.0 is not 0.0, so leave it out.

    Returns
    -------
    ndarray of shape (n,)
        0 .. 65535; not in the order of the values, see `keys_of`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(np.float32)
    return narrow.view(np.uint32) >> np.uint32(16)


def keys_of(place: npt.NDArray[np.integer[Any]]) -> Codes:
    """Order places as their values are ordered: larger values have larger keys."""
    place = place.astype(np.intp)
    return np.where(place >= _HALF, N_KEYS - 1 - place, place + _HALF)


def keys(values: Floats) -> Codes:
    """Give the ordered keys of values without NaN.

    Examples
    --------
    >>> k = keys(np.array([-np.inf, -2.0, 0.0, 1e-9, 2.0, 1e300]))
    >>> bool(np.all(np.diff(k) > 0))
    True
    """
    return keys_of(places(values))


def code_table(starts: Codes) -> Codes:
    """Make the look-up table from places to codes.

    Parameters
    ----------
    starts : ndarray of shape (n_edges,)
        Rising keys; code ``i + 1`` begins at ``starts[i]``, code 0 lies below the first.

    Returns
    -------
    ndarray of shape (65536,)
        Codes 0 .. n_edges, and ``n_edges + 1`` for NaN.
    """
    place = np.arange(N_KEYS)
    table = np.searchsorted(starts, keys_of(place), side="right")
    table[(place & (_HALF - 1)) > _INFINITY] = len(starts) + 1
    return table.astype(np.intp)


class NameCodes:
    """Codes of category names: their place in a known list, then "other", then missing.

    Names are found by the 64-bit hash that Polars gives them in this process; the hash itself
    is never kept, so results do not depend on its version. Used by one thread at a time.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.n_names = len(names)
        hashes = pl.Series(names, dtype=pl.String).hash().to_numpy()
        self._shift, leading = _leading_bits(hashes)
        size = 1 << (64 - int(self._shift))
        # By leading bits: the one hash that may match, and the code if it does.
        self._hashes = np.zeros(size, dtype=np.uint64)
        self._codes = np.full(size, self.n_names, dtype=np.intp)
        self._hashes[leading] = hashes
        self._codes[leading] = np.arange(len(names))

    def codes(self, values: pl.Series) -> Codes:
        """Give the code of each value; ``n_names`` is "other", ``n_names + 1`` is missing."""
        text = values if values.dtype == pl.String else values.cast(pl.String)
        hashes = text.hash().to_numpy()
        leading = hashes >> self._shift
        codes = np.take(self._codes, leading, mode="clip")
        unknown = np.take(self._hashes, leading, mode="clip") != hashes
        if unknown.any():
            codes[unknown] = self.n_names
        if text.null_count():
            codes[text.is_null().to_numpy()] = self.n_names + 1
        return codes


def _leading_bits(hashes: npt.NDArray[np.uint64]) -> tuple[np.uint64, Codes]:
    """Find how many leading bits tell some hundred hashes apart: a right shift, and the bits."""
    for bits in range(8, 25):
        shift = np.uint64(64 - bits)
        leading = (hashes >> shift).astype(np.intp)
        if len(np.unique(leading)) == len(hashes):
            return shift, leading
    raise ValueError(
        f"{len(hashes)} category names cannot be told apart by 24 bits of their hashes; "
        "expected different names, each once"
    )
