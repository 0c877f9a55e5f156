"""A snapshot file as an encoded table, without ever holding all its columns in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from iris_ct.core.dataset.batch import POSITION, ROW
from iris_ct.core.dataset.split import JUDGE, TRAIN, UNUSED, VALIDATE
from iris_ct.core.errors import IntegrityError
from iris_ct.core.specification import Specification
from iris_ct.core.training.encoding import FeatureEncoding, learn_encoding
from iris_ct.core.training.table import CHUNK_ROWS, TrainingTable


def check_digest(path: Path, wanted: str) -> None:
    """Compare a file with its SHA-256.

    Raises
    ------
    IntegrityError
        If it is another file than the one that was catalogued.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise IntegrityError(
            f"Snapshot {path.name} has digest {found[:12]}, but {wanted[:12]} was catalogued: the "
            "file was changed or damaged. Start a new training, which cuts a new snapshot."
        )


def load_table(
    snapshot: Path,
    roles_path: Path,
    specification: Specification,
    *,
    judges_train: bool,
    matrix_path: Path,
) -> TrainingTable:
    """Encode the used rows of a snapshot into a memory-mapped matrix.

    Parameters
    ----------
    snapshot, roles_path : Path
        See `iris_ct.ports.TrainingJob`.
    judges_train : bool
        A refit: rows of role 3 train as well.
    matrix_path : Path
        NumPy file to write; the caller removes it.

    Returns
    -------
    TrainingTable
        Rows of role 0 are left out.

    Raises
    ------
    IntegrityError
        If there are not as many roles as rows.
    """
    all_roles = np.load(roles_path)
    n_rows = pq.read_metadata(snapshot).num_rows
    if all_roles.shape != (n_rows,):
        raise IntegrityError(
            f"{roles_path.name} holds {all_roles.size} roles, but the snapshot has {n_rows} rows."
        )
    source = _Chunks(snapshot, all_roles)
    training = (TRAIN, VALIDATE, JUDGE) if judges_train else (TRAIN, VALIDATE)
    encoding = learn_encoding(specification, source.read(_counted(specification), training))
    used = all_roles != UNUSED
    matrix = np.lib.format.open_memmap(
        matrix_path,
        mode="w+",
        dtype=np.float64,
        shape=(int(used.sum()), len(encoding.columns)),
    )
    target = np.empty(len(matrix), dtype=np.float64)
    positions = np.empty(len(matrix), dtype=np.int64)
    row_numbers = np.empty(len(matrix), dtype=np.int64)
    columns = [ROW, POSITION, *specification.feature_names, specification.target]
    first = 0
    for frame in source.read(columns, (TRAIN, VALIDATE, JUDGE)):
        part = slice(first, first + frame.height)
        encoding.encode_into(frame, matrix[part])
        target[part] = encode_target(frame[specification.target], encoding)
        positions[part] = frame[POSITION].to_numpy()
        row_numbers[part] = frame[ROW].to_numpy()
        first += frame.height
    return TrainingTable(encoding, matrix, target, positions, row_numbers, all_roles[used])


def encode_target(target: pl.Series, encoding: FeatureEncoding) -> NDArray[np.float64]:
    """Give the target as numbers: values, or the class's place; -1 for an unknown class."""
    if not encoding.classes:
        return target.cast(pl.Float64).to_numpy()
    known = pl.Enum(list(encoding.classes))
    codes = target.cast(pl.String).cast(known, strict=False).to_physical().cast(pl.Float64)
    return codes.fill_null(-1.0).to_numpy()


def _counted(specification: Specification) -> list[str]:
    names = [f.name for f in specification.features if f.kind == "categorical"]
    return names if specification.task == "regression" else [*names, specification.target]


class _Chunks:
    """Reads a snapshot's rows of some roles, a bounded number at a time."""

    def __init__(self, path: Path, roles: NDArray[np.int8]) -> None:
        self._path, self._roles = path, roles

    def read(self, columns: list[str], roles: tuple[int, ...]) -> Iterator[pl.DataFrame]:
        if not columns:
            return
        first = 0
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=columns):
                wanted = np.isin(self._roles[first : first + batch.num_rows], roles)
                first += batch.num_rows
                frame = pl.DataFrame(pl.from_arrow(batch))
                yield frame if wanted.all() else frame.filter(pl.Series(wanted))
