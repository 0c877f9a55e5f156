"""Cutting a snapshot holds a bounded part of it in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.store import children

pytestmark = [pytest.mark.integration, pytest.mark.slow]

N_ROWS = 2_000_000

# 20 features are 320 MB of numbers alone; positions are shuffled, one key in ten is corrected
# and one label in ten is late.
CUTTING = f"""
import resource
import numpy as np
import polars as pl
spec = specification(features={{f"x{{i}}": "numeric" for i in range(20)}})
limited = SqlStore(url, home, synchronous="OFF", memory_limit="300MB")
n_rows, piece = {N_ROWS}, 100_000
rng = np.random.default_rng(5)
with limited.batches.writer(spec, "rows") as writer:
    for start in range(0, n_rows, piece):
        ordinals = np.arange(start, start + piece)
        writer.write_rows(pl.DataFrame({{
            "_row": ordinals,
            "_position": rng.integers(0, 10**9, piece),
            "_key": (ordinals % (n_rows * 9 // 10)).astype(str),
            **{{f"x{{i}}": rng.normal(size=piece) for i in range(20)}},
            "y": rng.normal(size=piece),
        }}))
    writer.commit(fingerprint="f", source="s", state="stored", n_labelled=0, arrived_at=NOON)
add_labels(limited, spec, [(str(i), 1.0) for i in range(0, n_rows, 10)])
written_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
snapshot = limited.snapshots.cut(
    spec, snapshot_id="s", as_of_seq=2, from_position=None, horizon=10**9
)
tell(f"{{snapshot.n_rows}} {{written_mb}} {{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}}")
"""


def test_two_million_rows_are_written_and_cut_in_bounded_memory(tmp_path: Path) -> None:
    """In a process of its own, whose peak is its own; the whole is 0.4 GB of rows."""
    child = children.start(f"sqlite:///{tmp_path / 'ct.db'}", tmp_path / "home", CUTTING)
    n_rows, written_mb, peak_mb = map(int, children.hear(child).split())
    assert children.end(child) == 0
    assert n_rows == N_ROWS * 9 // 10
    assert written_mb < 1000
    assert peak_mb < 1500
