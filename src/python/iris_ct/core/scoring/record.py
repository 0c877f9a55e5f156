"""What an answered request, or feedback on it, leaves behind for the log: values, no inputs."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

_FLOATS = np.dtype("<f8")
_packed = struct.Struct("<d").pack


class Predicted(Protocol):
    """What a model gave, as far as the log needs it; `core.scoring` has it as ``Outputs``."""

    @property
    def prediction(self) -> NDArray[np.float64] | Sequence[str]:
        """Numbers for regression, else class labels."""

    @property
    def probabilities(self) -> NDArray[np.float64] | None:
        """Shape (n, n_classes), in the order of `classes`."""

    @property
    def classes(self) -> Sequence[str]:
        """The class labels; none for regression."""

    @property
    def keys(self) -> Sequence[str | None] | None:
        """The rows' keys, None where none were said."""


class Record(msgspec.Struct, array_like=True, frozen=True, tag="p"):
    """The predictions of one request; its rows are numbered from 0 by their place.

    Attributes
    ----------
    puid : str
        Names the request: what its answer carries and feedback says again.
    service, branch : str
        Which service answered and which of its branches; both empty where none did, as for a
        prediction asked for in SQL or on the command line.
    model : str
        Name of the model.
    version : int
        Its version.
    at_us : int
        When it was predicted, microseconds since 1970 in UTC.
    keys : list of str or None
        Keys of the rows as the store spells them; None if the request said none.
    prediction : bytes or list of str
        Regression: float64 numbers, little endian. Else one label a row.
    probabilities : bytes
        Float64 numbers, little endian, row by row, ``classes`` of them a row; empty for
        regression.
    classes : list of str
        The class labels; empty for regression.
    shadow : bool
        Whether nobody was given this answer.
    once : bool
        Whether this request may have been recorded before, so that the log must look.
    """

    puid: str
    service: str
    branch: str
    model: str
    version: int
    at_us: int
    keys: list[str | None] | None
    prediction: bytes | list[str]
    probabilities: bytes = b""
    classes: list[str] = []
    shadow: bool = False
    once: bool = False

    @property
    def n_rows(self) -> int:
        """Number of predicted rows."""
        said = self.prediction
        return len(said) // _FLOATS.itemsize if isinstance(said, bytes) else len(said)

    def numbers(self) -> NDArray[np.float64]:
        """Give the predictions of a regression, shape (n_rows,)."""
        if not isinstance(self.prediction, bytes):
            raise TypeError(f"request {self.puid}: expected numbers, found labels")
        return np.frombuffer(self.prediction, _FLOATS)

    def shares(self) -> NDArray[np.float64]:
        """Give the probabilities, shape (n_rows, n_classes)."""
        return np.frombuffer(self.probabilities, _FLOATS).reshape(self.n_rows, -1)


class Truth(msgspec.Struct, array_like=True, frozen=True, tag="t"):
    """What was true of the rows of an answered request, as feedback says it.

    Attributes
    ----------
    puid : str
        The request that was answered.
    service, model : str
        Who had answered it.
    at_us : int
        When the feedback came, microseconds since 1970 in UTC.
    values : list of number, text, bool or None
        The target of each row, in the order of the request; None where it is not known.
    """

    puid: str
    service: str
    model: str
    at_us: int
    values: list[float | int | str | bool | None]


Entry = Record | Truth
"""What a journal holds."""


@dataclass(frozen=True)
class Segment:
    """One file of the queue.

    Attributes
    ----------
    name : str
        Unique for all times.
    size_bytes : int
        Its size when it was looked at.
    made_at_us : int
        When it was begun, microseconds since 1970 in UTC.
    """

    name: str
    size_bytes: int
    made_at_us: int


@dataclass(frozen=True)
class SegmentContent:
    """What a segment holds.

    Attributes
    ----------
    entries : list of Record or Truth
        All that are whole, in the order in which they were written.
    torn_bytes : int
        Bytes at its end that are no whole record: a write that broke off, never answered.
    damaged_bytes : int
        Bytes of records that were whole and are not what their checksum says.
    """

    entries: list[Entry]
    torn_bytes: int
    damaged_bytes: int

    @property
    def records(self) -> list[Record]:
        """The predictions among them."""
        return [entry for entry in self.entries if isinstance(entry, Record)]

    @property
    def truths(self) -> list[Truth]:
        """The truths among them."""
        return [entry for entry in self.entries if isinstance(entry, Truth)]


def record_of(
    outputs: Predicted,
    *,
    puid: str,
    model: str,
    version: int,
    at_us: int,
    service: str = "",
    branch: str = "",
    shadow: bool = False,
    once: bool = False,
) -> Record:
    """Keep what a model gave; see `Record` for the parameters.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> out = SimpleNamespace(
    ...     prediction=np.array([2.5]), probabilities=None, classes=(), keys=["k1"]
    ... )
    >>> kept = record_of(out, puid="a", model="m", version=1, at_us=0)
    >>> kept.n_rows, kept.numbers().tolist(), kept.keys
    (1, [2.5], ['k1'])
    """
    said, shares, keys = outputs.prediction, outputs.probabilities, outputs.keys
    return Record(
        puid,
        service,
        branch,
        model,
        version,
        at_us,
        None if keys is None else list(keys),
        _bytes(said) if isinstance(said, np.ndarray) else list(said),
        b"" if shares is None else _bytes(shares),
        [] if shares is None else list(outputs.classes),
        shadow,
        once,
    )


def record_of_number(number: float, *, puid: str, model: str, version: int, at_us: int) -> Record:
    """Keep the prediction of one row that has no key, asked for without a service.

    The same as `record_of` gives, in less time.

    Examples
    --------
    >>> record_of_number(2.5, puid="a", model="m", version=1, at_us=0).numbers().tolist()
    [2.5]
    """
    return Record(puid, "", "", model, version, at_us, None, _packed(number))


def _bytes(numbers: NDArray[np.float64]) -> bytes:
    # The comparison costs a third of what a conversion of nothing does.
    return (numbers if numbers.dtype == _FLOATS else numbers.astype(_FLOATS)).tobytes()
