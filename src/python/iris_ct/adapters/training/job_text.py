"""Training jobs and outcomes as JSON: what travels over the pipe and what is kept on disk."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from iris_ct.core.canonical import canonical_json
from iris_ct.core.specification import parse_specification
from iris_ct.ports import TrainingJob, TrainingOutcome

RESULT = "result.json"
"""Written last: an output directory with it is finished."""

JOB = "job.json"
"""What the finished output answers."""


def job_content(job: TrainingJob) -> dict[str, Any]:
    """Give a job as plain JSON values."""
    return {
        "job_id": job.job_id,
        "specification": job.specification.content(),
        "snapshot": str(job.snapshot),
        "snapshot_digest": job.snapshot_digest,
        "roles": str(job.roles),
        "output": str(job.output),
        "window": job.window,
        "rounds": job.rounds,
        "preferred_window": job.preferred_window,
    }


def job_from_content(content: dict[str, Any]) -> TrainingJob:
    """Read a job back; the inverse of `job_content`."""
    fields = dict(content)
    fields["specification"] = parse_specification(fields["specification"], source="the job")
    for name in ("snapshot", "roles", "output"):
        fields[name] = Path(fields[name])
    return TrainingJob(**fields)


def is_finished(job: TrainingJob) -> bool:
    """Tell whether the output directory answers exactly this job already."""
    if not (job.output / RESULT).exists() or not (job.output / JOB).exists():
        return False
    return (job.output / JOB).read_text("utf-8") == job_identity(job)


def job_identity(job: TrainingJob) -> str:
    """Give what must be equal for a finished output to answer a job.

    Not the places, and not the preferred window: it is the champion's, and a cycle that is run
    again after its own promotion must find its result and not replace what was judged.
    """
    passed_over = ("snapshot", "roles", "output", "preferred_window")
    content = job_content(job)
    return canonical_json({n: said for n, said in content.items() if n not in passed_over})


def outcome_to_json(outcome: TrainingOutcome) -> str:
    """Give a finished job's record as canonical JSON."""
    return canonical_json(asdict(outcome))


def outcome_from_json(text: str) -> TrainingOutcome:
    """Read a record back; the inverse of `outcome_to_json`."""
    content = json.loads(text)
    content["candidates"] = tuple(content["candidates"])
    content["curve"] = tuple(content["curve"])
    return TrainingOutcome(**content)
