"""Ingest beside a bare write of the same rows, and memory beside the size of the file."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.data import model_file, rows, write
from benchmarks.home import hand_over, ingest, parts_of, workplace
from benchmarks.measure import Child, in_child, interleaved, timed
from benchmarks.table import Table, rate, s, times


def run(*, n_rows: int = 1_000_000, runs: int = 3) -> list[Table]:
    """Measure both formats, then the memory at a quarter of the rows and at all of them."""
    with workplace() as work:
        frame = rows(n_rows)
        quarter = frame.head(n_rows // 4)
        files = {kind: write(frame, work / f"rows.{kind}") for kind in ("csv", "parquet")}
        small = {kind: write(quarter, work / f"quarter.{kind}") for kind in ("csv", "parquet")}
        return [_speed(frame, files, work, runs), _memory(files, small, work, n_rows)]


def _speed(frame: pl.DataFrame, files: dict[str, Path], work: Path, runs: int) -> Table:
    n = frame.height
    table = Table(
        f"B, F. Ingest: {n:,} rows of 20 features, time and target",
        ("file", "ingest", "bare read + write", "write alone", "ingest / bare", "goal"),
    )
    for kind, file in files.items():
        typed = pl.read_csv(file) if kind == "csv" else pl.read_parquet(file)
        found = interleaved(
            {
                "ingest": partial(_ingest_once, file, work),
                "bare": partial(timed, _bare, file, work),
                "write": partial(timed, _write, typed, work),
            },
            runs=runs,
        )
        table.add(
            f"{kind}, {file.stat().st_size / 1e6:.0f} MB",
            f"{s(found['ingest'])}, {rate(n, found['ingest'])}",
            f"{s(found['bare'])}, {rate(n, found['bare'])}",
            f"{s(found['write'])}, {rate(n, found['write'])}",
            f"{times(found['bare'] / found['ingest'])} the speed",
            ">= 0.6x",
        )
    return table


def _memory(files: dict[str, Path], small: dict[str, Path], work: Path, n_rows: int) -> Table:
    table = Table(
        "B, F. Memory of ingest: what a process grows by, MB",
        ("file", f"{n_rows // 4:,} rows", f"{n_rows:,} rows", f"bare, {n_rows:,} rows"),
    )
    for kind in files:
        quarter = _child("ingest_file", small[kind], work)
        whole = _child("ingest_file", files[kind], work)
        bare = _child("bare_file", files[kind], work)
        table.add(kind, *(_grown(child) for child in (quarter, whole, bare)))
    return table


def _grown(child: Child) -> str:
    return f"{child.peak_mb - child.base_mb:.0f} (peak {child.peak_mb:.0f})"


def _child(function: str, file: Path, work: Path) -> Child:
    return in_child(f"benchmarks.ingest:{function}", file=str(file), work=str(work))


def ingest_file(file: str, work: str) -> dict[str, Any]:
    """Ingest in this process."""
    return {"seconds": _ingest_once(Path(file), Path(work))}


def bare_file(file: str, work: str) -> dict[str, Any]:
    """Read and write in this process."""
    return {"seconds": timed(lambda: _bare(Path(file), Path(work)))}


def _ingest_once(file: Path, work: Path) -> float:
    """Ingest into a fresh home; the copy that hands the file over is not counted."""
    with workplace() as place, parts_of(place, bench=model_file()) as parts:
        arrival = hand_over(parts, "bench", file)
        return timed(lambda: ingest(parts, arrival))


def _bare(file: Path, work: Path) -> None:
    frame = pl.read_csv(file) if file.suffix == ".csv" else pl.read_parquet(file)
    _write(frame, work)


def _write(frame: pl.DataFrame, work: Path) -> None:
    path = work / f"bare-{os.getpid()}.parquet"
    frame.write_parquet(path, compression="zstd")
    path.unlink()
