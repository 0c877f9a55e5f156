"""A snapshot: the labelled, mature rows of one training, cut once and never changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Snapshot:
    """One immutable Parquet file, sorted by event position, then by arrival.

    Columns: ``_row`` and ``_position`` (int64, see `iris_ct.core.dataset.batch`), the group
    column if declared, every feature (numeric float64, boolean bool, categorical string,
    datetime timestamp[us, UTC]), features that only the champion still sees, and the target
    (float64 for regression, else string). No row lacks its target; each key occurs once.

    Attributes
    ----------
    path : str
        Relative to the home.
    digest : str
        SHA-256 of the file.
    as_of_seq : int
        Newest arrival whose facts it holds.
    from_position, horizon : int
        Positions of its rows are ``from_position <= p <= horizon``; the horizon is the newest
        mature position: newest event position minus the label delay.
    """

    snapshot_id: str
    model: str
    spec_digest: str
    path: str
    digest: str
    as_of_seq: int
    from_position: int
    horizon: int
    n_rows: int
    first_position: int
    last_position: int
