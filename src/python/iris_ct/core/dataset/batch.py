"""A batch: rows that arrived together; immutable, with an id and a fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ROW = "_row"
"""Arrival ordinal of a row within its model: 0, 1, 2 ... over all batches; int64."""

POSITION = "_position"
"""Event position: microseconds since 1970 UTC of the event time, or ``_row`` without one; int64."""

KEY = "_key"
"""Key of a row as text: its key columns joined by ``|``, or ``<batch id>:<place>`` without any."""

BatchKind = Literal["rows", "labels"]
BatchState = Literal["stored", "quarantined"]


@dataclass(frozen=True)
class Batch:
    """One catalogued arrival, of rows or of labels.

    Attributes
    ----------
    batch_id : str
        ``<model>-<seq>``, zero-padded, unique.
    seq : int
        Place among all arrivals (rows and labels) of the model, from 1: the age of a fact.
    fingerprint : str
        SHA-256 of the file's decompressed content; the same content is recognised by it.
    first_row, n_rows : int
        Its stored rows have the ordinals ``first_row .. first_row + n_rows - 1``.
    n_labelled, n_quarantined : int
        Rows with a target; rows held back with reasons.
    first_position, last_position : int or None
        Smallest and largest event position; None when no row was stored.
    path : str
        Parquet file of the stored rows, relative to the home; empty if none.
    quarantine_path : str
        Parquet file of the rows held back, relative to the home; empty if none.
    file_digest : str
        SHA-256 of the Parquet file; empty if none.
    """

    batch_id: str
    model: str
    seq: int
    kind: BatchKind
    state: BatchState
    source: str
    fingerprint: str
    spec_digest: str
    first_row: int
    n_rows: int
    n_labelled: int
    n_quarantined: int
    first_position: int | None
    last_position: int | None
    path: str
    quarantine_path: str
    file_digest: str
    arrived_at: datetime
