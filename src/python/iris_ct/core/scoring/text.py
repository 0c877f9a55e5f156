"""Reading one row out of its JSON text, without a mapping in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from iris_ct.core.scoring.cells import UnsureError

_as_tuple = msgspec.structs.astuple


class TextReader:
    """Reads JSON objects that name each feature once, and nothing else; usable from any thread.

    Parameters
    ----------
    names : sequence of str
        The features in their declared order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._decode = _decoder(names)
        self._n_marks = 2 * len(names)

    def read(self, text: str) -> tuple[Any, ...]:
        """Give the cells in the order of the features.

        Raises
        ------
        UnsureError
            If the text is anything else, which may be right all the same.
        """
        try:
            cells = _as_tuple(self._decode(text))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise UnsureError from None
        # The quick codec lets a name that comes twice pass, which adds two quotation marks or more.
        n_marks = text.count('"') - self._n_marks
        if n_marks and n_marks != 2 * sum([type(cell) is str for cell in cells]):
            raise UnsureError
        return cells


def _decoder(names: Sequence[str]) -> Callable[[str], Any]:
    """Give what reads an object into a structure, whose names the codec finds quickly."""
    fields = {f"f{place}": name for place, name in enumerate(names)}
    try:
        row = msgspec.defstruct(
            "Row", [(field, Any) for field in fields], rename=fields, forbid_unknown_fields=True
        )
    except ValueError:
        # A name holds a quotation mark, a backslash or a control character.
        return _unsure
    return msgspec.json.Decoder(row).decode


def _unsure(_text: str) -> Any:
    raise UnsureError


__all__ = ["TextReader"]
