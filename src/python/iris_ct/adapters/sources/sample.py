"""A sample of a file for a proposal: evenly spread, in the order of the file, memory bounded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from iris_ct.adapters.sources.files import open_rows
from iris_ct.core.dataset.validation import RAGGED


@dataclass(frozen=True)
class Sample:
    """Some rows of a file.

    Attributes
    ----------
    frame : DataFrame
        Every ``stride``-th row, in order; ragged rows left out.
    n_scanned : int
        Rows read.
    whole : bool
        The file was read to its end.
    """

    frame: pl.DataFrame
    stride: int
    n_scanned: int
    whole: bool

    @property
    def description(self) -> str:
        """Say which rows of the file these are."""
        rows = f"{'all' if self.whole else 'the first'} {self.n_scanned} rows"
        return rows if self.stride == 1 else f"one row in {self.stride} of {rows}"


def sample_rows(path: Path, *, n_rows: int = 50_000, scan_rows: int = 5_000_000) -> Sample:
    """Take a sample of at most ``2 * n_rows`` rows.

    Parameters
    ----------
    path : Path
    n_rows : int
        All rows are taken up to here; beyond, every second, fourth, ... so that at least so many
        are.
    scan_rows : int
        Rows to read at most: a proposal need not wait for the whole of a large file.

    Returns
    -------
    Sample

    Notes
    -----
    Not drawn at random: the rows keep a constant distance, so that a running number is still seen
    as one, and the same file always gives the same proposal.
    """
    kept: list[pl.DataFrame] = []
    stride, n_kept, whole = 1, 0, True
    with open_rows(path) as source:
        for chunk in source:
            before = source.n_rows - chunk.height
            kept.append(_every(chunk, stride, offset=-before % stride))
            n_kept += kept[-1].height
            while n_kept > 2 * n_rows:
                stride *= 2
                together = pl.concat(kept, how="diagonal")
                kept = [_every(together, 2, offset=0)]
                n_kept = kept[0].height
            if source.n_rows >= scan_rows:
                whole = False
                break
        frame = pl.concat(kept, how="diagonal") if kept else source.schema.to_frame()
        if RAGGED in frame.columns:
            frame = frame.filter(pl.col(RAGGED).is_null()).drop(RAGGED)
        return Sample(frame, stride, source.n_rows, whole)


def _every(frame: pl.DataFrame, stride: int, *, offset: int) -> pl.DataFrame:
    # The slice alone would keep the whole chunk in memory.
    return frame.gather_every(stride, offset) if stride > 1 else frame
