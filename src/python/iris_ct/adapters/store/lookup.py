"""One stored row by its key: of a file only its keys are read, then the one row group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from iris_ct.adapters.store.parquet import damaged, opened
from iris_ct.core.dataset.batch import KEY


def find_row(path: Path, key: str, *, oldest: bool = False) -> pl.DataFrame | None:
    """Give the last row of a file with that key, or the first; None if it has none.

    Raises
    ------
    IntegrityError
        If the file is damaged.
    """
    with opened(path) as file:
        try:
            groups = range(file.num_row_groups)
            for number in groups if oldest else reversed(groups):
                keys = file.read_row_group(number, columns=[KEY])[KEY]
                places = _places(keys, key)
                if len(places):
                    place = places[0 if oldest else -1].as_py()
                    return pl.DataFrame(file.read_row_group(number).slice(place, 1))
        except pa.ArrowException as error:
            raise damaged(path) from error
    return None


def _places(keys: Any, key: str) -> Any:
    """Give the places in a column at which the key stands."""
    found: Any = pc.indices_nonzero(pc.fill_null(pc.equal(keys, key), False))
    return found
