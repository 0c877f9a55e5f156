"""Which finished output answers which job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.training_tables import specification

from iris_ct.adapters.training.job_text import JOB, RESULT, is_finished, job_identity
from iris_ct.ports import TrainingJob


def finished(folder: Path) -> TrainingJob:
    job = TrainingJob(
        job_id="j1",
        specification=specification(),
        snapshot=folder / "snapshot.parquet",
        snapshot_digest="d1",
        roles=folder / "roles.npy",
        output=folder,
        preferred_window="90d",
    )
    (folder / JOB).write_text(job_identity(job))
    (folder / RESULT).write_text("{}")
    return job


def test_a_cycle_run_again_after_its_promotion_finds_its_result(tmp_path: Path) -> None:
    """Its own version serves then, and prefers the window that it chose."""
    assert is_finished(replace(finished(tmp_path), preferred_window="180d"))


def test_other_rows_or_rounds_are_another_job(tmp_path: Path) -> None:
    job = finished(tmp_path)
    assert not is_finished(replace(job, snapshot_digest="d2"))
    assert not is_finished(replace(job, window="90d", rounds=7))
    assert not is_finished(replace(job, specification=specification(training={"seed": 8})))
