"""Grids and merged summaries: what drift is measured on and against."""

from __future__ import annotations

import hashlib

import polars as pl

from iris_ct.core.canonical import digest
from iris_ct.core.dataset.batch import Batch
from iris_ct.core.drift.grid import Grid, grid_from_bytes, learn_grid
from iris_ct.core.drift.summary import (
    Summary,
    SummaryBuilder,
    merge_summaries,
    summary_from_bytes,
)
from iris_ct.core.model_version import ModelVersion
from iris_ct.core.span import span_length
from iris_ct.core.specification import Specification
from iris_ct.ports import Store


def grid_for(specification: Specification, rows: pl.DataFrame, *, store: Store) -> Grid:
    """Give the grid of these columns, learned from the first rows that ever needed it."""
    columns = columns_digest(specification)
    known = store.summaries.grid(specification.name, columns)
    if known is None:
        grid = learn_grid(rows, specification)
        store.summaries.save_grid(specification.name, columns, grid.to_bytes())
        # Whoever saved first has decided.
        known = store.summaries.grid(specification.name, columns) or grid.to_bytes()
    return grid_from_bytes(known)


def columns_digest(specification: Specification) -> str:
    """Digest what a grid depends on: the features, the target and the task."""
    content = specification.content()
    return digest({name: content[name] for name in ("features", "target", "task")})


def window_summary(
    specification: Specification,
    *,
    from_position: int,
    to_position: int,
    as_of_seq: int,
    store: Store,
) -> Summary | None:
    """Merge what arrived into one window, without reading a row; None if nothing is in it.

    Only after a change of the columns are batches that were counted on another grid counted
    again, from their stored rows.
    """
    model = specification.name
    known = store.summaries.grid(model, columns_digest(specification))
    parts = store.summaries.overlapping(
        model, from_position=from_position, to_position=to_position, as_of_seq=as_of_seq
    )
    if known is None or not parts:
        return None
    summaries = [summary_from_bytes(part) for part in parts]
    # `Grid.digest` of the stored bytes, without reading thousands of edges for each check.
    grid_digest = hashlib.sha256(known).hexdigest()
    if any(summary.layout.grid_digest != grid_digest for summary in summaries):
        grid = grid_from_bytes(known)
        summaries = [
            _count_again(grid, batch, specification, store)
            for batch in store.batches.arrivals(model)
            if _overlaps(batch, from_position, to_position) and batch.seq <= as_of_seq
        ]
    merged = merge_summaries(summaries, from_position=from_position, to_position=to_position)
    return merged if merged.total_rows else None


def save_reference(version: ModelVersion, *, as_of_seq: int, store: Store) -> None:
    """Keep the merged summary of the rows that a version was fitted on."""
    specification = store.specifications.get(version.spec_digest)
    summary = window_summary(
        specification,
        from_position=version.fit_from,
        to_position=version.fit_until,
        as_of_seq=as_of_seq,
        store=store,
    )
    if summary is not None:
        store.summaries.save_reference(version.model, version.version, summary.to_bytes())


def _overlaps(batch: Batch, from_position: int, to_position: int) -> bool:
    if batch.kind != "rows" or batch.first_position is None or batch.last_position is None:
        return False
    return batch.first_position <= to_position and batch.last_position >= from_position


def _count_again(grid: Grid, batch: Batch, specification: Specification, store: Store) -> Summary:
    """Count a batch's stored rows on a grid; a column it never had is missing in every row."""
    builder = SummaryBuilder(
        grid,
        cell_length=span_length(specification.cell),
        seed=specification.training.seed,
    )
    for rows in store.batches.rows(batch):
        absent = [name for name in specification.feature_names if name not in rows.columns]
        builder.add(rows.with_columns(pl.lit(None).alias(name) for name in absent))
    return builder.build()
