"""Exact and fast binning: a float becomes a 16-bit key that keeps order, a key becomes a code.

A value is shifted by the feature's centre, rounded to a 32-bit float, and the upper half of its
bits (sign, exponent, 7 bits of mantissa) is its place. Equal values have equal places, a larger
value never has a smaller place, and every float has one, so a bin is a table look-up rather than
a binary search: about a tenth of its cost, and no value falls outside the table. Steps are 0.8 %
of the distance from the centre.
"""

from __future__ import annotations

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


def places(values: Floats) -> Codes:
    """Give the upper half of the bits of centred values as 32-bit floats.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Values minus the centre; NaN is missing, infinities are welcome.

    Returns
    -------
    ndarray of shape (n,)
        0 .. 65535; not in the order of the values, see `keys_of`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(np.float32)
    return (narrow.view(np.uint32) >> np.uint32(16)).astype(np.intp)


def keys_of(place: Codes) -> Codes:
    """Order places as their values are ordered: larger values have larger keys."""
    negative = place >= _HALF
    return np.where(negative, N_KEYS - 1 - place, place + _HALF)


def keys(values: Floats) -> Codes:
    """Give the ordered keys of centred values without NaN.

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
        self._order = np.argsort(hashes)
        self._hashes = hashes[self._order]
        self._shift, self._table = _hash_table(self._hashes)

    def codes(self, values: pl.Series) -> Codes:
        """Give the code of each value; ``n_names`` is "other", ``n_names + 1`` is missing."""
        text = values if values.dtype == pl.String else values.cast(pl.String)
        codes: Codes = np.full(len(text), self.n_names, dtype=np.intp)
        if self.n_names:
            hashes = text.hash().to_numpy()
            guess = self._table[(hashes >> self._shift).astype(np.intp)]
            known = self._hashes[guess] == hashes
            np.copyto(codes, self._order[guess], where=known)
        if text.null_count():
            codes[text.is_null().to_numpy()] = self.n_names + 1
        return codes


def _hash_table(hashes: npt.NDArray[np.uint64]) -> tuple[np.uint64, Codes]:
    """Index sorted hashes by as many of their leading bits as tell them apart, from 8 to 24."""
    for bits in range(8, 25):
        shift = np.uint64(64 - bits)
        leading = (hashes >> shift).astype(np.intp)
        if len(np.unique(leading)) == len(hashes):
            break
    else:  # two of a few hundred hashes share 24 leading bits: look further is all it takes
        raise ValueError(
            f"{len(hashes)} category names cannot be told apart by 24 bits of their hashes; "
            "expected different names, each once"
        )
    table = np.zeros(1 << bits, dtype=np.intp)
    table[leading] = np.arange(len(hashes))
    return shift, table
